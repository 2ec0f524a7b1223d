package rest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow/ipc"

	"github.com/adp-host/adp/host"
)

const changesOf = "/d/safety/strikes/strikes/changes"

var everyChange = []string{
	`{"id":1,"airport":"KSEA","speed":101,"_op":"insert","_seq":1}`,
	`{"id":2,"airport":"KSEA","speed":102,"_op":"insert","_seq":1}`,
	`{"id":3,"airport":"KSEA","speed":103,"_op":"insert","_seq":1}`,
	`{"id":4,"airport":"KSEA","speed":104,"_op":"insert","_seq":1}`,
	`{"id":5,"airport":"KSEA","speed":105,"_op":"insert","_seq":1}`,
	`{"id":6,"airport":"KSEA","speed":106,"_op":"insert","_seq":1}`,
	`{"id":7,"airport":"KSEA","speed":107,"_op":"insert","_seq":1}`,
	`{"id":3,"airport":"KSEA","speed":103,"_op":"update_before","_seq":2}`,
	`{"id":3,"airport":"KPDX","speed":99.5,"_op":"update_after","_seq":2}`,
	`{"id":7,"airport":"KSEA","speed":107,"_op":"delete","_seq":2}`,
	`{"id":8,"airport":"Nowhere, \"USA\"","speed":0.25,"_op":"insert","_seq":4}`,
	`{"id":9,"airport":"","speed":1e+300,"_op":"insert","_seq":4}`,
}

// TestChangePages: whatever the size of a page and of the batches beneath, the pages together are the feed, in order,
// nothing lost and nothing twice.
func TestChangePages(t *testing.T) {
	m := newMesh(t)
	url := serve(t, m.config(t))
	for _, batch := range []int64{1, 3, 100} {
		m.ports["safety/strikes/strikes"].batch = batch
		for size := 1; size <= 13; size++ {
			var got []string
			since := ""
			for range 20 {
				a := get(t, fmt.Sprintf("%s%s?limit=%d&since=%s", url, changesOf, size, since), "Accept: application/x-ndjson")
				if a.StatusCode != 200 {
					t.Fatalf("%d %s", a.StatusCode, a.body)
				}
				got = append(got, strings.Split(strings.TrimSuffix(string(a.body), "\n"), "\n")...)
				since = a.Header.Get("ADP-Next")
				if a.Header.Get("ADP-More") == "false" {
					break
				}
			}
			if strings.Join(got, "\n") != strings.Join(everyChange, "\n") {
				t.Fatalf("pages of %d over batches of %d gave\n%s", size, batch, strings.Join(got, "\n"))
			}
			if a := get(t, url+changesOf+".ndjson?since="+since); a.StatusCode != 404 {
				t.Errorf("an extension in the middle: %d", a.StatusCode)
			}
			if a := get(t, url+changesOf+"?since="+since); string(a.body) != "{\"changes\":[],\n\"next\":\""+since+"\",\"more\":false,\"snapshot\":4}\n" {
				t.Errorf("after the end: %s", a.body)
			}
		}
	}
}

// TestChangesFollow: a cursor taken before a commit goes on after it.
func TestChangesFollow(t *testing.T) {
	m := newMesh(t)
	url := serve(t, m.config(t))
	next := get(t, url+changesOf).Header.Get("ADP-Next")
	p := m.ports["safety/strikes/strikes"]
	m.commit(t, p, 5, nil, []string{op(`{"id":1,"airport":"KSEA","speed":101}`, "delete")})
	a := get(t, url+"/d/safety/strikes/changes.ndjson?columns=id&since="+next)
	if string(a.body) != `{"id":1,"_op":"delete","_seq":5}`+"\n" || a.Header.Get("ADP-Snapshot") != "5" {
		t.Errorf("%s %v", a.body, a.Header)
	}
}

func TestChangeFormats(t *testing.T) {
	m := newMesh(t)
	url := serve(t, m.config(t))
	var doc struct {
		Changes  []map[string]any
		Next     string
		More     bool
		Snapshot host.Seq
	}
	a := get(t, url+changesOf+"?limit=8")
	if err := json.Unmarshal(a.body, &doc); err != nil {
		t.Fatal(err)
	}
	if len(doc.Changes) != 8 || !doc.More || doc.Next != a.Header.Get("ADP-Next") || doc.Snapshot != 4 || doc.Changes[7]["_op"] != "update_before" {
		t.Errorf("%+v", doc)
	}
	if link := a.Header.Get("Link"); !strings.Contains(link, "limit=8&since="+doc.Next) || !strings.Contains(link, `rel="next"`) {
		t.Errorf("Link %s", link)
	}
	r, err := ipc.NewReader(bytes.NewReader(get(t, url+changesOf, "Accept: application/vnd.apache.arrow.stream").body))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Release()
	var n int64
	for r.Next() {
		n += r.RecordBatch().NumRows()
	}
	if n != 12 || len(r.Schema().FieldIndices("_op")) != 1 {
		t.Errorf("%d rows of %s", n, r.Schema())
	}
	csv := get(t, url+changesOf+"?limit=1&columns=_op,id", "Accept: text/csv")
	if string(csv.body) != "id,_op,_seq\n1,insert,1\n" {
		t.Errorf("%s", csv.body)
	}
	for _, path := range []string{"/d/safety/strikes/changes.parquet", "/d/safety/strikes/changes.html"} {
		if a := get(t, url+path); a.StatusCode != 406 {
			t.Errorf("%s: %d", path, a.StatusCode)
		}
	}
	if a := get(t, url+changesOf, "Accept: application/vnd.apache.parquet"); a.StatusCode != 406 {
		t.Errorf("Parquet by Accept: %d", a.StatusCode)
	}
}

