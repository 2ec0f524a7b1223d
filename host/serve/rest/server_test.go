package rest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/adp-host/adp/host"
	"github.com/adp-host/adp/host/policy"
)

var update = flag.Bool("update", false, "rewrite golden files")

// TestProblems compares whole problem documents with testdata/problems.golden.
func TestProblems(t *testing.T) {
	m := newMesh(t)
	m.ports["safety/strikes/strikes"].oldest = 2
	cfg := m.config(t)
	cfg.Ready = func(context.Context) error { return errors.New("etcd at /secret is away") }
	url := serve(t, cfg)
	var out bytes.Buffer
	for _, request := range []string{
		"GET /nothing", "DELETE /healthz", "GET /d/safety/none", "GET /d/safety/strikes/none", "GET /d/lab/empty.csv",
		"GET /d/safety/strikes.xlsx", "GET /d/safety/strikes.csv?limt=3", "GET /d/safety/strikes.csv?columns=speed,sped",
		"GET /d/safety/strikes.csv?snapshot=77", "GET /d/safety/strikes/changes?since=x",
		"GET /d/safety/strikes/changes?since=" + cursor{Port: "safety/strikes/strikes", After: 1}.String(),
		"POST /api/v1/products/safety/strikes/explode", "POST /api/v1/products/safety/strikes/rollback", "POST /api/v1/products/safety/none/pause",
		"GET /api/v1/runs?limit=0", "GET /readyz",
	} {
		method, path, _ := strings.Cut(request, " ")
		a := fetch(t, method, url+path, nil, owner, "X-Request-Id: golden")
		if a.Header.Get("Content-Type") != typeProblem || a.Header.Get("X-Request-Id") != "golden" || strings.Contains(string(a.body), "secret") {
			t.Errorf("%s: %v\n%s", request, a.Header, a.body)
		}
		fmt.Fprintf(&out, "%s\n%d %s\n", request, a.StatusCode, a.body)
	}
	a := fetch(t, "POST", url+"/api/v1/products/safety/strikes/pause", nil, "X-Request-Id: golden")
	fmt.Fprintf(&out, "POST …/pause without a token\n%d %s\n", a.StatusCode, a.body)
	golden(t, "problems.golden", out.Bytes())
}

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s differs (rewrite with -update):\n%s", path, got)
	}
}

// TestStatuses: every code that the issue names has its status, and no code is a surprise.
func TestStatuses(t *testing.T) {
	for code, want := range map[host.ErrorCode]int{
		host.CodeAccessUnknown: 404, host.CodeAccessFormat: 406, host.CodeAccessQuery: 400, host.CodeAccessAddress: 400, host.CodeAccessCursor: 400, host.CodeAccessExpired: 410,
		host.CodePolicyDenied: 403, host.CodeRunPaused: 409, host.CodeRunBusy: 409, host.CodeNodeCycle: 409, host.CodeNodeEtcd: 503,
		host.CodeManifestField: 400, host.CodeModuleRefused: 409, host.CodeGuestTrap: 409, host.CodeTableDamaged: 500, host.CodeTableSnapshot: 404,
		host.CodeRunStore: 503, "": 500, "ADP-X999": 500,
	} {
		err := fmt.Errorf("outer: %w", &host.Error{Code: code, Message: "m"})
		if got := statusOf(err); got != want {
			t.Errorf("%s: %d, want %d", code, got, want)
		}
	}
}

// TestGuard: names and origins that a web page could bring along are refused, on every route, before anything is asked.
func TestGuard(t *testing.T) {
	m := newMesh(t)
	cfg := m.config(t)
	cfg.Hosts = []string{"mesh.example"}
	url := serve(t, cfg)
	addr := strings.TrimPrefix(url, "http://")
	_, port, _ := net.SplitHostPort(addr)
	for header, status := range map[string]int{
		"Host: evil.example":           403,
		"Host: evil.example:" + port:   403,
		"Host: 127.0.0.1.evil.example": 403,
		"Host: 10.0.0.1:" + port:       403,
		"Host: localhost:" + port:      200,
		"Host: LOCALHOST":              200,
		"Host: [::1]:" + port:          200,
		"Host: mesh.example":           200,
		"Origin: http://evil.example":  403,
		"Origin: null":                 403,
		"Origin: https://" + addr:      403,
		"Origin: http://localhost:1":   403,
		"Origin: http://" + addr:       200,
	} {
		m.asked()
		if a := get(t, url+strikes+".csv", header); a.StatusCode != status {
			t.Errorf("%s: %d, want %d: %s", header, a.StatusCode, status, a.body)
		}
		if asked := len(m.asked()); (asked > 0) != (status == 200) {
			t.Errorf("%s: %d decisions", header, asked)
		}
	}
	if a := get(t, url+"/healthz", "Host: evil.example"); a.StatusCode != 403 {
		t.Errorf("healthz under another name: %d", a.StatusCode)
	}
}

