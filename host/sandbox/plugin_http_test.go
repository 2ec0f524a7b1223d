package sandbox

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow/array"
	extism "github.com/extism/go-sdk"

	"github.com/adp-host/adp/drivers"
	"github.com/adp-host/adp/drivers/file"
	"github.com/adp-host/adp/drivers/web"
	"github.com/adp-host/adp/drivers/web/grant"
	"github.com/adp-host/adp/host"
	"github.com/adp-host/adp/host/build/buildtest"
	"github.com/adp-host/adp/host/columnar"
)

// surfer is a run whose bindings lead into the web.
type surfer struct {
	fake
	driver *web.Driver
	p      *host.Product
}

func (s *surfer) DriverOpen(ctx context.Context, binding int, request []byte) (drivers.Reader, error) {
	s.asked = append(s.asked, fmt.Sprintf("open %d %s", binding, request))
	b := s.p.Bindings[binding]
	schema, err := columnar.Schema(b.Schema)
	if err != nil {
		return nil, err
	}
	return s.driver.Open(ctx, drivers.Request{URI: b.URI, Schema: schema, Options: map[string]string{"request": string(request)}})
}

// pageSchema is that of bindings of the web.
var pageSchema = host.Schema{Fields: []host.Field{
	{Name: grant.Status, Type: host.Type{Kind: host.Int32}, Required: true},
	{Name: grant.Headers, Type: host.Type{Kind: host.String}, Required: true},
	{Name: grant.Body, Type: host.Type{Kind: host.Binary}, Required: true},
}}

// surfing is a product that is granted an address, and its run.
func surfing(t *testing.T, module []byte, function, address string) (Spec, *surfer) {
	s := pluginSpec(module, numbers, function, host.NDJSON)
	if address != "" {
		s.Product.Bindings = []host.Binding{{Name: "api", URI: address, Access: "read", Schema: pageSchema}}
		schema, err := columnar.Schema(pageSchema)
		if err != nil {
			t.Fatal(err)
		}
		s.Bindings = append(s.Bindings, schema)
	}
	loopback := []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	return s, &surfer{driver: web.New(web.Config{Allowed: loopback}), p: s.Product}
}

// site has pages of several kinds.
func site(t *testing.T) *httptest.Server {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Page", strings.TrimPrefix(r.URL.Path, "/v1/"))
		switch r.URL.Path {
		case "/v1/missing":
			w.WriteHeader(http.StatusNotFound)
		case "/v1/moved":
			http.Redirect(w, r, "/v1/page", http.StatusFound)
			return
		case "/v1/out":
			http.Redirect(w, r, "/v2/page", http.StatusFound)
			return
		case "/v1/empty":
			return
		}
		_, _ = io.WriteString(w, r.Method+" "+r.URL.String()+" "+r.Header.Get("X-Asked"))
	}))
	t.Cleanup(s.Close)
	return s
}

// TestPluginsFetchAlike: plug-ins by three PDKs get by http_request what they get under Extism's own host.
func TestPluginsFetchAlike(t *testing.T) {
	s := site(t)
	for _, language := range buildtest.Plugins {
		t.Run(language, func(t *testing.T) {
			module := buildtest.Plugin(t, language)
			theirs, err := extism.NewPlugin(t.Context(), extism.Manifest{Wasm: []extism.Wasm{extism.WasmData{Data: module}}, AllowedHosts: []string{"127.0.0.1"}},
				extism.PluginConfig{EnableWasi: true, EnableHttpResponseHeaders: true}, nil)
			if err != nil {
				t.Fatal(err)
			}
			defer theirs.Close(context.Background())
			plugins(t, func(t *testing.T, e *Engine) {
				spec, run := surfing(t, module, "fetch", s.URL+"/v1/")
				ours := Bare{start(t, e, spec, run)}
				if err := ours.Open(t.Context()); err != nil {
					t.Fatal(err)
				}
				for _, in := range []string{"GET " + s.URL + "/v1/page", "GET " + s.URL + "/v1/page?a=b&c=%20d", "HEAD " + s.URL + "/v1/page",
					"GET " + s.URL + "/v1/missing", "GET " + s.URL + "/v1/moved", "GET " + s.URL + "/v1/empty"} {
					_, want, err := theirs.Call("fetch", []byte(in))
					if err != nil {
						t.Fatal(err)
					}
					got, err := ours.Exchange(t.Context(), []byte(in))
					if err != nil || !bytes.Equal(got, want) || len(want) == 0 {
						t.Errorf("%s: %q, %v, and with Extism's host %q", in, got, err, want)
					}
				}
				if len(run.asked) != 6 || !strings.HasPrefix(run.asked[0], `open 0 {"method":"GET","url":"`+s.URL) {
					t.Errorf("asked %q", run.asked)
				}
			})
		})
	}
}

