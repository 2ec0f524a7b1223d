package rest

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/ipc"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/apache/arrow-go/v18/parquet/file"
	"github.com/apache/arrow-go/v18/parquet/pqarrow"

	"github.com/adp-host/adp/host/policy"
)

const strikes = "/d/safety/strikes/strikes"

func TestFormats(t *testing.T) {
	m := newMesh(t)
	url := serve(t, m.config(t))
	for _, c := range []struct{ name, path, accept, contentType, body string }{
		{"csv by extension", strikes + ".csv", "", "text/csv; charset=utf-8; header=present",
			"id,airport,speed\n1,KSEA,101\n2,KSEA,102\n3,KPDX,99.5\n4,KSEA,104\n5,KSEA,105\n6,KSEA,106\n8,\"Nowhere, \"\"USA\"\"\",0.25\n9,\"\",1e+300\n"},
		{"csv of the only port", "/d/safety/strikes.csv?limit=1", "", "text/csv; charset=utf-8; header=present", "id,airport,speed\n1,KSEA,101\n"},
		{"csv by Accept", strikes + "?limit=1", "text/csv", "text/csv; charset=utf-8; header=present", "id,airport,speed\n1,KSEA,101\n"},
		{"extension beats Accept", strikes + ".csv?limit=1", "application/json", "text/csv; charset=utf-8; header=present", "id,airport,speed\n1,KSEA,101\n"},
		{"columns in their order", strikes + ".csv?columns=speed,id&limit=2", "", "text/csv; charset=utf-8; header=present", "speed,id\n101,1\n102,2\n"},
		{"ndjson", strikes + ".ndjson?limit=2", "", "application/x-ndjson",
			`{"id":1,"airport":"KSEA","speed":101}` + "\n" + `{"id":2,"airport":"KSEA","speed":102}` + "\n"},
		{"json is what anybody gets", strikes + "?limit=2", "*/*", "application/json",
			"[\n" + `{"id":1,"airport":"KSEA","speed":101},` + "\n" + `{"id":2,"airport":"KSEA","speed":102}` + "\n]\n"},
		{"a name with a dot", "/d/lab/v1.2.csv?limit=1", "", "text/csv; charset=utf-8; header=present", "id,airport,speed\n1,KSEA,101\n"},
		{"no rows of csv", strikes + ".csv?limit=0", "", "text/csv; charset=utf-8; header=present", "id,airport,speed\n"},
		{"no rows of json", strikes + ".json?limit=0", "", "application/json", "[\n]\n"},
		{"no rows of ndjson", strikes + ".ndjson?limit=0", "", "application/x-ndjson", ""},
		{"an old snapshot", strikes + ".csv?snapshot=2&columns=id,airport", "", "text/csv; charset=utf-8; header=present",
			"id,airport\n1,KSEA\n2,KSEA\n3,KPDX\n4,KSEA\n5,KSEA\n6,KSEA\n"},
		{"as of then", strikes + ".csv?asOf=2026-11-01T13:30Z&columns=id", "", "text/csv; charset=utf-8; header=present", "id\n1\n2\n3\n4\n5\n6\n7\n"},
		{"as of an offset", strikes + ".csv?asOf=2026-11-01T14:30:00+01:00&columns=id", "", "text/csv; charset=utf-8; header=present", "id\n1\n2\n3\n4\n5\n6\n7\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var h []string
			if c.accept != "" {
				h = append(h, "Accept: "+c.accept)
			}
			a := get(t, url+c.path, h...)
			if a.StatusCode != 200 || string(a.body) != c.body || a.Header.Get("Content-Type") != c.contentType {
				t.Errorf("%d %s\n%s\nwant\n%s", a.StatusCode, a.Header.Get("Content-Type"), a.body, c.body)
			}
			if a.Header.Get("ADP-Snapshot") == "" || a.Header.Get("ETag") == "" || a.Header.Get("Last-Modified") == "" {
				t.Errorf("headers %v", a.Header)
			}
		})
	}
}

