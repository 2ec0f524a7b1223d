package file

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/adp-host/adp/drivers"
	"github.com/adp-host/adp/drivers/drivertest"
)

// The scanner takes what encoding/json takes, and unquotes like it.
func FuzzJSON(f *testing.F) {
	for _, s := range []string{`{}`, `[]`, `null`, `-0.5e+10`, `01`, `"a\u00e9\ud83d\ude00\ud800x\n\/"`, `{"a":[1,{"b":null}],"c":"\""}`, `[1,]`, `{"a"}`,
		`"\ud83d\u0041"`, "\"\x01\"", `  1 `, `tru`, `-`, `1.`, `1e`, "\"\xff\"", strings.Repeat("[", 300) + strings.Repeat("]", 300)} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		b = bytes.TrimSpace(b)
		got, want := validJSON(b), json.Valid(b) && utf8.Valid(b)
		if got != want && !(want && deep(b)) {
			t.Fatalf("%q: valid %v, encoding/json says %v", b, got, want)
		}
		if !got || b[0] != '"' {
			return
		}
		var s string
		if err := json.Unmarshal(b, &s); err != nil {
			t.Fatal(err)
		}
		if u := string(unquote(nil, b)); u != s {
			t.Fatalf("%q unquotes to %q, by encoding/json %q", b, u, s)
		}
	})
}

// deep reports whether a value may be nested beyond what the scanner takes.
func deep(b []byte) bool { return bytes.Count(b, []byte("["))+bytes.Count(b, []byte("{")) > maxDepth }

var nested = arrow.NewSchema([]arrow.Field{
	{Name: "id", Type: arrow.PrimitiveTypes.Int64},
	{Name: "name", Type: arrow.BinaryTypes.String, Nullable: true},
	{Name: "tags", Type: arrow.ListOfField(arrow.Field{Name: "item", Type: arrow.BinaryTypes.String}), Nullable: true},
	{Name: "at", Type: arrow.StructOf(arrow.Field{Name: "lat", Type: arrow.PrimitiveTypes.Float64},
		arrow.Field{Name: "when", Type: &arrow.TimestampType{Unit: arrow.Microsecond, TimeZone: "UTC"}, Nullable: true}), Nullable: true},
}, nil)

func scanNDJSON(t testing.TB, text []byte, schema *arrow.Schema, options map[string]string) []drivers.Batch {
	t.Helper()
	o, err := parseOptions(options, 0, schema)
	if err != nil {
		t.Fatal(err)
	}
	s, err := newNDJSONScan(newInput(bytes.NewReader(text), int64(len(text))), io.NopCloser(nil), "x.ndjson", schema, &o)
	if err != nil {
		t.Fatal(err)
	}
	return drain(t, s)
}

func drain(t testing.TB, s fileScan) (out []drivers.Batch) {
	t.Helper()
	for {
		b, err := s.next(context.Background())
		if err == io.EOF {
			return out
		}
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, b)
	}
}

func TestNDJSONNested(t *testing.T) {
	bs := scanNDJSON(t, []byte(`{"id":1,"tags":["a","b\n"],"at":{"when":"2018-02-04T00:01:28.020Z","lat":1.5,"more":[{}]}}
{"id":2,"tags":[],"at":null,"name":"n"}
{"id":3,"tags":["a",null]}
{"id":4,"at":{"lat":"x"}}
{"id":5,"at":{}}
{"id":6,"tags":"a"}
{"id":7,"at":{"lat":2,"lat":3}}
{"id":8,"\u0074ags":["escaped key"]}
`), nested, nil)
	if len(bs) != 1 {
		t.Fatalf("%d batches", len(bs))
	}
	b := bs[0]
	got, err := b.Record.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	want := `[{"id":1,"name":null,"tags":["a","b\n"],"at":{"lat":1.5,"when":"2018-02-04T00:01:28.02Z"}},
{"id":2,"name":"n","tags":[],"at":null},
{"id":8,"name":null,"tags":["escaped key"],"at":null}]`
	if canonical(t, got) != canonical(t, []byte(want)) {
		t.Errorf("%s", got)
	}
	if len(b.Lines) != 3 || b.Lines[2] != 8 {
		t.Errorf("lines %v", b.Lines)
	}
	var reasons []string
	for _, r := range b.Rejected {
		reasons = append(reasons, r.Column+" "+r.Reason)
	}
	if got, want := strings.Join(reasons, "\n"), `tags is null, but it is required
at lat "\"x\"" is not a number
at lat is missing, but it is required
tags "\"a\"" is not an array
at lat stands twice in the row`; got != want {
		t.Errorf("reasons:\n%s\nwant\n%s", got, want)
	}
}

func canonical(t *testing.T, b []byte) string {
	t.Helper()
	var v any
	if err := json.Unmarshal(b, &v); err != nil {
		t.Fatal(err)
	}
	out, _ := json.Marshal(v)
	return string(out)
}

// Whatever the bytes: every line that is not blank is a row or a rejection, and columns stay equally long.
func FuzzNDJSON(f *testing.F) {
	f.Add([]byte(`{"id":1,"tags":["a"],"at":{"lat":1}}`+"\n{}\n"), true)
	f.Add([]byte("{\"id\":1,\"tags\":[1,\"\\ud800\"]}\r\n\n[\n{\"id\":2,\"at\":{\"lat\":1,\"when\":\"2018-02-04\"},\"at\":null}"), false)
	f.Fuzz(func(t *testing.T, text []byte, strict bool) {
		options := map[string]string{}
		if strict {
			options[OptionStrict] = "true"
		}
		seen := map[int64]bool{}
		for _, b := range scanNDJSON(t, text, nested, options) {
			n := b.Record.NumRows()
			for _, c := range b.Record.Columns() {
				if int64(c.Len()) != n {
					t.Fatalf("a column of %d in a batch of %d", c.Len(), n)
				}
			}
			if _, err := b.Record.MarshalJSON(); err != nil {
				t.Fatal(err)
			}
			for i := range n {
				line := b.Line + i
				if b.Lines != nil {
					line = b.Lines[i]
				}
				if seen[line] {
					t.Fatalf("line %d twice", line)
				}
				seen[line] = true
			}
			for _, r := range b.Rejected {
				if seen[r.Line] {
					t.Fatalf("line %d twice", r.Line)
				}
				seen[r.Line] = true
			}
			b.Record.Release()
		}
		for i, line := range bytes.Split(text, []byte("\n")) {
			if blank := len(trimSpace(trimCR(line))) == 0; blank == seen[int64(i+1)] {
				t.Fatalf("line %d %q: seen %v", i+1, line, !blank)
			}
		}
	})
}

func TestNDJSONOptions(t *testing.T) {
	s := drivertest.Schema
	bs := scanNDJSON(t, []byte(`{"ID No":1,"n":"x"}`+"\n"), s, map[string]string{"column.id": "ID No", "column.name": "n"})
	if len(bs) != 1 || bs[0].Record.NumRows() != 1 {
		t.Errorf("%+v", bs)
	}
	bs = scanNDJSON(t, []byte(`{"id":1,"name":12.50}`+"\n"+`{"id":2,"name":"x","other":1}`+"\n"), s, map[string]string{"strict": "true"})
	if len(bs) != 1 || bs[0].Record.NumRows() != 1 || bs[0].Record.Column(1).ValueStr(0) != "12.50" || len(bs[0].Rejected) != 1 {
		t.Errorf("%+v", bs)
	}
}
