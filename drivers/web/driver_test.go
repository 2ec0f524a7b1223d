package web

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/adp-host/adp/drivers"
	"github.com/adp-host/adp/drivers/web/grant"
)

var (
	pages = arrow.NewSchema([]arrow.Field{{Name: grant.Status, Type: arrow.PrimitiveTypes.Int32}, {Name: grant.Headers, Type: arrow.BinaryTypes.String},
		{Name: grant.Body, Type: arrow.BinaryTypes.Binary}}, nil)
	loopback = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")}
)

// ask reads one page.
func ask(t *testing.T, d *Driver, granted, request string) (status int32, headers, body string, err error) {
	t.Helper()
	r, err := d.Open(t.Context(), drivers.Request{URI: granted, Schema: pages, Options: map[string]string{"request": request}})
	if err != nil {
		return 0, "", "", err
	}
	defer r.Close()
	b, err := r.Next(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer b.Record.Release()
	if _, err := r.Next(t.Context()); err != io.EOF {
		t.Errorf("after the page: %v", err)
	}
	return b.Record.Column(0).(*array.Int32).Value(0), b.Record.Column(1).(*array.String).Value(0), string(b.Record.Column(2).(*array.Binary).Value(0)), nil
}

func get(url string) string { return fmt.Sprintf(`{"method":"GET","url":%q}`, url) }

func wants(t *testing.T, err, kind error, says string) {
	t.Helper()
	if !errors.Is(err, kind) || !strings.Contains(err.Error(), says) {
		t.Errorf("%v, want %v that says %q", err, kind, says)
	}
}

func serve(t *testing.T, h http.HandlerFunc) string {
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s.URL
}

// raw serves each connection by a function, for answers that no server of Go's gives.
func raw(t *testing.T, answer func(c net.Conn)) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				_, _ = bufio.NewReader(c).ReadString('\n')
				answer(c)
			}()
		}
	}()
	return "http://" + l.Addr().String()
}

func TestPages(t *testing.T) {
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Add("X-Two", "a")
		w.Header().Add("X-Two", "b")
		w.Header()["Date"] = nil
		if r.URL.Path == "/teapot" {
			w.WriteHeader(http.StatusTeapot)
		}
		fmt.Fprintf(w, "%s %s %s %s", r.Method, r.URL, r.Header.Get("X-Asked"), r.Header.Get("Accept-Encoding"))
	})
	d := New(Config{Allowed: loopback})
	status, headers, body, err := ask(t, d, url, `{"method":"GET","url":"`+url+`/a?b=c","headers":{"X-Asked":"yes"}}`)
	if err != nil || status != 200 || body != "GET /a?b=c yes " || headers != `{"content-length":"15","content-type":"text/plain; charset=utf-8","x-two":"a,b"}` {
		t.Errorf("%d, %s, %q, %v", status, headers, body, err)
	}
	if status, _, body, err = ask(t, d, url, get(url+"/teapot")); err != nil || status != 418 || body == "" {
		t.Errorf("%d, %q, %v", status, body, err)
	}
	if status, _, body, err = ask(t, d, url, `{"method":"HEAD","url":"`+url+`"}`); err != nil || status != 200 || body != "" {
		t.Errorf("%d, %q, %v", status, body, err)
	}
}

// TestRefused: what a request may not be, whoever would answer it.
func TestRefused(t *testing.T) {
	url := serve(t, func(w http.ResponseWriter, r *http.Request) { t.Errorf("it was asked for %s", r.URL) })
	d := New(Config{Allowed: loopback})
	many := `{"method":"GET","url":"` + url + `","headers":{"A":"` + strings.Repeat("x", maxFieldBytes) + `"}}`
	for _, c := range []struct {
		request string
		kind    error
		says    string
	}{
		{`{"method":"POST","url":"` + url + `"}`, drivers.ErrDenied, "by GET and HEAD"},
		{`{"method":"get","url":"` + url + `"}`, drivers.ErrDenied, "by GET and HEAD"},
		{`{"method":"GET","url":"` + url + `","headers":{"host":"internal"}}`, drivers.ErrDenied, "the header Host"},
		{`{"method":"GET","url":"` + url + `","headers":{"transfer-encoding":"chunked"}}`, drivers.ErrDenied, "the header Transfer-Encoding"},
		{`{"method":"GET","url":"` + url + `","headers":{"X":"a\r\nHost: b"}}`, drivers.ErrUnavailable, "invalid header field"},
		{`{"method":"GET","url":"` + url + `","headers":{"X Y":"a"}}`, drivers.ErrUnavailable, "invalid header field"},
		{many, drivers.ErrExceeded, "headers"},
		{get("http://localhost.example/"), drivers.ErrDenied, "not below"},
		{`[]`, drivers.ErrRequest, "no request"},
		{``, drivers.ErrRequest, "no request"},
	} {
		_, _, _, err := ask(t, d, url, c.request)
		wants(t, err, c.kind, c.says)
	}
	_, err := d.Open(t.Context(), drivers.Request{URI: url, Schema: pages, Options: map[string]string{"proxy": "x"}})
	wants(t, err, drivers.ErrRequest, "no option")
	_, err = d.Open(t.Context(), drivers.Request{URI: "http://user@x/", Schema: pages})
	wants(t, err, drivers.ErrRequest, "names of users")
}

