package rest

import (
	"net/url"
	"slices"
	"testing"

	"github.com/adp-host/adp/host"
)

func TestNegotiate(t *testing.T) {
	data := []format{formatJSON, formatNDJSON, formatCSV, formatArrow, formatParquet, formatHTML}
	for _, c := range []struct {
		accept string
		want   format // "" is 406
	}{
		{"", formatJSON},
		{"*/*", formatJSON},
		{"*", formatJSON},
		{"text/csv", formatCSV},
		{"TEXT/CSV", formatCSV},
		{"text/csv;charset=utf-8", formatCSV},
		{"application/json", formatJSON},
		{"application/x-ndjson", formatNDJSON},
		{"application/jsonl", formatNDJSON},
		{"application/vnd.apache.arrow.stream", formatArrow},
		{"application/vnd.apache.parquet", formatParquet},
		{"application/x-parquet", formatParquet},
		{"text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8", formatHTML},
		{"application/vnd.apache.parquet, text/csv;q=0.9", formatParquet},
		{"application/vnd.apache.parquet;q=0.5, text/csv;q=0.9", formatCSV},
		{"text/csv, application/vnd.apache.arrow.stream", formatCSV},
		{"text/*", formatCSV},
		{"text/*;q=0.5, text/html", formatHTML},
		{"*/*;q=0.1, application/vnd.apache.arrow.stream;q=0.2", formatArrow},
		{"application/json;q=0, */*", formatNDJSON},
		{"application/*;q=0.3, application/json;q=0, text/*;q=0.2", formatNDJSON},
		{"image/png", ""},
		{"text/csv;q=0", ""},
		{"*/*;q=0", ""},
		{"text/csv;q=2", ""},
		{"text/csv;q=x", ""},
		{"nonsense", ""},
		{"nonsense, text/csv", formatCSV},
		{";;;,,,text/csv", formatCSV},
	} {
		got, err := negotiate(c.accept, data...)
		if got != c.want || (err != nil) != (c.want == "") {
			t.Errorf("%q: %q, %v; want %q", c.accept, got, err, c.want)
		}
		if err != nil && host.CodeOf(err) != host.CodeAccessFormat {
			t.Errorf("%q: %v", c.accept, err)
		}
	}
}

func TestAcceptsGzip(t *testing.T) {
	for header, want := range map[string]bool{
		"": false, "gzip": true, "GZIP": true, "x-gzip": true, "br, gzip;q=0.2": true, "gzip;q=0": false, "*": true, "*;q=0": false,
		"gzip;q=0, *": false, "identity": false, "gzip; q=0.5": true, "gzip;q=x": false,
	} {
		if acceptsGzip(header) != want {
			t.Errorf("%q: %v", header, !want)
		}
	}
}

func TestSplitExtension(t *testing.T) {
	for in, want := range map[string]string{"risk": "risk ", "risk.csv": "risk csv", "risk.parquet": "risk parquet", "risk.html": "risk html",
		"risk.xlsx": "risk.xlsx ", "v1.2": "v1.2 ", "v1.2.csv": "v1.2 csv", ".csv": ".csv ", "risk.": "risk. ", "risk.CSV": "risk.CSV "} {
		name, f := splitExtension(in)
		if got := name + " " + string(f); got != want {
			t.Errorf("%s: %q, want %q", in, got, want)
		}
	}
}

// TestRepresentations: the addresses that people paste and the paths that are served end in the same extensions.
func TestRepresentations(t *testing.T) {
	served := []string{}
	for _, o := range offers {
		if o.format != formatHTML { // a page, not rows
			served = append(served, string(o.format))
		}
	}
	if known := slices.Sorted(slices.Values(host.Representations)); !slices.Equal(known, slices.Sorted(slices.Values(served))) {
		t.Errorf("addresses know %v, %v are served", known, served)
	}
}

func TestQuery(t *testing.T) {
	for _, bad := range []string{
		"limt=1", "limit=", "limit=-1", "limit=1.5", "limit=9223372036854775808", "limit=1&limit=2", "columns=", "columns=a,", "columns=a,a",
		"snapshot=0", "snapshot=x", "snapshot=1&asOf=2026-11-01", "asOf=", "asOf=yesterday", "since=c1.x", "%zz", "limit=1;x=2",
	} {
		if _, err := parseQuery(bad, dataParams); host.CodeOf(err) != host.CodeAccessQuery {
			t.Errorf("%s: %v", bad, err)
		}
	}
	for in, want := range map[string]string{
		"2026-11-01T10:00:00Z": "2026-11-01T10:00:00Z", "2026-11-01T10:00Z": "2026-11-01T10:00:00Z", "2026-11-01": "2026-11-01T00:00:00Z",
		"2026-11-01T10:00": "2026-11-01T10:00:00Z", "2026-11-01T10:00:00.5+02:00": "2026-11-01T08:00:00.5Z",
		"2026-11-01T10:00:00%2B02:00": "2026-11-01T08:00:00Z", "2026-11-01T10:00-02:00": "2026-11-01T12:00:00Z",
	} {
		q, err := parseQuery("asOf="+in, dataParams)
		if got := q.at.Time.Format("2006-01-02T15:04:05.999Z07:00"); err != nil || got != want {
			t.Errorf("%s: %s %v, want %s", in, got, err, want)
		}
	}
}

// FuzzQuery: any query is understood or refused with the code for it; what is understood is within its range.
func FuzzQuery(f *testing.F) {
	for _, s := range []string{"limit=10&columns=a,b&snapshot=3", "asOf=2026-11-01T00:00Z", "limit=-1", "%", "a=b", "columns=,&since=x"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		for _, known := range [][]string{dataParams, changeParams} {
			q, err := parseQuery(raw, known)
			if err != nil {
				if host.CodeOf(err) != host.CodeAccessQuery {
					t.Errorf("%q: %v", raw, err)
				}
				continue
			}
			if q.limit < -1 || q.at.Seq < 0 || q.at.Seq > 0 && !q.at.Time.IsZero() {
				t.Errorf("%q: %+v", raw, q)
			}
			values, _ := url.ParseQuery(raw)
			for name := range values {
				found := false
				for _, k := range known {
					found = found || k == name
				}
				if !found {
					t.Errorf("%q: the unknown %s passed", raw, name)
				}
			}
		}
	})
}

// FuzzNegotiate: no header makes trouble, and what is chosen was allowed.
func FuzzNegotiate(f *testing.F) {
	f.Add("text/html,application/xhtml+xml,*/*;q=0.8", "gzip;q=0.5, *")
	f.Fuzz(func(t *testing.T, accept, encoding string) {
		acceptsGzip(encoding)
		got, err := negotiate(accept, formatCSV, formatArrow)
		if err == nil && got != formatCSV && got != formatArrow {
			t.Errorf("%q gave %q", accept, got)
		}
	})
}