// TestEveryType compares the text of all types, nulls and nesting with what they must be.
func TestEveryType(t *testing.T) {
	m := newMesh(t)
	url := serve(t, m.config(t))
	row := `{"bool":true,"int32":-7,"int64":9007199254740993,"float32":0.1,"float64":-1e-09,"decimal":"-123.45","date":"2026-11-01",` +
		`"time":"01:00:00.000001","timestamp":"2026-11-01T23:59:58.123456","timestamptz":"2026-11-01T23:59:58.123456Z",` +
		`"string":"a \"q\", ünï\n\t\u0001","binary":"AP8=","list":[1,null],"struct":{"a":"x\"y","b":2.5}}`
	nulls := `{"bool":null,"int32":null,"int64":null,"float32":null,"float64":null,"decimal":null,"date":null,"time":null,` +
		`"timestamp":null,"timestamptz":null,"string":null,"binary":null,"list":null,"struct":null}`
	if got := string(get(t, url+"/d/lab/kinds.ndjson").body); got != row+"\n"+nulls+"\n" {
		t.Errorf("ndjson\n%s\nwant\n%s\n%s", got, row, nulls)
	}
	if !json.Valid(get(t, url+"/d/lab/kinds.json").body) {
		t.Error("json does not parse")
	}
	records, err := csv.NewReader(bytes.NewReader(get(t, url+"/d/lab/kinds.csv").body)).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"true", "-7", "9007199254740993", "0.1", "-1e-09", "-123.45", "2026-11-01", "01:00:00.000001",
		"2026-11-01T23:59:58.123456", "2026-11-01T23:59:58.123456Z", "a \"q\", ünï\n\t\x01", "AP8=", "[1,null]", `{"a":"x\"y","b":2.5}`}
	if got := strings.Join(records[1], "|"); got != strings.Join(want, "|") {
		t.Errorf("csv\n%s\nwant\n%s", got, strings.Join(want, "|"))
	}
	if got := strings.Join(records[2], ""); got != "" {
		t.Errorf("csv nulls %q", got)
	}
}

func TestArrowStreamReadsBack(t *testing.T) {
	m := newMesh(t)
	url := serve(t, m.config(t))
	for path, rows := range map[string]int64{strikes + ".arrow": 8, strikes + ".arrow?limit=5": 5, strikes + ".arrow?limit=0": 0, "/d/lab/kinds.arrow": 2} {
		a := get(t, url+path)
		r, err := ipc.NewReader(bytes.NewReader(a.body))
		if err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		p := m.ports[strings.TrimPrefix(strings.SplitN(path, ".", 2)[0], "/d/")]
		if p == nil {
			p = m.ports["lab/kinds/kinds"]
		}
		if !r.Schema().Equal(p.schema) {
			t.Errorf("%s: schema %s", path, r.Schema())
		}
		var n, at int64
		for r.Next() {
			rec := r.RecordBatch()
			want := p.versions[len(p.versions)-1].rows.NewSlice(at, at+rec.NumRows())
			if !array.RecordEqual(rec, want) {
				t.Errorf("%s: %v, want %v", path, rec, want)
			}
			want.Release()
			at += rec.NumRows()
			n += rec.NumRows()
		}
		if r.Err() != nil || n != rows {
			t.Errorf("%s: %d rows, want %d, error %v", path, n, rows, r.Err())
		}
		r.Release()
	}
}

func TestParquetReadsBack(t *testing.T) {
	m := newMesh(t)
	url := serve(t, m.config(t))
	for path, want := range map[string]string{
		strikes + ".parquet":                                 "8 id,airport,speed",
		strikes + ".parquet?columns=speed,id&limit=3":        "3 speed,id",
		strikes + ".parquet?limit=0":                         "0 id,airport,speed",
		"/d/lab/kinds.parquet":                               "2 bool,int32,int64,float32,float64,decimal,date,time,timestamp,timestamptz,string,binary,list,struct",
		"/d/safety/strikes.parquet?snapshot=1&columns=id":    "7 id",
		strikes + ".parquet?asOf=2026-11-01T14:00&limit=100": "6 id,airport,speed",
	} {
		a := get(t, url+path)
		if a.StatusCode != 200 {
			t.Fatalf("%s: %d %s", path, a.StatusCode, a.body)
		}
		if got := describeParquet(t, a.body); got != want {
			t.Errorf("%s: %s, want %s", path, got, want)
		}
		again := get(t, url+path)
		if !bytes.Equal(a.body, again.body) || a.Header.Get("ETag") != again.Header.Get("ETag") {
			t.Errorf("%s: another file the second time", path)
		}
	}
}