func TestCursors(t *testing.T) {
	m := newMesh(t)
	url := serve(t, m.config(t))
	const port = "safety/strikes/strikes"
	mid := cursor{Port: port, After: 0, In: 1, Skip: 3}.String()
	for since, status := range map[string]int{
		"x":                                      400,
		"c1.!!!":                                 400,
		"c1.e30":                                 400, // {}: of no port
		cursor{Port: "lab/kinds/kinds"}.String(): 400,
		cursor{Port: port, After: -1}.String():   400,
		cursor{Port: port, In: 2}.String():       400,
		cursor{Port: port, Skip: 2}.String():     400,
		cursor{Port: port, After: 3, In: 3, Skip: 1}.String(): 400,
		cursor{Port: port, After: 99}.String():                410, // of the future: the mesh lost its memory
		cursor{Port: port, After: 0, In: 1, Skip: 8}.String(): 410, // more than there is of seq 1
		cursor{Port: port, After: 4, In: 5, Skip: 1}.String(): 410, // of a seq that is gone
		mid:                                   200,
		cursor{Port: port}.String():           200,
		cursor{Port: port, After: 3}.String(): 200,
	} {
		a := get(t, url+changesOf+"?since="+since)
		code := host.CodeAccessCursor
		if status == 410 {
			code = host.CodeAccessExpired
		}
		if a.StatusCode != status || status != 200 && !bytes.Contains(a.body, []byte(code)) {
			t.Errorf("since=%s: %d, want %d: %s", since, a.StatusCode, status, a.body)
		}
	}
	m.ports[port].oldest = 2 // seq 1 expires: a cursor inside it must not land in seq 2
	if a := get(t, url+changesOf+"?since="+mid); a.StatusCode != 410 {
		t.Errorf("cursor into an expired seq: %d %s", a.StatusCode, a.body)
	}
	if a := get(t, url+changesOf+"?limit=0"); a.StatusCode != 400 {
		t.Errorf("limit=0: %d", a.StatusCode)
	}
	if a := get(t, url+changesOf+"?limit=100001"); a.StatusCode != 400 {
		t.Errorf("limit beyond the most: %d", a.StatusCode)
	}
}

// TestPageBytes: a page ends early when its rows are large, but never before one row.
func TestPageBytes(t *testing.T) {
	m := newMesh(t)
	p := m.ports["safety/strikes/strikes"]
	p.batch = 5
	var rows []string
	big := strings.Repeat("x", 9<<20)
	for i := range 6 {
		rows = append(rows, fmt.Sprintf(`{"id":%d,"airport":%q,"speed":0}`, 100+i, big))
	}
	m.commit(t, p, 5, nil, inserts(rows))
	pg, err := (&Server{cfg: Config{Tables: m}}).readChanges(t.Context(), host.ProductID{Domain: "safety", Name: "strikes"}, "strikes",
		query{limit: 1000, since: cursor{Port: "safety/strikes/strikes", After: 4}.String()})
	if err != nil {
		t.Fatal(err)
	}
	defer pg.release()
	if !pg.more || pg.rows < 1 || pg.rows > 4 {
		t.Errorf("%d rows of 9 MiB in a page, more %v", pg.rows, pg.more)
	}
}

func FuzzCursor(f *testing.F) {
	f.Add("c1.eyJwIjoiYS9iL2MiLCJhIjoxfQ")
	f.Add(cursor{Port: "a/b/c", After: 1, In: 2, Skip: 3}.String())
	f.Fuzz(func(t *testing.T, s string) {
		c, err := parseCursor(s, "a/b/c")
		if err != nil {
			if !errors.Is(err, &host.Error{Code: host.CodeAccessCursor}) {
				t.Errorf("%q: %v", s, err)
			}
			return
		}
		again, err := parseCursor(c.String(), "a/b/c")
		if err != nil || again != c {
			t.Errorf("%q reads as %+v, written and read again as %+v, %v", s, c, again, err)
		}
	})
}
