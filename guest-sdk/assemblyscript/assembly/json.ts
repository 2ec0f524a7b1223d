// As much of JSON as questions to policy need.
import { Decision } from "./run";

// Text as a JSON string.
export function quote(text: string): string {
  let out = '"', from = 0;
  for (let i = 0; i < text.length; i++) {
    const c = text.charCodeAt(i);
    if (c != 34 && c != 92 && c >= 32) continue;
    out += text.substring(from, i) + (c < 32 ? "\\u" + c.toString(16).padStart(4, "0") : "\\" + String.fromCharCode(c));
    from = i + 1;
  }
  return out + text.substring(from) + '"';
}

// Reads an answer of policy; false: it is not one.
export function readDecision(text: string, d: Decision): bool {
  const r = new Reader(text);
  if (!r.take(123)) return false; // {
  for (let first = true; !r.bad && !r.take(125); first = false) {
    if (!first) r.expect(44);
    const key = r.text();
    r.expect(58);
    r.space();
    if (key == "reason" && r.peek() == 34) {
      d.reason = r.text();
    } else {
      const from = r.at;
      r.skip(0);
      if (key == "allow") d.allow = text.substring(from, r.at) == "true";
    }
  }
  return !r.bad;
}

@final
class Reader {
  at: i32 = 0;
  bad: bool = false;

  constructor(private s: string) {}

  peek(): i32 { return this.at < this.s.length ? this.s.charCodeAt(this.at) : -1; }

  space(): void {
    while (this.peek() == 32 || this.peek() == 10 || this.peek() == 9 || this.peek() == 13) this.at++;
  }

  take(c: i32): bool {
    this.space();
    if (this.peek() != c) return false;
    this.at++;
    return true;
  }

  expect(c: i32): void { if (!this.take(c)) this.bad = true; }

  text(): string {
    this.expect(34);
    let out = "";
    let from = this.at;
    while (!this.bad) {
      const c = this.peek();
      if (c < 0) this.bad = true;
      this.at++;
      if (c == 34) return out + this.s.substring(from, this.at - 1);
      if (c != 92) continue;
      out += this.s.substring(from, this.at - 1) + this.escape();
      from = this.at;
    }
    return out;
  }

  private escape(): string {
    const c = this.peek();
    this.at++;
    switch (c) {
      case 34: case 92: case 47: return String.fromCharCode(c);
      case 98: return "\b";
      case 102: return "\f";
      case 110: return "\n";
      case 114: return "\r";
      case 116: return "\t";
      case 117: { // u: surrogates come in pairs here as there
        let v = 0;
        for (let i = 0; i < 4; i++, this.at++) {
          const h = this.peek() | 32;
          if (h >= 48 && h <= 57) v = v << 4 | (h - 48);
          else if (h >= 97 && h <= 102) v = v << 4 | (h - 87);
          else this.bad = true;
        }
        return String.fromCharCode(v);
      }
    }
    this.bad = true;
    return "";
  }

  // Passes over any value. Nesting beyond 64 is refused.
  skip(depth: i32): void {
    const object = this.take(123);
    if (depth > 64) {
      this.bad = true;
    } else if (object || this.take(91)) {
      for (let first = true; !this.bad && !this.take(object ? 125 : 93); first = false) {
        if (!first) this.expect(44);
        if (object) {
          this.text();
          this.expect(58);
        }
        if (!this.bad) this.skip(depth + 1);
      }
    } else if (this.peek() == 34) {
      this.text();
    } else {
      const from = this.at;
      for (let c = this.peek(); c > 32 && c != 44 && c != 58 && c != 93 && c != 125; c = this.peek()) this.at++;
      if (this.at == from) this.bad = true;
    }
  }
}
