//! As much of JSON as questions to policy need.

/// A member of a flat object. Objects, arrays, numbers, false and null are Other.
#[derive(Debug, PartialEq)]
pub enum Value {
    Text(String),
    True,
    Other,
}

/// Text as a JSON string.
pub fn quote(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            c if c < ' ' => out += &format!("\\u{:04x}", c as u32),
            c => out.push(c),
        }
    }
    out + "\""
}

/// Calls member for each member of an object; None when the text is not one.
pub fn read_object(text: &str, mut member: impl FnMut(&str, Value)) -> Option<()> {
    let mut r = Reader { bytes: text.as_bytes(), at: 0 };
    r.expect(b'{')?;
    let mut first = true;
    while !r.take(b'}') {
        if !first {
            r.expect(b',')?;
        }
        first = false;
        let key = r.text()?;
        r.expect(b':')?;
        let value = r.value(0)?;
        member(&key, value);
    }
    r.space();
    (r.at == r.bytes.len()).then_some(())
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Reader<'_> {
    fn space(&mut self) {
        while matches!(self.bytes.get(self.at), Some(b' ' | b'\n' | b'\t' | b'\r')) {
            self.at += 1;
        }
    }

    fn take(&mut self, c: u8) -> bool {
        self.space();
        let there = self.bytes.get(self.at) == Some(&c);
        self.at += usize::from(there);
        there
    }

    fn expect(&mut self, c: u8) -> Option<()> {
        self.take(c).then_some(())
    }

    fn text(&mut self) -> Option<String> {
        self.expect(b'"')?;
        let mut out = Vec::new();
        loop {
            let c = *self.bytes.get(self.at)?;
            self.at += 1;
            match c {
                b'"' => return String::from_utf8(out).ok(),
                b'\\' => self.escape(&mut out)?,
                c => out.push(c),
            }
        }
    }

    fn escape(&mut self, out: &mut Vec<u8>) -> Option<()> {
        let c = *self.bytes.get(self.at)?;
        self.at += 1;
        match c {
            b'u' => {
                let c = self.unicode()?;
                out.extend(c.encode_utf8(&mut [0; 4]).bytes());
            }
            b'b' => out.push(8),
            b'f' => out.push(12),
            b'n' => out.push(b'\n'),
            b'r' => out.push(b'\r'),
            b't' => out.push(b'\t'),
            b'"' | b'\\' | b'/' => out.push(c),
            _ => return None,
        }
        Some(())
    }

    /// Reads four hexadecimal digits, or twice four when they are a surrogate pair. Half a pair is U+FFFD.
    fn unicode(&mut self) -> Option<char> {
        let high = self.hex()?;
        if (0xd800..0xdc00).contains(&high) && self.bytes[self.at..].starts_with(b"\\u") {
            let back = self.at;
            self.at += 2;
            let low = self.hex()?;
            if (0xdc00..0xe000).contains(&low) {
                return char::from_u32(0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00));
            }
            self.at = back;
        }
        Some(char::from_u32(high).unwrap_or('\u{fffd}'))
    }

    fn hex(&mut self) -> Option<u32> {
        let digits = std::str::from_utf8(self.bytes.get(self.at..self.at + 4)?).ok()?;
        self.at += 4;
        u32::from_str_radix(digits, 16).ok()
    }

    /// Reads any value; nesting beyond 64 is refused.
    fn value(&mut self, depth: usize) -> Option<Value> {
        self.space();
        match *self.bytes.get(self.at)? {
            _ if depth > 64 => None,
            b'"' => Some(Value::Text(self.text()?)),
            open @ (b'{' | b'[') => {
                self.at += 1;
                let mut first = true;
                while !self.take(open + 2) {
                    if !first {
                        self.expect(b',')?;
                    }
                    first = false;
                    if open == b'{' {
                        self.text()?;
                        self.expect(b':')?;
                    }
                    self.value(depth + 1)?;
                }
                Some(Value::Other)
            }
            _ => {
                let rest = &self.bytes[self.at..];
                let word = |c: &u8| c.is_ascii_alphanumeric() || b"+-.".contains(c);
                let n = rest.iter().position(|c| !word(c)).unwrap_or(rest.len());
                self.at += n;
                match &rest[..n] {
                    b"" => None,
                    b"true" => Some(Value::True),
                    _ => Some(Value::Other),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn members(text: &str) -> Option<Vec<(String, Value)>> {
        let mut out = Vec::new();
        read_object(text, |k, v| out.push((k.to_string(), v)))?;
        Some(out)
    }

    #[test]
    fn objects() {
        let got =
            members(r#" { "a" : true, "b":"x\"\u00fc\ud83e\udd85\n", "c": [1, {"d": null}], "e": -2.5e+3 } "#).unwrap();
        let names: Vec<&str> = got.iter().map(|(k, _)| k.as_str()).collect();
        assert_eq!(names, ["a", "b", "c", "e"]);
        assert_eq!(got[0].1, Value::True);
        assert_eq!(got[1].1, Value::Text("x\"ü🦅\n".into()));
        assert_eq!(members("{}"), Some(vec![]));
        for bad in ["", "[]", "{", "{\"a\"}", "{\"a\":}", "{\"a\":1,}", "{} x", "{\"a\":\"\\x\"}", "{\"a\":\"\\u12\"}"]
        {
            assert_eq!(members(bad), None, "{bad}");
        }
        assert_eq!(members(&format!("{{\"a\":{}", "[".repeat(100_000))), None);
    }

    #[test]
    fn quotes() {
        assert_eq!(quote("a\"\\\u{1}ü"), "\"a\\\"\\\\\\u0001ü\"");
    }
}