// TestBeyondLoopback: without a token the public sample data is public to this machine only.
func TestBeyondLoopback(t *testing.T) {
	m := newMesh(t)
	s, err := New(m.config(t))
	if err != nil {
		t.Fatal(err)
	}
	for _, addr := range []string{"192.0.2.1:4711", "[2001:db8::1]:4711", "", "x"} {
		r := &http.Request{RemoteAddr: addr, Header: http.Header{}}
		if sub, err := s.subject(r); err != nil || sub != (policy.Subject{}) {
			t.Errorf("%s is %v, %v", addr, sub, err)
		}
		r.Header.Set("Authorization", "Bearer "+testToken)
		if sub, err := s.subject(r); err != nil || sub.Kind != policy.KindOwner {
			t.Errorf("%s with the token is %v, %v", addr, sub, err)
		}
	}
	for _, bad := range []string{"Bearer", "Bearer ", "Basic " + testToken, testToken, "Bearer " + testToken + "x"} {
		r := &http.Request{RemoteAddr: "127.0.0.1:1", Header: http.Header{"Authorization": {bad}}}
		if _, err := s.subject(r); host.CodeOf(err) != host.CodePolicyDenied {
			t.Errorf("%q: %v", bad, err)
		}
	}
	if _, ok := (OwnerToken{}).Identify(""); ok {
		t.Error("no token identifies somebody")
	}
}

func TestControl(t *testing.T) {
	m := newMesh(t)
	url := serve(t, m.config(t)) + "/api/v1/products/safety/strikes/"
	for _, c := range []struct {
		verb, body, did string
		status          int
	}{
		{"pause", "", "pause", 200}, {"resume", "{}", "resume", 200}, {"trigger", "", "trigger(false)", 200},
		{"trigger", `{"rebuild":true}`, "trigger(true)", 200}, {"rollback", `{"to":2}`, "rollback(2)", 200}, {"release", "", "release", 200},
		{"skip", "", "skip", 200}, {"rollback", "", "", 400}, {"rollback", `{"to":-1}`, "", 400}, {"pause", `{"to":2}`, "", 400},
		{"skip", `{"rebuild":true}`, "", 400}, {"trigger", `{"rebild":true}`, "", 400}, {"trigger", `{`, "", 400}, {"trigger?rebuild=true", "", "", 400},
		{"retire", "", "", 404},
	} {
		m.did = nil
		a := fetch(t, "POST", url+c.verb, strings.NewReader(c.body), owner)
		if did := strings.Join(m.did, ","); a.StatusCode != c.status || c.did != "" && did != c.did+" local/safety/strikes" || c.did == "" && did != "" {
			t.Errorf("%s %s: %d, did %q: %s", c.verb, c.body, a.StatusCode, did, a.body)
		}
		for _, h := range []string{"X: y", "Authorization: Bearer wrong"} {
			if a := fetch(t, "POST", url+c.verb, strings.NewReader(c.body), h); a.StatusCode != http.StatusUnauthorized {
				t.Errorf("%s with %s: %d", c.verb, h, a.StatusCode)
			}
		}
	}
	m.controlE = host.Errorf(host.CodeRunHeld, "2 rows break speed.range").WithHint("release or skip")
	a := fetch(t, "POST", url+"trigger", nil, owner)
	if a.StatusCode != http.StatusConflict || !strings.Contains(string(a.body), "ADP-R001") {
		t.Errorf("a held run: %d %s", a.StatusCode, a.body)
	}
}

