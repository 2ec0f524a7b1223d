package sandbox

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/adp-host/adp/abi"
	"github.com/adp-host/adp/drivers"
	"github.com/adp-host/adp/drivers/web/grant"
	"github.com/adp-host/adp/host"
)

// What plug-ins may ask for by http_request in one run: so many pages, and so many bytes of answers, since all of them are recorded.
const (
	mostPages     = 1_000
	mostPageBytes = 256 << 20
)

// fetched is what a plug-in has got by http_request.
type fetched struct {
	status  int32  // of the last answer, 0 before the first
	headers []byte // of the last answer, JSON
	bytes   int64  // of all answers of the run
}

// extismHTTP is http_request(request, body) → body of the answer, 0 for an empty one. The request is JSON: method, url, headers. It is a read
// of the binding that grants its address, recorded as any other. As under Extism's own hosts the plug-in sees every status, and no error:
// what is not granted, and an answer that does not come, end the run.
func (i *Instance) extismHTTP(stack []uint64) {
	if i.phase != running {
		i.kill(host.Errorf(host.CodeGuestCallLimit, "the plug-in asked for a page by http_request before its first batch").WithHint("ask while a batch is worked on"))
	}
	var ask grant.Request
	if err := json.Unmarshal(i.block("a request for a page", stack[0], abi.MaxRequest), &ask); err != nil {
		i.kill(host.Errorf(host.CodeGuestABI, "the request for a page is no JSON: %w", err))
	}
	if ask.Method = strings.ToUpper(ask.Method); ask.Method == "" {
		ask.Method = "GET"
	}
	i.plugin.fetched.status, i.plugin.fetched.headers = 0, nil
	binding, err := i.granted(ask)
	if err == nil && stack[1] != 0 && len(i.block("the body of a request", stack[1], abi.MaxRequest)) > 0 {
		err = host.Errorf(host.CodePolicyDenied, "the plug-in sends a body with its request for %s", shown(ask.URL)).WithHint("products read by GET and HEAD, which have none")
	}
	if err != nil {
		i.kill(err)
	}
	var body []byte
	if err := i.apart(func() (err error) {
		body, err = i.page(binding, ask)
		return err
	}); err != nil {
		i.failHost(err)
		i.kill(i.failure)
	}
	if i.plugin.fetched.bytes += int64(len(body)); i.plugin.fetched.bytes > mostPageBytes {
		i.kill(host.Errorf(host.CodeGuestCallLimit, "the pages that the plug-in asked for have more than %s in one run", size(mostPageBytes)).
			WithHint("ask for less, or make it an input"))
	}
	i.usage.BytesIn += int64(len(body))
	if stack[0] = 0; len(body) > 0 {
		stack[0] = i.store(body)
	}
}

// granted is the binding that lets the plug-in ask for a page.
func (i *Instance) granted(ask grant.Request) (int, error) {
	var why error
	for n, b := range i.spec.Product.Bindings {
		if b.Access != "read" || !grant.Is(b.URI) {
			continue
		}
		g, err := grant.Parse(b.URI)
		if err == nil {
			_, err = g.Covers(ask.URL)
		}
		if err == nil {
			if ask.Method != "GET" && ask.Method != "HEAD" {
				return 0, host.Errorf(host.CodePolicyDenied, "the plug-in asked for %s by %s", shown(ask.URL), shown(ask.Method)).WithHint("products read by GET and HEAD")
			}
			return n, nil
		}
		why = errors.Join(why, fmt.Errorf("driver %s: %w", b.Name, err))
	}
	e := host.Errorf(host.CodePolicyDenied, "the plug-in asked for %s by http_request, which is denied unless the product grants it", shown(ask.URL))
	if why != nil {
		e = host.Errorf(host.CodePolicyDenied, "the plug-in asked for %s by http_request, which the product does not grant: %s", shown(ask.URL), strings.ReplaceAll(why.Error(), "\n", "; "))
	}
	uri := "https://example.com/"
	if u, err := url.Parse(ask.URL); err == nil && grant.Is(ask.URL) && u.Host != "" {
		if g, err := grant.Parse(u.Scheme + "://" + u.Host + "/"); err == nil {
			uri = g.String()
		}
	}
	return 0, e.WithHint("if it should be, write in the adp block of product.yaml: drivers: {web: {uri: %q, access: read}}; everything below that is granted", uri)
}

// shown is text of a guest for a message.
func shown(s string) string {
	const most = 200
	if len(s) > most {
		s = s[:most] + "…"
	}
	s = fmt.Sprintf("%q", s)
	return s[1 : len(s)-1]
}

// page reads the one row that answers a request.
func (i *Instance) page(binding int, ask grant.Request) (body []byte, err error) {
	request, err := json.Marshal(ask)
	if err != nil {
		return nil, err
	}
	ctx, cancel := i.bounded()
	defer cancel()
	r, err := i.calls.DriverOpen(ctx, binding, request)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	rows := 0
	for {
		batch, err := r.Next(ctx)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		rows += int(batch.Record.NumRows())
		body, err = i.read(batch)
		if err != nil {
			return nil, err
		}
	}
	if rows != 1 {
		return nil, host.Errorf(host.CodeDriverFormat, "the driver answered a request for a page with %d rows", rows)
	}
	return body, nil
}

// read takes what the kernel wants to know from an answer, and gives its body. The batch is released.
func (i *Instance) read(batch drivers.Batch) ([]byte, error) {
	rec := batch.Record
	defer rec.Release()
	column := func(name string) arrow.Array {
		if n := rec.Schema().FieldIndices(name); len(n) == 1 && rec.NumRows() > 0 {
			return rec.Column(n[0])
		}
		return nil
	}
	status, ok1 := column(grant.Status).(*array.Int32)
	headers, ok2 := column(grant.Headers).(*array.String)
	body, ok3 := column(grant.Body).(*array.Binary)
	if !ok1 || !ok2 || !ok3 {
		return nil, host.Errorf(host.CodeDriverSchema, "what the driver answered is no page: %s", rec.Schema())
	}
	i.plugin.fetched.status, i.plugin.fetched.headers = status.Value(0), []byte(headers.Value(0))
	return bytes.Clone(body.Value(0)), nil
}

// extismStatus is http_status_code() → the status of the last answer, 0 when there was none.
func (i *Instance) extismStatus(stack []uint64) { stack[0] = uint64(uint32(i.plugin.fetched.status)) }

// extismHeaders is http_headers() → JSON, names in lower case; 0 when there was no answer.
func (i *Instance) extismHeaders(stack []uint64) {
	if stack[0] = 0; len(i.plugin.fetched.headers) > 0 {
		stack[0] = i.store(i.plugin.fetched.headers)
	}
}
