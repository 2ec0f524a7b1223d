package file

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
)

// rowsOf renders all rows of a text, one a line: line number, values with ' around quoted ones, or ! and the reason.
func rowsOf(t testing.TB, r io.Reader, c csvReader) string {
	t.Helper()
	c.in = newInput(r, 0)
	if err := c.in.skipBOM(); err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for {
		row, err := c.next()
		if err == io.EOF {
			return b.String()
		}
		if err != nil {
			t.Fatal(err)
		}
		if row.broken != "" {
			fmt.Fprintf(&b, "%d !%s: %s\n", row.line, row.broken, row.raw)
			continue
		}
		var values []string
		for _, f := range row.fields {
			v := strings.ReplaceAll(string(f.b), "\n", `\n`)
			if f.quoted {
				v = "'" + v + "'"
			}
			values = append(values, v)
		}
		fmt.Fprintf(&b, "%d %s\n", row.line, strings.Join(values, "|"))
	}
}

var rfc = csvReader{delimiter: ',', quote: '"'}

func TestCSVRows(t *testing.T) {
	for _, c := range []struct {
		name, text, want string
		reader           csvReader
	}{
		{"plain", "a,b\n1,2\n", "1 a|b\n2 1|2\n", rfc},
		{"no end of line", "a,b\n1,2", "1 a|b\n2 1|2\n", rfc},
		{"CRLF", "a,b\r\n1,2\r\n3,\"x\"\r\n", "1 a|b\n2 1|2\n3 3|'x'\n", rfc},
		{"BOM", "\xef\xbb\xbfa,b\n", "1 a|b\n", rfc},
		{"BOM and quote", "\xef\xbb\xbf\"a\",b\n", "1 'a'|b\n", rfc},
		{"empty", "", "", rfc},
		{"blank lines", "\n\na\n\r\n\nb\n", "3 a\n6 b\n", rfc},
		{"empty values", ",\n\"\",\n,,\n", "1 |\n2 ''|\n3 ||\n", rfc},
		{"quoted delimiter", "\"a,b\",c\n", "1 'a,b'|c\n", rfc},
		{"doubled quotes", "\"a\"\"b\",\"\"\"\",\"\"\"x\"\"\"\n", "1 'a\"b'|'\"'|'\"x\"'\n", rfc},
		{"quoted newline", "\"a\nb\",1\n2,3\n", "1 'a\\nb'|1\n3 2|3\n", rfc},
		{"quoted newlines and CRLF", "\"a\r\n\r\nb\",1\r\n2,3\r\n", "1 'a\r\\n\r\\nb'|1\n4 2|3\n", rfc},
		{"quote within a value", "5\" pipe,x\"y\"\nb,c\n", "1 5\" pipe|x\"y\"\n2 b|c\n", rfc},
		{"text after a quote", "\"a\"b,c\nd,e\n", "1 !text follows a quoted value: \"a\"b,c\n2 d|e\n", rfc},
		// A quote that is never closed costs its own line, whatever follows.
		{"open quote at the end", "1,\"abc\n2,def\n3,ghi", "1 !a quoted value does not end: 1,\"abc\n2 2|def\n3 3|ghi\n", rfc},
		{"open quote before a quoted row", "1,\"abc\n2,\"def\",x\n3,y\n", "1 !text follows a quoted value: 1,\"abc\n2 2|'def'|x\n3 3|y\n", rfc},
		{"quote closed by the last byte", "\"\n\"", "1 '\\n'\n", rfc},
		{"tab", "a\tb,c\n", "1 a|b,c\n", csvReader{delimiter: '\t', quote: '"'}},
		{"semicolon and apostrophe", "'a;b';\"c\n", "1 'a;b'|\"c\n", csvReader{delimiter: ';', quote: '\''}},
		{"no quote", "\"a,b\"\n", "1 \"a|b\"\n", csvReader{delimiter: ','}},
		{"comments", "# x\na,b\n#\nc,#d\n", "2 a|b\n4 c|#d\n", csvReader{delimiter: ',', quote: '"', comment: '#'}},
		{"bare CR is text", "a\rb,c\n", "1 a\rb|c\n", rfc},
		{"CR after a quote at the end", "\"a\"\r", "1 'a'\n", rfc},
	} {
		t.Run(c.name, func(t *testing.T) {
			for kind, r := range map[string]io.Reader{"whole": strings.NewReader(c.text), "byte by byte": iotest.OneByteReader(strings.NewReader(c.text)),
				"data with the end": iotest.DataErrReader(strings.NewReader(c.text))} {
				if got := rowsOf(t, r, c.reader); got != c.want {
					t.Errorf("%s: got\n%swant\n%s", kind, got, c.want)
				}
			}
		})
	}
}

