package host

import (
	"errors"
	"testing"
)

func TestParseAddress(t *testing.T) {
	for _, c := range []struct{ in, want, query string }{
		{"adp://./safety/strikes", "adp://./safety/strikes", ""},
		{"adp://./safety/strikes/risk?snapshot=41", "adp://./safety/strikes/risk", "snapshot=41"},
		{"adp://mesh.example:7070/safety/strikes@1.2.0/risk", "adp://mesh.example:7070/safety/strikes@1.2.0/risk", ""},
		{"safety/strikes", "adp://./safety/strikes", ""},
		{"/safety/strikes/risk", "adp://./safety/strikes/risk", ""},
		{"http://127.0.0.1:7070/d/safety/strikes", "adp://127.0.0.1:7070/safety/strikes", ""},
		{"https://mesh/d/safety/strikes/risk?asOf=2026-11-01T00:00Z", "adp://mesh/safety/strikes/risk", "asOf=2026-11-01T00%3A00Z"},
	} {
		a, err := ParseAddress(c.in)
		if err != nil {
			t.Errorf("%s: %v", c.in, err)
			continue
		}
		if a.String() != c.want || a.Query.Encode() != c.query {
			t.Errorf("%s: %s ? %s, want %s ? %s", c.in, a, a.Query.Encode(), c.want, c.query)
		}
	}
	for in, want := range map[string]string{ // the representation, and the rest
		"http://m:1/d/a/b.csv": "csv adp://m:1/a/b", "https://m/d/a/b/c.parquet?limit=1": "parquet adp://m/a/b/c", "https://m/d/a/b/.csv": " adp://m/a/b/.csv",
		"http://m/d/a/b.1": " adp://m/a/b.1", "http://m/d/a.csv/b": " adp://m/a.csv/b", "adp://./a/b.csv": " adp://./a/b.csv", "a/b.csv": " adp://./a/b.csv",
	} {
		if a, err := ParseAddress(in); err != nil || a.Form+" "+a.String() != want {
			t.Errorf("%s: %q %s, %v, want %s", in, a.Form, a, err, want)
		}
	}
	for _, bad := range []string{
		"", "strikes", "adp://", "adp://./safety", "adp://./a/b/c/d", "adp:///safety/strikes", "ftp://x/d/a/b",
		"http://x/a/b", "adp://user@./a/b", "adp://./a/b?%zz", "adp://./a//b", "adp://./%zz/b",
	} {
		if _, err := ParseAddress(bad); !errors.Is(err, &Error{Code: CodeAccessAddress}) {
			t.Errorf("%q: error %v, want %s", bad, err, CodeAccessAddress)
		}
	}
}

func FuzzParseAddress(f *testing.F) {
	f.Add("adp://./safety/strikes/risk?snapshot=41")
	f.Add("http://127.0.0.1:7070/d/a/b")
	f.Fuzz(func(t *testing.T, s string) {
		a, err := ParseAddress(s)
		if err == nil && (a.Domain == "" || a.Product == "" && a.Version == "" || a.Mesh == "") {
			t.Errorf("%q gave the incomplete %+v", s, a)
		}
	})
}