func TestPublish(t *testing.T) {
	m := newMesh(t)
	cfg := m.config(t)
	cfg.MaxUpload = 1000
	url := serve(t, cfg) + "/api/v1/products"
	a := fetch(t, "POST", url+"?source=a=file:/x/a=b&source=b=file:/y", strings.NewReader("tar"), owner)
	if a.StatusCode != 201 || a.Header.Get("Location") != "/api/v1/products/safety/strikes" || string(m.uploaded) != "tar" ||
		m.sources["a"] != "file:/x/a=b" || m.sources["b"] != "file:/y" {
		t.Errorf("%d %v %q %v", a.StatusCode, a.Header, m.uploaded, m.sources)
	}
	if a := fetch(t, "POST", url, bytes.NewReader(make([]byte, 1001)), owner); a.StatusCode != 413 {
		t.Errorf("too large: %d %s", a.StatusCode, a.body)
	}
	for _, q := range []string{"?source=a", "?source==x", "?source=a=", "?source=a=1&source=a=2", "?sauce=a=b"} {
		if a := fetch(t, "POST", url+q, nil, owner); a.StatusCode != 400 {
			t.Errorf("%s: %d", q, a.StatusCode)
		}
	}
	if a := fetch(t, "POST", url, strings.NewReader("tar")); a.StatusCode != 401 {
		t.Errorf("without a token: %d", a.StatusCode)
	}
	e := host.Errorf(host.CodeManifestField, "unknown field inputPort").WithHint("did you mean inputPorts?")
	e.At, e.Excerpt = host.Position{File: "product.yaml", Line: 3, Column: 1}, "inputPort: []\n^"
	m.published = e
	var p Problem
	a = fetch(t, "POST", url, strings.NewReader("tar"), owner)
	if err := json.Unmarshal(a.body, &p); err != nil || a.StatusCode != 400 || p.At == nil || *p.At != e.At || p.Excerpt != e.Excerpt || p.Hint != e.Hint {
		t.Errorf("%d %+v %v", a.StatusCode, p, err)
	}
}

func TestSearch(t *testing.T) {
	m := newMesh(t)
	url := serve(t, m.config(t)) + "/api/v1/products"
	for q, want := range map[string]string{"": "strikes kinds risk empty v1.2", "strikes": "strikes", "safety": "strikes risk", "nowhere": ""} {
		var list []host.ProductStatus
		a := get(t, url+"?q="+q)
		if err := json.Unmarshal(a.body, &list); err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, st := range list {
			names = append(names, st.Product)
		}
		if strings.Join(names, " ") != want {
			t.Errorf("%q: %v, want %s", q, names, want)
		}
	}
	if a := get(t, url+"?q=nowhere"); string(a.body) != "[]\n" {
		t.Errorf("an empty list is %s", a.body)
	}
}

func TestRuns(t *testing.T) {
	m := newMesh(t)
	url := serve(t, m.config(t)) + "/api/v1/runs"
	for q, want := range map[string]string{
		"": "r4 strikes, q1 risk, r3 strikes", "?limit=1": "r4 strikes", "?product=safety/strikes": "r4 strikes, r3 strikes",
		"?product=adp://./safety/risk": "q1 risk", "?product=lab/kinds": "",
	} {
		var list []host.RunStatus
		a := get(t, url+q)
		if err := json.Unmarshal(a.body, &list); err != nil {
			t.Fatalf("%s: %v", a.body, err)
		}
		var got []string
		for _, r := range list {
			got = append(got, r.ID+" "+r.Product)
		}
		if strings.Join(got, ", ") != want {
			t.Errorf("%s: %v, want %s", q, got, want)
		}
	}
	for q, status := range map[string]int{"?product=none": 400, "?product=safety/none": 404, "?product=safety/risk/by_year": 400, "?limit=x": 400} {
		if a := get(t, url+q); a.StatusCode != status {
			t.Errorf("%s: %d", q, a.StatusCode)
		}
	}
}

// TestNegativeLimit: wherever rows or runs are counted, a negative number is a bad query.
func TestNegativeLimit(t *testing.T) {
	url := serve(t, newMesh(t).config(t))
	for _, path := range []string{
		"/d/safety/strikes", "/d/safety/strikes/strikes.csv", "/d/safety/strikes.parquet", "/d/safety/strikes/changes",
		"/api/v1/runs", "/api/v1/products/safety/strikes/quarantine",
	} {
		a := get(t, url+path+"?limit=-1")
		if a.StatusCode != 400 || a.Header.Get("Content-Type") != typeProblem || !strings.Contains(string(a.body), string(host.CodeAccessQuery)) {
			t.Errorf("%s: %d %s", path, a.StatusCode, a.body)
		}
	}
	// A name with an extension before the extension: the hint does not offer what was given.
	a := get(t, url+"/d/safety/strikes.csv.csv")
	if a.StatusCode != 406 || !strings.Contains(string(a.body), `leave \".csv\" out`) {
		t.Errorf("two extensions: %d %s", a.StatusCode, a.body)
	}
}

