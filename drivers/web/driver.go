// Package web is the driver of http: and https: addresses. It reads what lies below a granted address, by GET and HEAD, and connects to machines of
// the public internet alone, unless the operator has opened other networks: a product names the addresses, and must not reach by them
// what the node can reach and its team cannot.
package web

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/adp-host/adp/drivers"
	"github.com/adp-host/adp/drivers/web/grant"
)

// Config is how a Driver works. The zero value is usable.
type Config struct {
	// Allowed are networks beside the public internet that may be read.
	Allowed []netip.Prefix
	// Timeout bounds one request with its redirects and its answer. 0: 30 s.
	Timeout time.Duration
	// MaxBody bounds an answer, in bytes. 0: 16 MiB.
	MaxBody int64
	// Resolver finds the addresses of names; nil: that of the machine.
	Resolver *net.Resolver
	// Roots are who may vouch for servers; nil: whom the machine trusts.
	Roots *x509.CertPool
}

const (
	maxHeader    = 64 << 10 // bytes of an answer's headers, those of 1xx before it included
	maxRedirects = 5
	// idleTime is how long a connection waits for the next request.
	idleTime = 10 * time.Second
	idleMost = 16
	perHost  = 16
)

// Driver is a drivers.Source of answers. It is safe for concurrent use.
type Driver struct {
	cfg       Config
	transport *http.Transport
}

// New makes a driver. It takes no proxy from the environment: a proxy would connect where the guard would not.
func New(cfg Config) *Driver {
	if cfg.Timeout <= 0 {
		cfg.Timeout = 30 * time.Second
	}
	if cfg.MaxBody <= 0 {
		cfg.MaxBody = 16 << 20
	}
	d := &Driver{cfg: cfg}
	dialer := &net.Dialer{Timeout: cfg.Timeout, Resolver: cfg.Resolver, Control: d.control}
	d.transport = &http.Transport{
		DialContext: dialer.DialContext, DisableCompression: true, MaxResponseHeaderBytes: maxHeader,
		MaxIdleConns: idleMost, IdleConnTimeout: idleTime, MaxConnsPerHost: perHost, TLSHandshakeTimeout: cfg.Timeout,
	}
	if cfg.Roots != nil {
		d.transport.TLSClientConfig = tlsOf(cfg.Roots)
	}
	return d
}

// Open asks for one page. The request's URI is the grant, its option "request" a grant.Request as JSON; the answer is one row of the columns
// that package grant names. Errors wrap drivers.ErrRequest, ErrDenied, ErrExceeded or ErrUnavailable; an answer of any status is none.
func (d *Driver) Open(ctx context.Context, r drivers.Request) (drivers.Reader, error) {
	g, err := grant.Parse(r.URI)
	if err != nil {
		return nil, &drivers.Error{Kind: drivers.ErrRequest, Origin: r.URI, Message: err.Error()}
	}
	for name := range r.Options {
		if name != "request" {
			return nil, &drivers.Error{Kind: drivers.ErrRequest, Origin: r.URI, Message: fmt.Sprintf("there is no option %q", name)}
		}
	}
	var ask grant.Request
	if err := json.Unmarshal([]byte(r.Options["request"]), &ask); err != nil {
		return nil, &drivers.Error{Kind: drivers.ErrRequest, Origin: r.URI, Message: "what is asked for is no request", Err: err}
	}
	ctx, cancel := context.WithTimeout(ctx, d.cfg.Timeout)
	defer cancel()
	p, err := d.get(ctx, g, ask)
	if err != nil {
		return nil, d.said(ask, err)
	}
	rec, err := p.record(r.Schema)
	if err != nil {
		return nil, err
	}
	return &reader{rec}, nil
}

// page is an answer.
type page struct {
	status  int
	headers []byte
	body    []byte
}