// TestPluginsDenied: what is not granted ends the run, and says what would grant it.
func TestPluginsDenied(t *testing.T) {
	s := site(t)
	module := buildtest.Plugin(t, "go")
	for _, c := range []struct{ name, grant, in, says, hint string }{
		{"nothing granted", "", "GET " + s.URL + "/v1/page", "denied unless the product grants it", `drivers: {web: {uri: "` + s.URL + `/", access: read}}`},
		{"another path", s.URL + "/v1/", "GET " + s.URL + "/v2/page", "driver api: it is not below", "drivers:"},
		{"a path that begins alike", s.URL + "/v1", "GET " + s.URL + "/v10/page", "driver api: it is not below", "drivers:"},
		{"dots", s.URL + "/v1/", "GET " + s.URL + "/v1/../v2/page", "segment of dots", "drivers:"},
		{"another scheme", s.URL + "/v1/", "GET file:///etc/passwd", "neither https:// nor http://", "drivers:"},
		{"a redirect out", s.URL + "/v1/", "GET " + s.URL + "/v1/out", "it leads on to", ""},
		{"another method", s.URL + "/v1/", "POST " + s.URL + "/v1/page", "by POST", "GET and HEAD"},
	} {
		t.Run(c.name, func(t *testing.T) {
			plugins(t, func(t *testing.T, e *Engine) {
				spec, run := surfing(t, module, "fetch", c.grant)
				i := Bare{start(t, e, spec, run)}
				if err := i.Open(t.Context()); err != nil {
					t.Fatal(err)
				}
				_, err := i.Exchange(t.Context(), []byte(c.in))
				if err == nil || !strings.Contains(err.Error(), c.says) || !strings.Contains(host.HintOf(err), c.hint) {
					t.Errorf("%v, hint %q", err, host.HintOf(err))
				}
			})
		})
	}
}

// TestPagesRecorded: what a run was answered is what compiled code gets that does the run again: the server is asked once for each page.
func TestPagesRecorded(t *testing.T) {
	asked := 0
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked++
		fmt.Fprintf(w, `{"n":%d,"word":"page"}`, asked)
	}))
	defer s.Close()
	request := fmt.Sprintf(`{"url":%q}`, s.URL)
	module := assemble(t, pluginText(dataText(request), fmt.Sprintf(`(local.set $a (call $alloc (i64.const %d)))
		(loop $l
			(call $store_u8 (i64.add (local.get $a) (local.get $i)) (i32.load8_u (i32.wrap_i64 (local.get $i))))
			(br_if $l (i64.lt_u (local.tee $i (i64.add (local.get $i) (i64.const 1))) (i64.const %[1]d))))
		(local.set $b (call $http_request (local.get $a) (i64.const 0)))
		(call $output_set (local.get $b) (call $length (local.get $b)))`, len(request))))
	e := newEngine(t, Config{Rows: file.ReadRows})
	spec, run := surfing(t, module, "run", s.URL)
	trials := 0
	_, err := guided(e, spec, run, func(g *Guest) {
		if g.trial != nil {
			trials++
		}
		compiled(g)
	}, many(20)...)
	if err != nil {
		t.Fatal(err)
	}
	if trials == 0 || trials == 20 || asked != 20 || len(run.batches) != 20 {
		t.Fatalf("%d of 20 batches on trial, asked %d times, %d batches", trials, asked, len(run.batches))
	}
	for n, b := range run.batches {
		if got := b.Column(0).(*array.Int64).Value(0); got != int64(n+1) {
			t.Errorf("batch %d is of page %d", n+1, got)
		}
	}
}

// TestPagesMetered: pages cost fuel, are counted, and their bytes are bounded by the memory of the guest.
func TestPagesMetered(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(make([]byte, 3<<20)) }))
	defer s.Close()
	request := fmt.Sprintf(`{"url":%q}`, s.URL)
	fetch := fmt.Sprintf(`(local.set $a (call $alloc (i64.const %d)))
		(loop $l
			(call $store_u8 (i64.add (local.get $a) (local.get $i)) (i32.load8_u (i32.wrap_i64 (local.get $i))))
			(br_if $l (i64.lt_u (local.tee $i (i64.add (local.get $i) (i64.const 1))) (i64.const %[1]d))))
		(loop $l (call $free (call $http_request (local.get $a) (i64.const 0))) (br $l))`, len(request))
	module := assemble(t, pluginText(dataText(request), fetch))
	for _, c := range []struct {
		limits host.Limits
		wants  host.ErrorCode
	}{
		{host.Limits{Fuel: 50_000_000}, host.CodeGuestFuel}, {host.Limits{Memory: 2 << 20}, host.CodeGuestMemory}, {host.Limits{}, host.CodeGuestCallLimit},
	} {
		spec, run := surfing(t, module, "run", s.URL)
		spec.Product.Limits = c.limits
		u, err := runAll(newEngine(t, Config{}), spec, run, counting(1))
		wantError(t, err, c.wants)
		if c.wants == host.CodeGuestCallLimit && len(run.asked) != mostPageBytes/(3<<20)+1 {
			t.Errorf("asked %d times", len(run.asked))
		}
		if c.limits.Fuel > 0 && (len(run.asked) < 30 || len(run.asked) > 70 || u.BytesIn < 90<<20) {
			t.Errorf("asked %d times, got %d bytes", len(run.asked), u.BytesIn)
		}
	}
}

// dataText lays text at the beginning of a plug-in's memory.
func dataText(text string) string {
	var b strings.Builder
	for _, c := range []byte(text) {
		fmt.Fprintf(&b, `\%02x`, c)
	}
	return `(data (i32.const 0) "` + b.String() + `")`
}