func TestCSVLongRows(t *testing.T) {
	long := strings.Repeat("x", maxRow+1)
	for name, c := range map[string]struct{ text, want string }{
		"unquoted":                {"a\n" + long + "\nb\n", "1 a\n2 !is longer than 4 MiB: " + long[:maxRaw] + "\n3 b\n"},
		"unquoted, at the end":    {"a\n" + long, "1 a\n2 !is longer than 4 MiB: " + long[:maxRaw] + "\n"},
		"far longer":              {strings.Repeat(long, 5) + "\nb\n", "1 !is longer than 4 MiB: " + long[:maxRaw] + "\n2 b\n"},
		"quoted over many lines":  {"\"" + strings.Repeat("xxxxxxx\n", maxRow/8+100) + "\",1\n", ""},
		"just as long as allowed": {long[:maxRow] + "\nb\n", "1 " + long[:maxRow] + "\n2 b\n"},
	} {
		got := rowsOf(t, strings.NewReader(c.text), rfc)
		if c.want != "" && got != c.want {
			t.Errorf("%s: %d bytes, not those wanted", name, len(got))
		}
		if c.want == "" && !strings.HasPrefix(got, "1 !is longer than 4 MiB: \"xxxxxxx\n2 xxxxxxx\n") {
			t.Errorf("%s: begins %q", name, got[:100])
		}
	}
}

// Every line is a row or a rejection, exactly once, and rows without quotes are what splitting gives.
func FuzzCSVReader(f *testing.F) {
	for _, s := range []string{"a,b\n1,2\n", "\"a\n\"\"b\",c\r\nx\n", "\"", "\"\"\"", "a\"b\n\"c\n", "\xef\xbb\xbf1\n\n", ",\"a\"x\n\"", "\r\n\r", "\"a\"\r"} {
		f.Add([]byte(s), true)
		f.Add([]byte(s), false)
	}
	f.Fuzz(func(t *testing.T, text []byte, pieces bool) {
		var r io.Reader = bytes.NewReader(text)
		if pieces {
			r = iotest.HalfReader(iotest.OneByteReader(r))
		}
		c := rfc
		c.in = newInput(r, 0)
		lines, at := bytes.Split(text, []byte("\n")), int64(0)
		for {
			row, err := c.next()
			if err == io.EOF {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			for at++; at < row.line; at++ {
				if len(trimCR(lines[at-1])) > 0 {
					t.Fatalf("line %d %q is in no row", at, lines[at-1])
				}
			}
			if row.line != at {
				t.Fatalf("a row on line %d, the one before ended on %d", row.line, at-1)
			}
			spans := int64(bytes.Count(row.raw, []byte("\n")))
			if row.broken != "" && spans > 0 {
				t.Fatalf("a broken row took %d lines", spans+1)
			}
			want := bytes.Join(lines[at-1:at+spans], []byte("\n"))
			if !bytes.Equal(row.raw, trimCR(want)) {
				t.Fatalf("raw %q, the file has %q", row.raw, want)
			}
			at += spans
		}
		for ; int(at) < len(lines); at++ {
			if len(trimCR(lines[at])) > 0 {
				t.Fatalf("line %d %q is in no row", at+1, lines[at])
			}
		}
		agree(t, text)
	})
}

// agree compares with encoding/csv on text that both understand alike.
func agree(t *testing.T, text []byte) {
	std := csv.NewReader(bytes.NewReader(text))
	std.FieldsPerRecord = -1
	want, err := std.ReadAll()
	if err != nil {
		return
	}
	c := rfc
	c.in = newInput(bytes.NewReader(text), int64(len(text)))
	var got [][]string
	for {
		row, err := c.next()
		if err == io.EOF {
			break
		}
		if err != nil || row.broken != "" {
			t.Fatalf("%q: encoding/csv reads it, here %v %s", text, err, row.broken)
		}
		var values []string
		for _, f := range row.fields {
			values = append(values, strings.ReplaceAll(string(f.b), "\r\n", "\n")) // as encoding/csv does
		}
		got = append(got, values)
	}
	if !slices.EqualFunc(got, want, slices.Equal) {
		t.Fatalf("%q:\n%q\n%q by encoding/csv", text, got, want)
	}
}