func (d *Driver) get(ctx context.Context, g grant.Grant, ask grant.Request) (*page, error) {
	u, err := g.Covers(ask.URL)
	if err != nil {
		return nil, &drivers.Error{Kind: drivers.ErrDenied, Message: err.Error()}
	}
	if ask.Method != http.MethodGet && ask.Method != http.MethodHead {
		return nil, &drivers.Error{Kind: drivers.ErrDenied, Message: "products read by GET and HEAD, and not by " + word(ask.Method)}
	}
	req, err := http.NewRequestWithContext(ctx, ask.Method, u.String(), nil)
	if err != nil {
		return nil, &drivers.Error{Kind: drivers.ErrRequest, Message: err.Error()}
	}
	if err := setHeaders(req.Header, ask.Headers); err != nil {
		return nil, err
	}
	client := http.Client{Transport: d.transport, CheckRedirect: func(next *http.Request, via []*http.Request) error {
		if len(via) > maxRedirects {
			return &drivers.Error{Kind: drivers.ErrExceeded, Message: fmt.Sprintf("it leads on more than %d times", maxRedirects)}
		}
		if _, err := g.Covers(next.URL.String()); err != nil {
			return &drivers.Error{Kind: drivers.ErrDenied, Message: fmt.Sprintf("it leads on to %s: %v", word(next.URL.String()), err)}
		}
		return nil
	}}
	res, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	p := &page{status: res.StatusCode, headers: headersOf(res.Header)}
	if p.body, err = io.ReadAll(io.LimitReader(res.Body, d.cfg.MaxBody+1)); err != nil {
		return nil, err
	}
	if int64(len(p.body)) > d.cfg.MaxBody {
		return nil, &drivers.Error{Kind: drivers.ErrExceeded, Message: fmt.Sprintf("the answer has more than %d bytes", d.cfg.MaxBody)}
	}
	return p, nil
}

// said is an error of the driver in words for people, about the address that was asked for.
func (d *Driver) said(ask grant.Request, err error) error {
	out := &drivers.Error{Kind: drivers.ErrUnavailable, Origin: word(ask.Method) + " " + word(ask.URL), Hint: "try again, or ask for something else"}
	var known *drivers.Error
	switch {
	case errors.As(err, &known):
		out.Kind, out.Message, out.Hint = known.Kind, known.Message, known.Hint
	case errors.Is(err, context.Canceled):
		return err
	case errors.Is(err, context.DeadlineExceeded):
		out.Message = fmt.Sprintf("no answer came in time; there is %s for one", d.cfg.Timeout)
	default:
		out.Message = cause(err)
	}
	return out
}

// cause leaves out what the layers above have added: the address is known.
func cause(err error) string {
	for {
		next := errors.Unwrap(err)
		if next == nil {
			return err.Error()
		}
		var op *net.OpError
		if errors.As(err, &op) && err == error(op) {
			return op.Error()
		}
		err = next
	}
}

// word is text of a guest or a server for a message.
func word(s string) string {
	const most = 200
	if len(s) > most {
		s = s[:most] + "…"
	}
	return strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f && r < 0xa0 {
			return '?'
		}
		return r
	}, strings.ToValidUTF8(s, "?"))
}

// record is the answer as a row of the columns asked for.
func (p *page) record(s *arrow.Schema) (arrow.RecordBatch, error) {
	b := array.NewRecordBuilder(memory.DefaultAllocator, s)
	defer b.Release()
	for n, f := range s.Fields() {
		switch c := b.Field(n).(type) {
		case *array.Int32Builder:
			c.Append(int32(p.status))
		case *array.StringBuilder:
			c.Append(string(p.headers))
		case *array.BinaryBuilder:
			c.Append(p.body)
		default:
			return nil, &drivers.Error{Kind: drivers.ErrSchema, Message: fmt.Sprintf("an answer has no column %s of type %s", f.Name, f.Type)}
		}
	}
	return b.NewRecordBatch(), nil
}

// reader gives one row.
type reader struct{ rec arrow.RecordBatch }

func (r *reader) Next(context.Context) (drivers.Batch, error) {
	if r.rec == nil {
		return drivers.Batch{}, io.EOF
	}
	b := drivers.Batch{Record: r.rec}
	r.rec = nil
	return b, nil
}

func (r *reader) Cursor() json.RawMessage { return nil }

func (r *reader) Close() error {
	if r.rec != nil {
		r.rec.Release()
		r.rec = nil
	}
	return nil
}