func describeParquet(t *testing.T, b []byte) string {
	t.Helper()
	pr, err := file.NewParquetReader(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	defer pr.Close()
	fr, err := pqarrow.NewFileReader(pr, pqarrow.ArrowReadProperties{}, memory.DefaultAllocator)
	if err != nil {
		t.Fatal(err)
	}
	tbl, err := fr.ReadTable(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	defer tbl.Release()
	var names []string
	for _, f := range tbl.Schema().Fields() {
		names = append(names, f.Name)
	}
	return strconv.FormatInt(tbl.NumRows(), 10) + " " + strings.Join(names, ",")
}

// TestStoredParquet: the stored file goes out byte for byte, whole and in ranges.
func TestStoredParquet(t *testing.T) {
	m := newMesh(t)
	p := m.ports["safety/strikes/strikes"]
	p.stored = parquetOf(t, p.versions[2].rows)
	url := serve(t, m.config(t)) + strikes + ".parquet"
	whole := get(t, url)
	if !bytes.Equal(whole.body, p.stored) || whole.ContentLength != int64(len(p.stored)) || whole.Header.Get("Accept-Ranges") != "bytes" {
		t.Fatalf("%d bytes of %d, %v", len(whole.body), len(p.stored), whole.Header)
	}
	if whole.Header.Get("Content-Type") != "application/vnd.apache.parquet" || strings.HasPrefix(whole.Header.Get("ETag"), "W/") {
		t.Errorf("headers %v", whole.Header)
	}
	n := len(p.stored)
	for _, c := range []struct {
		header string
		lo, hi int
	}{{"bytes=0-3", 0, 4}, {"bytes=-8", n - 8, n}, {"bytes=10-", 10, n}} {
		a := get(t, url, "Range: "+c.header, "If-Range: "+whole.Header.Get("ETag"))
		if a.StatusCode != http.StatusPartialContent || !bytes.Equal(a.body, p.stored[c.lo:c.hi]) {
			t.Errorf("%s: %d, %d bytes", c.header, a.StatusCode, len(a.body))
		}
	}
	if a := get(t, url, "Range: bytes=0-3", `If-Range: "other"`); a.StatusCode != 200 || len(a.body) != n {
		t.Errorf("If-Range of another file: %d, %d bytes", a.StatusCode, len(a.body))
	}
	a := get(t, url, "Range: bytes=999999-")
	if a.StatusCode != http.StatusRequestedRangeNotSatisfiable || a.Header.Get("Content-Type") != typeProblem ||
		a.Header.Get("Content-Range") != "bytes */"+strconv.Itoa(n) {
		t.Errorf("beyond the end: %d %v %s", a.StatusCode, a.Header, a.body)
	}
	head := fetch(t, http.MethodHead, url, nil)
	if head.StatusCode != 200 || head.ContentLength != int64(n) || len(head.body) != 0 {
		t.Errorf("HEAD: %d, length %d", head.StatusCode, head.ContentLength)
	}
	if a := get(t, url+"?snapshot=1"); bytes.Equal(a.body, p.stored) || describeParquet(t, a.body) != "7 id,airport,speed" {
		t.Error("an old snapshot got the new file")
	}
}

func TestConditionalRequests(t *testing.T) {
	m := newMesh(t)
	base := serve(t, m.config(t))
	for _, ext := range []string{".csv", ".json", ".ndjson", ".arrow", ".parquet"} {
		url := base + strikes + ext
		a := get(t, url)
		tag, modified := a.Header.Get("ETag"), a.Header.Get("Last-Modified")
		if modified != "Sun, 01 Nov 2026 16:00:00 GMT" || a.Header.Get("ADP-Snapshot") != "4" {
			t.Errorf("%s: %v", ext, a.Header)
		}
		for _, h := range []string{"If-None-Match: " + tag, `If-None-Match: "x", ` + tag, "If-None-Match: *", "If-Modified-Since: " + modified} {
			b := get(t, url, h)
			if b.StatusCode != http.StatusNotModified || len(b.body) != 0 || b.Header.Get("ETag") != tag {
				t.Errorf("%s, %s: %d", ext, h, b.StatusCode)
			}
		}
		for _, h := range []string{`If-None-Match: "x"`, "If-Modified-Since: Sun, 01 Nov 2026 15:59:59 GMT"} {
			if b := get(t, url, h); b.StatusCode != 200 {
				t.Errorf("%s, %s: %d", ext, h, b.StatusCode)
			}
		}
		tags := map[string]bool{tag: true}
		for _, q := range []string{"?limit=1", "?columns=id", "?snapshot=1"} {
			tags[get(t, url+q).Header.Get("ETag")] = true
		}
		if len(tags) != 4 {
			t.Errorf("%s: %d tags for four representations", ext, len(tags))
		}
		head := fetch(t, http.MethodHead, url, nil)
		if head.StatusCode != 200 || head.Header.Get("ETag") != tag || len(head.body) != 0 {
			t.Errorf("HEAD %s: %d %v", ext, head.StatusCode, head.Header)
		}
	}
}

func TestGzip(t *testing.T) {
	m := newMesh(t)
	url := serve(t, m.config(t)) + strikes
	for ext, zips := range map[string]bool{".csv": true, ".json": true, ".ndjson": true, ".arrow": false, ".parquet": false} {
		plain, a := get(t, url+ext), get(t, url+ext, "Accept-Encoding: gzip;q=0.5, identity")
		if zipped := a.Header.Get("Content-Encoding") == "gzip"; zipped != zips {
			t.Errorf("%s: gzip %v", ext, zipped)
		}
		if !zips {
			continue
		}
		zr, err := gzip.NewReader(bytes.NewReader(a.body))
		if err != nil {
			t.Fatal(err)
		}
		if b, err := io.ReadAll(zr); err != nil || !bytes.Equal(b, plain.body) {
			t.Errorf("%s: %v %s", ext, err, b)
		}
		if a.Header.Get("ETag") == plain.Header.Get("ETag") {
			t.Errorf("%s: one tag for two encodings", ext)
		}
		if b := get(t, url+ext, "Accept-Encoding: gzip;q=0"); b.Header.Get("Content-Encoding") != "" {
			t.Errorf("%s: gzip though refused", ext)
		}
	}
}

// TestHalfAnAnswer: a read that fails under way must not look complete; one that fails at once is a problem document
// that tells nothing of the inside.
func TestHalfAnAnswer(t *testing.T) {
	for _, ext := range []string{".csv", ".json", ".ndjson", ".arrow"} {
		for _, encoding := range []string{"identity", "gzip"} {
			m := newMesh(t)
			m.failAfter = 2
			url := serve(t, m.config(t))
			req, _ := http.NewRequest(http.MethodGet, url+strikes+ext, nil)
			req.Header.Set("Accept-Encoding", encoding)
			res, err := plainClient.Do(req)
			if err != nil {
				continue // cut off before the headers left: clear enough
			}
			_, err = io.ReadAll(res.Body)
			res.Body.Close()
			if !errors.Is(err, io.ErrUnexpectedEOF) {
				t.Errorf("%s %s: error %v, want a connection cut off", ext, encoding, err)
			}
		}
	}
	m := newMesh(t)
	url := serve(t, m.config(t))
	m.failAfter = 1
	a := get(t, url+strikes+".parquet")
	if a.StatusCode != 500 || bytes.Contains(a.body, []byte("secret")) || a.Header.Get("Content-Type") != typeProblem {
		t.Errorf("%d %s", a.StatusCode, a.body)
	}
	entries, _ := os.ReadDir(m.config(t).CacheDir)
	if len(entries) != 0 {
		t.Errorf("left behind: %v", entries)
	}
}

// TestOneDecision: each read asks exactly once, with subject and resource, and a denied one sends nothing.
func TestOneDecision(t *testing.T) {
	m := newMesh(t)
	url := serve(t, m.config(t))
	for path, port := range map[string]string{
		strikes + ".csv": "strikes", "/d/safety/strikes": "strikes", "/d/safety/strikes.parquet": "strikes", strikes + "/changes": "strikes",
		"/d/safety/strikes/changes.ndjson": "strikes", "/d/safety/risk/by_year": "by_year", "/d/safety/risk": "", "/d/safety/none": "", "/d/safety/strikes/none": "none",
	} {
		m.asked()
		get(t, url+path)
		asked := m.asked()
		if len(asked) != 1 || asked[0].Action != policy.ActionRead || asked[0].Resource.Port != port || asked[0].Subject != policy.Anonymous ||
			asked[0].Resource.Product.Domain != "safety" {
			t.Errorf("%s asked %+v", path, asked)
		}
	}
	m.policy = policy.Local(policy.Options{})
	for _, path := range []string{strikes + ".csv", strikes + "/changes", "/d/safety/none", "/d/safety/strikes?limit=1", "/api/v1/products",
		"/api/v1/products/safety/strikes", "/api/v1/products/safety/strikes/quarantine", "/api/v1/products/safety/strikes/contracts/strikes", "/api/v1/runs", "/api/v1/runs?product=safety/strikes", "/metrics"} {
		a := get(t, url+path)
		if a.StatusCode != http.StatusUnauthorized || a.Header.Get("WWW-Authenticate") == "" || bytes.Contains(a.body, []byte("KSEA")) {
			t.Errorf("%s without a token: %d %s", path, a.StatusCode, a.body)
		}
		if b := get(t, url+path, "Authorization: Bearer wrong"); b.StatusCode != http.StatusUnauthorized {
			t.Errorf("%s with a wrong token: %d", path, b.StatusCode)
		}
	}
	if a := get(t, url+strikes+".csv", owner); a.StatusCode != 200 {
		t.Errorf("owner: %d %s", a.StatusCode, a.body)
	}
}