// TestGuard: nothing connects to this machine unless the operator has allowed its network, whatever it is called.
func TestGuard(t *testing.T) {
	asked := 0
	url := serve(t, func(http.ResponseWriter, *http.Request) { asked++ })
	port := url[strings.LastIndex(url, ":"):]
	for _, name := range []string{"http://127.0.0.1", "http://localhost", "http://[::ffff:127.0.0.1]", "http://[::1]", "http://[::]", "http://0.0.0.0"} {
		_, _, _, err := ask(t, New(Config{}), name+port, get(name+port))
		wants(t, err, drivers.ErrDenied, "which is")
		var e *drivers.Error
		if !errors.As(err, &e) || !strings.Contains(e.Hint, "--allow-net ") {
			t.Errorf("%s: hint %q", name, e.Hint)
		}
	}
	if asked > 0 {
		t.Errorf("it was asked %d times", asked)
	}
	if _, _, _, err := ask(t, New(Config{Allowed: loopback}), "http://[::ffff:127.0.0.1]"+port, get("http://[::ffff:127.0.0.1]"+port)); err != nil {
		t.Error(err)
	}
	t.Setenv("HTTP_PROXY", url)
	t.Setenv("http_proxy", url)
	_, _, _, err := ask(t, New(Config{}), "http://10.0.0.1", get("http://10.0.0.1"))
	wants(t, err, drivers.ErrDenied, "a private network")
}

// names answers questions for the addresses of any name, each with the next of a list.
func names(t *testing.T, addresses ...string) *net.Resolver {
	c, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	go func() {
		next, b := 0, make([]byte, 1500)
		for {
			n, from, err := c.ReadFrom(b)
			if err != nil {
				return
			}
			end := 12
			for end < n && b[end] != 0 {
				end += int(b[end]) + 1
			}
			out := append([]byte{b[0], b[1], 0x81, 0x80, 0, 1, 0, 0, 0, 0, 0, 0}, b[12:end+5]...)
			if b[end+2] == 1 { // A
				a := netip.MustParseAddr(addresses[min(next, len(addresses)-1)]).As4()
				next++
				out[7] = 1
				out = append(append(out, 0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4), a[:]...)
			}
			_, _ = c.WriteTo(out, from)
		}
	}()
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "udp", c.LocalAddr().String())
	}}
}

// TestRebinding: a name that first is of one machine and then of another leads to no other than what is allowed when it is connected to.
func TestRebinding(t *testing.T) {
	asked := 0
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		asked++
		w.Header().Set("Connection", "close")
	})
	address := "http://rebind.example.org" + url[strings.LastIndex(url, ":"):]
	d := New(Config{Allowed: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}, Resolver: names(t, "127.0.0.1", "127.0.0.2", "169.254.169.254", "10.1.2.3")})
	if _, _, _, err := ask(t, d, address, get(address)); err != nil || asked != 1 {
		t.Fatalf("asked %d times, %v", asked, err)
	}
	for _, at := range []string{"127.0.0.2, which is this machine", "169.254.169.254, which is a service", "10.1.2.3, which is a private network"} {
		_, _, _, err := ask(t, d, address, get(address))
		wants(t, err, drivers.ErrDenied, at)
	}
	if asked != 1 {
		t.Errorf("asked %d times", asked)
	}
}