// TestPages: a browser gets a page without scripts in which nothing of the products is markup.
func TestPages(t *testing.T) {
	m := newMesh(t)
	url := serve(t, m.config(t))
	browser := "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
	for path, must := range map[string][]string{
		"/":                              {`<a href="/d/safety/strikes">`, "about risk"},
		"/d/safety/strikes":              {"adp://./safety/strikes", "&lt;script&gt;", "number of the report", "&lt;b&gt;", "id.duplicateValues", `href="/d/safety/strikes/strikes.csv"`},
		"/d/safety/risk":                 {`id="by_airport"`, `id="by_year"`},
		"/d/safety/risk/by_year":         {`id="by_year"`},
		"/d/safety/strikes/strikes.html": {"committed"},
	} {
		a := get(t, url+path, browser)
		if a.StatusCode != 200 || !strings.HasPrefix(a.Header.Get("Content-Type"), "text/html") || !strings.Contains(a.Header.Get("Content-Security-Policy"), "default-src 'none'") {
			t.Errorf("%s: %d %v", path, a.StatusCode, a.Header)
		}
		for _, text := range must {
			if !strings.Contains(string(a.body), text) {
				t.Errorf("%s lacks %s", path, text)
			}
		}
		if regexp.MustCompile(`(?i)<script|onload=|javascript:|<b>`).Match(a.body) {
			t.Errorf("%s has markup of a product in it:\n%s", path, a.body)
		}
	}
	if a := get(t, url+"/d/safety/risk/by_year", browser); strings.Contains(string(a.body), `id="by_airport"`) {
		t.Error("the page of one port shows another")
	}
	if a := get(t, url+"/d/safety/risk/none", browser); a.StatusCode != 404 {
		t.Errorf("page of no port: %d", a.StatusCode)
	}
}

// TestPanicsStayInside: a panic is one failed answer, without its text, and the server goes on.
func TestPanicsStayInside(t *testing.T) {
	m := newMesh(t)
	cfg := m.config(t)
	cfg.Ready = func(context.Context) error { panic("secret") }
	url := serve(t, cfg)
	a := get(t, url+"/readyz")
	if a.StatusCode != 500 || strings.Contains(string(a.body), "secret") || strings.Contains(string(a.body), "goroutine") {
		t.Errorf("%d %s", a.StatusCode, a.body)
	}
	if a := get(t, url+"/healthz"); a.StatusCode != 200 {
		t.Errorf("afterwards: %d", a.StatusCode)
	}
}

func TestMetrics(t *testing.T) {
	m := newMesh(t)
	url := serve(t, m.config(t))
	get(t, url+strikes+".csv")
	get(t, url+"/d/safety/none.csv")
	body := string(get(t, url+"/metrics").body)
	for _, line := range []string{
		`adp_http_requests_total{method="GET",route="/d/:domain/:product/:port",status="200"} 1`,
		`adp_http_requests_total{method="GET",route="/d/:domain/:product",status="404"} 1`,
		`adp_http_rows_total{format="csv"} 8`, `adp_http_open_requests 1`,
	} {
		if !strings.Contains(body, line) {
			t.Errorf("lacks %s in\n%s", line, body)
		}
	}
}

func TestRequestIDs(t *testing.T) {
	m := newMesh(t)
	url := serve(t, m.config(t))
	if id := get(t, url+"/healthz", "X-Request-Id: my.id-1").Header.Get("X-Request-Id"); id != "my.id-1" {
		t.Errorf("mine became %q", id)
	}
	for _, bad := range []string{"", strings.Repeat("x", 65), "a b", "<script>"} {
		if id := get(t, url+"/healthz", "X-Request-Id: "+bad).Header.Get("X-Request-Id"); !saneID(id) || id == bad {
			t.Errorf("%q became %q", bad, id)
		}
	}
}

// TestDrain: a request that is open when the server is told to end is answered.
func TestDrain(t *testing.T) {
	m := newMesh(t)
	entered, leave := make(chan struct{}), make(chan struct{})
	cfg := m.config(t)
	cfg.Ready = func(context.Context) error { close(entered); <-leave; return nil }
	s, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx, l) }()
	status := make(chan int, 1)
	go func() {
		res, err := plainClient.Get("http://" + l.Addr().String() + "/readyz")
		if err != nil {
			status <- 0
			return
		}
		defer res.Body.Close()
		_, _ = io.Copy(io.Discard, res.Body)
		status <- res.StatusCode
	}()
	<-entered
	cancel()
	close(leave)
	if got := <-status; got != 200 {
		t.Errorf("the open request got %d", got)
	}
	if err := <-done; err != nil {
		t.Errorf("Serve: %v", err)
	}
	if _, err := net.DialTimeout("tcp", l.Addr().String(), time.Second); err == nil {
		t.Error("the port is still open")
	}
}

func TestConfig(t *testing.T) {
	m := newMesh(t)
	cfg := m.config(t)
	cfg.Decider = nil
	if _, err := New(cfg); host.CodeOf(err) != host.CodeNodeSetup {
		t.Errorf("without a decider: %v", err)
	}
}
