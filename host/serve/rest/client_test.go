package rest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/adp-host/adp/host"
	"github.com/adp-host/adp/host/serve/rest/client"
)

func connect(t *testing.T, url, token string) *client.Client {
	t.Helper()
	c, err := client.New(url, token)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func address(t *testing.T, s string) host.Address {
	t.Helper()
	a, err := host.ParseAddress(s)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// TestClient walks the client over a real server.
func TestClient(t *testing.T) {
	m := newMesh(t)
	url := serve(t, m.config(t))
	c := connect(t, url, testToken)
	ctx := t.Context()
	strikes := address(t, "adp://./safety/strikes")

	if err := c.Ready(ctx); err != nil {
		t.Error(err)
	}
	if me, err := c.Mesh(ctx); err != nil || me.Mesh != "local" || me.Version != "test" || me.Endpoints.HTTP != url {
		t.Errorf("%+v %v", me, err)
	}
	if list, err := c.Products(ctx, "safety"); err != nil || len(list) != 2 {
		t.Errorf("%v %v", list, err)
	}
	if st, err := c.Product(ctx, strikes); err != nil || st.Product != "strikes" || len(st.Outputs) != 1 || st.Outputs[0].Fields[0].Name != "id" {
		t.Errorf("%+v %v", st, err)
	}
	if runs, err := c.Runs(ctx, host.Address{}, 2); err != nil || len(runs) != 2 || runs[0].ID != "r4" || runs[0].Product != "strikes" {
		t.Errorf("%+v %v", runs, err)
	}
	if runs, err := c.Runs(ctx, strikes, 0); err != nil || len(runs) != 2 || runs[1].State != host.RunHeld {
		t.Errorf("%+v %v", runs, err)
	}
	if rows, total, err := c.Rejected(ctx, strikes, 0, 5); err != nil || total != 1 || len(rows) != 1 || rows[0].Line != 7 {
		t.Errorf("%+v %v", rows, err)
	}
	if st, err := c.Upload(ctx, strings.NewReader("tar"), map[string]string{"a": "file:/x y&z"}); err != nil || st.Product != "strikes" || m.sources["a"] != "file:/x y&z" {
		t.Errorf("%+v %v %v", st, err, m.sources)
	}
	if doc, err := c.Contract(ctx, address(t, "safety/strikes/strikes")); err != nil || string(doc) != "kind: DataContract\n" {
		t.Errorf("%s %v", doc, err)
	}
	for cmd, did := range map[client.Command]string{
		{Verb: "pause"}: "pause", {Verb: "resume"}: "resume", {Verb: "trigger", Rebuild: true}: "trigger(true)", {Verb: "rollback", To: 2}: "rollback(2)",
		{Verb: "release"}: "release", {Verb: "skip"}: "skip",
	} {
		m.did = nil
		out, err := c.Control(ctx, strikes, cmd)
		if err != nil || out.Product.Product != "strikes" || m.did[0] != did+" local/safety/strikes" || (out.Run == nil) != (cmd.Verb == "pause" || cmd.Verb == "resume") {
			t.Errorf("%+v: %+v %v %v", cmd, out, m.did, err)
		}
	}
}

func TestClientData(t *testing.T) {
	m := newMesh(t)
	url := serve(t, m.config(t))
	c := connect(t, url, testToken)
	for _, x := range []struct {
		address string
		read    client.Read
		want    string
		seq     host.Seq
	}{
		{"adp://./safety/strikes", client.Read{Format: "csv", Limit: 1}, "id,airport,speed\n1,KSEA,101\n", 4},
		{"adp://./safety/strikes/strikes?snapshot=1", client.Read{Format: "csv", Columns: []string{"id"}, Limit: 1}, "id\n1\n", 1},
		{"adp://./safety/strikes/strikes?snapshot=1", client.Read{Format: "csv", Columns: []string{"id"}, Limit: 1, Snapshot: 2}, "id\n1\n", 2},
		{"safety/strikes", client.Read{Format: "csv", Limit: 1, AsOf: day.Add(90 * time.Minute)}, "id,airport,speed\n1,KSEA,101\n", 1},
		{"safety/strikes", client.Read{Limit: 1, Columns: []string{"id"}}, "[\n{\"id\":1}\n]\n", 4},
		{url + "/d/safety/strikes?limit=1&columns=id", client.Read{Format: "ndjson"}, "{\"id\":1}\n", 4},
	} {
		d, err := c.Open(t.Context(), address(t, x.address), x.read)
		if err != nil {
			t.Errorf("%s: %v", x.address, err)
			continue
		}
		b, err := io.ReadAll(d.Body)
		d.Body.Close()
		if err != nil || string(b) != x.want || d.Snapshot != x.seq {
			t.Errorf("%s: %q of %d, %v", x.address, b, d.Snapshot, err)
		}
		if a := get(t, c.DataURL(address(t, x.address), x.read)); !bytes.Equal(a.body, b) {
			t.Errorf("DataURL gives %q", a.body)
		}
	}
}

// TestClientErrors: the error at the client is the error at the node.
func TestClientErrors(t *testing.T) {
	m := newMesh(t)
	url := serve(t, m.config(t))
	c, anybody := connect(t, url, testToken), connect(t, url, "")
	ctx := t.Context()
	is := func(what string, err error, code host.ErrorCode, exit int) {
		t.Helper()
		if !errors.Is(err, &host.Error{Code: code}) || host.ExitCode(err) != exit {
			t.Errorf("%s: %v, exit %d", what, err, host.ExitCode(err))
		}
	}
	_, err := c.Product(ctx, address(t, "safety/none"))
	is("no product", err, host.CodeAccessUnknown, host.ExitNotFound)
	_, err = c.Open(ctx, address(t, "safety/risk"), client.Read{Format: "csv"})
	is("several ports", err, host.CodeAccessQuery, host.ExitUsage)
	if !strings.Contains(err.(*host.Error).Hint, "adp://./safety/risk/by_year") {
		t.Errorf("hint %q", err.(*host.Error).Hint)
	}
	_, err = c.Open(ctx, address(t, "lab/empty"), client.Read{Format: "csv"})
	is("nothing yet", err, host.CodeAccessEmpty, host.ExitNotFound)
	_, err = anybody.Control(ctx, address(t, "safety/strikes"), client.Command{Verb: "pause"})
	is("no token", err, host.CodePolicyDenied, host.ExitDenied)
	e := host.Errorf(host.CodeManifestField, "unknown field inputPort").WithHint("did you mean inputPorts?")
	e.At, e.Excerpt = host.Position{File: "product.yaml", Line: 3, Column: 1}, "inputPort: []\n^"
	m.published = e
	_, err = c.Upload(ctx, strings.NewReader("tar"), nil)
	is("a bad document", err, host.CodeManifestField, host.ExitViolated)
	if got := err.(*host.Error); got.At != e.At || got.Excerpt != e.Excerpt || got.Hint != e.Hint || got.Error() != e.Error() {
		t.Errorf("%+v, want %+v", got, e)
	}
	m.published = errors.New("a secret")
	if _, err = c.Upload(ctx, strings.NewReader("tar"), nil); err == nil || host.CodeOf(err) != "" || strings.Contains(err.Error(), "secret") {
		t.Errorf("an inner error: %v", err)
	}

	m.failAfter = 2
	d, err := c.Open(ctx, address(t, "safety/strikes"), client.Read{Format: "csv"})
	if err == nil {
		_, err = io.ReadAll(d.Body)
		d.Body.Close()
	}
	is("cut off", err, host.CodeNodeUnreachable, host.ExitFailed)
}

func TestClientUnreachable(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	l.Close()
	_, err = connect(t, "http://"+addr, "").Products(t.Context(), "")
	var e *host.Error
	if !errors.As(err, &e) || e.Code != host.CodeNodeUnreachable || !strings.Contains(e.Hint, "adp up") {
		t.Errorf("%v", err)
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err = connect(t, "http://"+addr, "").Products(gone, ""); !errors.Is(err, context.Canceled) {
		t.Errorf("a caller who left: %v", err)
	}
	other := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "" && r.URL.Path != "/api/v1/products" {
			t.Error("the token went elsewhere")
		}
		http.Error(w, "what?", http.StatusTeapot)
	})}
	ol, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go other.Serve(ol)
	defer other.Close()
	if _, err = connect(t, "http://"+ol.Addr().String(), "t").Products(t.Context(), ""); host.CodeOf(err) != host.CodeNodeUnreachable {
		t.Errorf("another kind of server: %v", err)
	}
	for _, bad := range []string{"", "127.0.0.1:7070", "ftp://x", "http://", "http://x?y", "http://%zz"} {
		if _, err := client.New(bad, ""); host.CodeOf(err) != host.CodeNodeSetup {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

// TestClientMeshes: addresses of other meshes are found by their well-known document and get no token.
func TestClientMeshes(t *testing.T) {
	here, there := newMesh(t), newMesh(t)
	near, far := serve(t, here.config(t)), serve(t, there.config(t))
	c := connect(t, near, testToken)
	for _, a := range []string{"adp://./safety/strikes", "adp://" + strings.TrimPrefix(near, "http://") + "/safety/strikes", near + "/d/safety/strikes"} {
		if got, err := c.For(t.Context(), address(t, a)); err != nil || got != c {
			t.Errorf("%s: %v %v", a, got, err)
		}
	}
	for _, a := range []string{"adp://" + strings.TrimPrefix(far, "http://") + "/safety/strikes", far + "/d/safety/strikes"} {
		got, err := c.For(t.Context(), address(t, a))
		if err != nil || got.URL() != far {
			t.Fatalf("%s: %v %v", a, got, err)
		}
		there.asked()
		if _, err := got.Product(t.Context(), address(t, a)); err != nil {
			t.Error(err)
		}
		for _, r := range there.asked() {
			if r.Subject.Kind != "anonymous" {
				t.Errorf("asked the other mesh as %v", r.Subject)
			}
		}
	}
}
