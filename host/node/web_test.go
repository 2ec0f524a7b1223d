package node_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/adp-host/adp/drivers"
	"github.com/adp-host/adp/drivers/file"
	"github.com/adp-host/adp/drivers/web"
	"github.com/adp-host/adp/drivers/web/grant"
	"github.com/adp-host/adp/host"
	"github.com/adp-host/adp/host/build"
	"github.com/adp-host/adp/host/build/buildtest"
	"github.com/adp-host/adp/host/node"
	"github.com/adp-host/adp/host/run"
	"github.com/adp-host/adp/host/serve/rest"
	"github.com/adp-host/adp/registry"
)

// asker is a product, by the plug-in in Go of samples/extism, that asks an address for the word of its greetings.
func asker(t *testing.T, address string) registry.Artifact {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "asker")
	module := buildtest.Plugin(t, "go")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "asker.wasm"), module, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, _, err := build.Plugin(filepath.Join(dir, "asker.wasm"), "test", "", ""); err != nil {
		t.Fatal(err)
	}
	yaml, err := os.ReadFile(filepath.Join(dir, "product.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	text := strings.Replace(string(yaml), "    run: {on: inputs}", fmt.Sprintf("    drivers: {words: {uri: %q, access: read}}\n    config: {greeting_from: %q}\n    run: {on: inputs}", address+"/words", address+"/words/hello"), 1)
	text = strings.Replace(text, `"file:data"`, `"file:`+filepath.Join(dir, "data")+`"`, 1)
	if err := os.WriteFile(filepath.Join(dir, "product.yaml"), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	bundle, p, err := buildtest.Builder(t).Documents(t.Context(), dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	return registry.Artifact{Product: p, Module: module, Documents: bundle.Files()}
}

// greetings are what a node's asker has published.
func greetings(t *testing.T, n *node.Node) (out []string) {
	t.Helper()
	d, err := n.Ports().Open(t.Context(), id("asker"), "greetings", rest.At{})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	r, err := d.Read(t.Context(), rest.ReadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	for {
		rec, err := r.Next(t.Context())
		if err == io.EOF {
			return out
		}
		if err != nil {
			t.Fatal(err)
		}
		column := rec.Column(rec.Schema().FieldIndices("greeting")[0]).(*array.String)
		for k := range column.Len() {
			out = append(out, column.Value(k))
		}
		rec.Release()
	}
}

// recorded is the web as a run has found it.
type recorded map[string]arrow.RecordBatch

func (r recorded) Open(_ context.Context, q drivers.Request) (drivers.Reader, error) {
	var ask grant.Request
	if err := json.Unmarshal([]byte(q.Options["request"]), &ask); err != nil || r[ask.URL] == nil {
		return nil, fmt.Errorf("nothing is recorded of %s: %v", ask.URL, err)
	}
	r[ask.URL].Retain()
	return &once{r[ask.URL]}, nil
}

type once struct{ rec arrow.RecordBatch }

func (o *once) Next(context.Context) (drivers.Batch, error) {
	rec := o.rec
	if o.rec = nil; rec == nil {
		return drivers.Batch{}, io.EOF
	}
	return drivers.Batch{Record: rec}, nil
}

func (o *once) Cursor() json.RawMessage { return nil }
func (o *once) Close() error            { return nil }

// TestWebRecorded: what a run has read in the web lies with its head, and a run that reads that publishes the same rows. Where the operator has not
// opened the network nothing is asked, and nothing published.
func TestWebRecorded(t *testing.T) {
	asked := 0
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked++
		fmt.Fprintf(w, "Hello number %d to", asked)
	}))
	defer s.Close()
	product := asker(t, s.URL)
	live := func(source any) (*node.Node, string) {
		data := t.TempDir()
		n, err := node.Open(t.Context(), node.Config{Data: data, Drivers: map[string]any{"http": source}})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = n.Close() })
		if err := register(t.Context(), n, product); err != nil {
			t.Fatal(err)
		}
		if err := n.Settle(t.Context()); err != nil {
			t.Fatal(err)
		}
		return n, data
	}

	closed, _ := live(web.New(web.Config{}))
	if st, err := closed.Product(t.Context(), id("asker")); err != nil || st.State != host.StateFailed || !strings.Contains(st.Reason, "which is this machine") || !strings.Contains(st.Hint, "--allow-net") || asked > 0 {
		t.Fatalf("%s: %s, %s, %v; asked %d times", st.State, st.Reason, st.Hint, err, asked)
	}

	n, data := live(web.New(web.Config{Allowed: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}))
	want := greetings(t, n)
	if len(want) != 3 || !strings.HasPrefix(want[0], "Hello number 1 to ") || asked != 1 {
		t.Fatalf("%q, asked %d times", want, asked)
	}
	heads, err := n.Heads(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	store, err := file.NewStore(filepath.Join(data, "store"))
	if err != nil {
		t.Fatal(err)
	}
	at := heads[id("asker")]
	head, err := run.LoadHead(t.Context(), store, host.HeadRef{Seq: at.Seq, Hash: at.Hash, Location: at.Location})
	if err != nil || head.Recorded == nil {
		t.Fatalf("%+v, %v", head, err)
	}
	found, last := recorded{}, grant.Request{}
	for fr, err := range run.ReadFrames(t.Context(), store, *head.Recorded) {
		if err != nil {
			t.Fatal(err)
		}
		switch fr.Kind {
		case run.FrameRead:
			if err := json.Unmarshal(fr.Request, &last); err != nil || fr.Binding != "words" {
				t.Fatalf("%+v, %v", fr, err)
			}
		case run.FrameRows:
			found[last.URL] = fr.Record
			if status, body := fr.Record.Column(0).(*array.Int32).Value(0), string(fr.Record.Column(2).(*array.Binary).Value(0)); status != 200 || body != "Hello number 1 to" {
				t.Errorf("recorded %d %q", status, body)
			}
		}
	}
	if len(found) != 1 || last.Method != "GET" || last.URL != s.URL+"/words/hello" {
		t.Fatalf("recorded %v, %+v", found, last)
	}

	again, _ := live(found)
	if got := greetings(t, again); fmt.Sprint(got) != fmt.Sprint(want) || asked != 1 {
		t.Errorf("%q, and before %q; asked %d times", got, want, asked)
	}
}