// TestRedirectRebinds: a redirect below the grant is looked at like any other address when it is connected to.
func TestRedirectRebinds(t *testing.T) {
	asked := 0
	url := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		asked++
		w.Header().Set("Connection", "close")
		w.Header().Set("Location", "/next")
		w.WriteHeader(http.StatusFound)
	})
	address := "http://rebind.example.org" + url[strings.LastIndex(url, ":"):]
	d := New(Config{Allowed: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}, Resolver: names(t, "127.0.0.1", "192.168.1.1")})
	_, _, _, err := ask(t, d, address, get(address))
	if wants(t, err, drivers.ErrDenied, "192.168.1.1, which is a private network"); asked != 1 {
		t.Errorf("asked %d times", asked)
	}
}

func TestRedirects(t *testing.T) {
	var url string
	loops := 0
	url = serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/v1/loop" {
			loops++
		}
		to := map[string]string{"/v1/in": "/v1/page", "/v1/out": "/v2", "/v1/private": "http://10.0.0.1/v1/", "/v1/file": "file:///etc/passwd", "/v1/loop": "/v1/loop",
			"/v1/user": strings.Replace(url, "//", "//root@", 1) + "/v1/page", "/v1/dots": "/v1/%2e%2e/v2"}[r.URL.Path]
		switch {
		case to != "":
			w.Header().Set("Location", to)
			w.WriteHeader(http.StatusFound)
		case r.URL.Path != "/v1/page":
			t.Errorf("it was asked for %s", r.URL)
		}
	})
	d := New(Config{Allowed: loopback})
	if status, _, _, err := ask(t, d, url+"/v1", get(url+"/v1/in")); err != nil || status != 200 {
		t.Errorf("%d, %v", status, err)
	}
	for path, says := range map[string]string{"out": "not below", "private": "not below", "file": "neither https", "user": "names of users", "dots": "it leads on to"} {
		_, _, _, err := ask(t, d, url+"/v1", get(url+"/v1/"+path))
		wants(t, err, drivers.ErrDenied, says)
	}
	_, _, _, err := ask(t, d, url+"/v1", get(url+"/v1/loop"))
	if wants(t, err, drivers.ErrExceeded, "more than 5 times"); loops != 6 {
		t.Errorf("it was followed %d times", loops)
	}
}

// TestFloods: answers that do not end, are too large, or never come.
func TestFloods(t *testing.T) {
	forever := func(head, piece string) func(net.Conn) {
		return func(c net.Conn) {
			_, err := io.WriteString(c, head)
			for err == nil {
				_, err = io.WriteString(c, piece)
			}
		}
	}
	slow := func(c net.Conn) {
		_, err := io.WriteString(c, "HTTP/1.1 200 OK\r\n\r\n")
		for err == nil {
			_, err = io.WriteString(c, ".")
			time.Sleep(10 * time.Millisecond)
		}
	}
	for name, c := range map[string]struct {
		answer func(net.Conn)
		kind   error
		says   string
	}{
		"body":         {forever("HTTP/1.1 200 OK\r\n\r\n", strings.Repeat("x", 1000)), drivers.ErrExceeded, "more than 100000 bytes"},
		"long body":    {forever("HTTP/1.1 200 OK\r\nContent-Length: 9999999999\r\n\r\n", strings.Repeat("x", 1000)), drivers.ErrExceeded, "more than 100000 bytes"},
		"header":       {forever("HTTP/1.1 200 OK\r\nX: ", "xxxxxxxx"), drivers.ErrUnavailable, "headers"},
		"headers":      {forever("HTTP/1.1 200 OK\r\n", "X: y\r\n"), drivers.ErrUnavailable, "headers"},
		"1xx":          {forever("", "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"), drivers.ErrUnavailable, ""},
		"slow body":    {slow, drivers.ErrUnavailable, "no answer came in time"},
		"nothing":      {func(c net.Conn) { _, _ = io.Copy(io.Discard, c) }, drivers.ErrUnavailable, "no answer came in time"},
		"no HTTP":      {forever("SSH-2.0-x\r\n", ""), drivers.ErrUnavailable, "malformed HTTP"},
		"cut":          {func(c net.Conn) { _, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc") }, drivers.ErrUnavailable, "unexpected EOF"},
		"closes":       {func(net.Conn) {}, drivers.ErrUnavailable, "EOF"},
		"bad encoding": {func(c net.Conn) { _, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nTransfer-Encoding: x\r\n\r\n") }, drivers.ErrUnavailable, "transfer encoding"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			timeout := 20 * time.Second
			if strings.Contains(c.says, "in time") {
				timeout = 300 * time.Millisecond
			}
			url := raw(t, c.answer)
			_, _, _, err := ask(t, New(Config{Allowed: loopback, MaxBody: 100_000, Timeout: timeout}), url, get(url))
			wants(t, err, c.kind, c.says)
		})
	}
}

// TestTLS: servers are asked who they are.
func TestTLS(t *testing.T) {
	s := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "secret") }))
	s.Config.ErrorLog = nil
	defer s.Close()
	_, _, _, err := ask(t, New(Config{Allowed: loopback}), s.URL, get(s.URL))
	wants(t, err, drivers.ErrUnavailable, "certificate")
	roots := s.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs
	if _, _, body, err := ask(t, New(Config{Allowed: loopback, Roots: roots}), s.URL, get(s.URL)); err != nil || body != "secret" {
		t.Errorf("%q, %v", body, err)
	}
}

// TestCancelled: the end of a run ends its request.
func TestCancelled(t *testing.T) {
	url := raw(t, func(c net.Conn) { _, _ = io.Copy(io.Discard, c) })
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err := New(Config{Allowed: loopback}).Open(ctx, drivers.Request{URI: url, Schema: pages, Options: map[string]string{"request": get(url)}})
	wants(t, err, drivers.ErrUnavailable, "in time")
}

// TestMapped: an address of IPv4 that is written as one of IPv6 is judged as what it is.
func TestMapped(t *testing.T) {
	d := New(Config{Allowed: []netip.Prefix{netip.MustParsePrefix("10.1.0.0/16")}})
	for address, says := range map[string]string{"[::ffff:10.1.0.1]:80": "", "[::ffff:8.8.8.8]:80": "", "[::ffff:10.2.0.1]:80": "10.2.0.1, which is a private network",
		"[::ffff:127.0.0.1]:80": "127.0.0.1, which is this machine", "[fe80::1%lo]:80": "fe80::1, which is on the same link", "/run/x.sock": "no address"} {
		if err := d.control("tcp", address, nil); says == "" && err != nil || says != "" && (err == nil || !strings.Contains(err.Error(), says)) {
			t.Errorf("%s: %v, want %q", address, err, says)
		}
	}
}

func TestWhy(t *testing.T) {
	for _, open := range []string{"1.1.1.1", "8.8.8.8", "172.15.255.255", "172.32.0.1", "100.63.255.255", "100.128.0.1", "192.167.255.255", "169.253.0.1", "198.17.0.1",
		"198.20.0.1", "223.255.255.255", "2606:4700::1111", "2001:4860:4860::8888", "2003::1", "2a00::1", "2400::1"} {
		if w := why(netip.MustParseAddr(open)); w != "" {
			t.Errorf("%s is closed: %s", open, w)
		}
	}
	for _, c := range []string{"0.0.0.0", "0.1.2.3", "10.0.0.0", "10.255.255.255", "100.64.0.0", "100.127.255.255", "100.100.100.200", "127.0.0.1", "127.255.255.255", "168.63.129.16",
		"169.254.0.1", "169.254.169.254", "172.16.0.0", "172.31.255.255", "192.0.0.1", "192.0.0.192", "192.0.2.1", "192.88.99.1", "192.168.0.0", "192.168.255.255", "198.18.0.1",
		"198.19.255.255", "198.51.100.1", "203.0.113.1", "224.0.0.1", "239.255.255.255", "240.0.0.1", "255.255.255.255",
		"::", "::1", "::127.0.0.1", "::ffff:8.8.8.8", "::ffff:0:8.8.8.8", "64:ff9b::8.8.8.8", "64:ff9b::10.0.0.1", "64:ff9b:1::1", "100::1", "2001::1", "2001:db8::1", "2001:10::1", "2002:a00:1::",
		"3fff::1", "5f00::1", "fc00::1", "fd00:ec2::254", "fdff::1", "fe80::1", "febf::1", "fec0::1", "ff02::1", "4000::1", "e000::1"} {
		if why(netip.MustParseAddr(c)) == "" {
			t.Errorf("%s is open", c)
		}
	}
}
