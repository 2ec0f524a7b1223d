package node

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/adp-host/adp/drivers"
	"github.com/adp-host/adp/host"
	"github.com/adp-host/adp/host/columnar"
	"github.com/adp-host/adp/host/policy"
	"github.com/adp-host/adp/host/run"
)

// inputs reads what a product consumes: other products through their heads and tables, everything else through the
// driver that its URI names. Every read asks one access decision first.
type inputs struct {
	n *Node
}

// upstreamCursor is the position in another product's port: the seq that had last changed it.
type upstreamCursor struct {
	Seq host.Seq `json:"seq"`
}

func (in inputs) Schema(_ context.Context, p *host.Product, i *host.Input) (*arrow.Schema, error) {
	s, err := columnar.Schema(i.Schema)
	if err != nil {
		return nil, err
	}
	up, port, ok := i.Upstream(p.ID.Tenant)
	if !ok || i.Mode == host.Snapshot {
		return s, nil
	}
	out, err := in.output(up, port)
	if err != nil {
		return nil, err
	}
	if out.Mode != host.Append {
		s = columnar.WithChanges(s)
	}
	return s, nil
}

func (in inputs) Pending(ctx context.Context, p *host.Product, i *host.Input, c host.Cursor) (bool, error) {
	if err := in.allowed(p, i); err != nil {
		return false, err
	}
	up, port, ok := i.Upstream(p.ID.Tenant)
	if !ok {
		prober, req, err := in.prober(p, i, c)
		if err != nil {
			return false, err
		}
		pending, err := prober.Pending(ctx, req)
		return pending, sourceError(p, err)
	}
	ref, _, _, err := in.current(ctx, up, port)
	if err != nil || ref == nil {
		return false, err
	}
	seq, err := readCursor(c)
	if err != nil {
		return false, err
	}
	if i.Mode == host.Incremental && seq > 0 && (seq < ref.Base || seq > ref.Changed) {
		return true, fmt.Errorf("%s was replaced as a whole by snapshot %d: %w", i.From, ref.Base, drivers.ErrRestart)
	}
	return ref.Changed != seq, nil
}

func (in inputs) Open(ctx context.Context, p *host.Product, i *host.Input, c host.Cursor) (drivers.Reader, error) {
	if err := in.allowed(p, i); err != nil {
		return nil, err
	}
	up, port, ok := i.Upstream(p.ID.Tenant)
	if !ok {
		src, req, err := in.source(p, i, c)
		if err != nil {
			return nil, err
		}
		r, err := src.Open(ctx, req)
		if err != nil {
			return nil, sourceError(p, err)
		}
		return driverReader{r}, nil
	}
	return in.openUpstream(ctx, i, up, port, c)
}

// openUpstream reads a port of another product: its whole table, or the change files since the cursor.
func (in inputs) openUpstream(ctx context.Context, i *host.Input, up host.ProductID, port string, c host.Cursor) (drivers.Reader, error) {
	seq, err := readCursor(c)
	if err != nil {
		return nil, err
	}
	ref, head, ptr, err := in.current(ctx, up, port)
	if err != nil {
		return nil, err
	}
	if ref == nil {
		return &portReader{cursor: cursorAt(0)}, nil
	}
	out, err := in.output(up, port)
	if err != nil {
		return nil, err
	}
	r := &portReader{tables: in.n.tables, mode: out.Mode, schema: i.Schema, cursor: cursorAt(ref.Changed), origin: i.From,
		feed: i.Mode == host.Incremental && out.Mode != host.Append}
	switch {
	case i.Mode == host.Snapshot || seq == 0:
		r.pieces = []piece{{scan: ref, seq: ref.Changed}}
	case seq < ref.Base || seq > ref.Changed:
		return nil, fmt.Errorf("%s was replaced as a whole by snapshot %d: %w", i.From, ref.Base, drivers.ErrRestart)
	default:
		restart := func(err error) error {
			if !errors.Is(err, errExpired) {
				return err
			}
			return fmt.Errorf("what of %s follows snapshot %d has expired: %w", i.From, seq, drivers.ErrRestart)
		}
		r.expired = func(ctx context.Context, seq host.Seq, err error) error {
			return restart(in.n.ifExpired(ctx, up, seq, err))
		}
		if r.pieces, err = in.n.changesSince(ctx, up, head, headRef(ptr), port, seq); err != nil {
			return nil, restart(err)
		}
	}
	return r, nil
}

// Files is that of run.FileInputs: tables of other products lie in files of the store, if that is a folder of this machine.
func (in inputs) Files(ctx context.Context, p *host.Product, i *host.Input, c host.Cursor) (out run.Files, err error) {
	up, port, ok := i.Upstream(p.ID.Tenant)
	seq, err := readCursor(c)
	if err != nil || !ok || i.Mode == host.Incremental && seq > 0 {
		return out, err
	}
	if err := in.allowed(p, i); err != nil {
		return out, err
	}
	ref, _, _, err := in.current(ctx, up, port)
	if err != nil || ref == nil {
		return out, err
	}
	names, err := in.n.tables.ParquetFiles(ctx, *ref, i.Schema)
	if err != nil {
		return out, err
	}
	for _, name := range names {
		path, ok := strings.CutPrefix(in.n.store.URI(name), "file://")
		if !ok || strings.ContainsAny(path, "*?[]{}") { // which compute drivers take for patterns
			return run.Files{}, nil
		}
		out.Paths = append(out.Paths, path)
	}
	out.Rows, out.Cursor = ref.Rows, cursorAt(ref.Changed)
	return out, nil
}

// current is the port's newest state and its head; nil when nothing is published yet.
func (in inputs) current(ctx context.Context, up host.ProductID, port string) (*host.OutputRef, *host.Head, host.Pointer, error) {
	ptr, err := in.n.cluster.Head(ctx, up)
	if err != nil {
		return nil, nil, ptr, err
	}
	ref, head, err := in.n.outputAt(ctx, up, port, ptr)
	return ref, head, ptr, err
}

// outputAt is a port's state at a head; nil when nothing is published by then.
func (n *Node) outputAt(ctx context.Context, id host.ProductID, port string, ptr host.Pointer) (*host.OutputRef, *host.Head, error) {
	if ptr.Seq == 0 {
		return nil, nil, nil
	}
	head, err := n.heads.load(ctx, id, ptr)
	if err != nil {
		return nil, nil, err
	}
	ref, ok := head.Outputs[port]
	if !ok {
		return nil, head, nil
	}
	return &ref, head, nil
}

// output is the declaration of an upstream port, from its registered artifact.
func (in inputs) output(up host.ProductID, port string) (*host.Output, error) {
	p := in.n.product(up)
	if p == nil {
		return nil, host.Errorf(host.CodeAccessUnknown, "no product %s in this mesh", up.URL()).
			WithHint("run it first: adp run DIR")
	}
	if _, o := p.Output(port); o != nil {
		return o, nil
	}
	return nil, host.Errorf(host.CodeAccessUnknown, "%s has no output port %q", up.URL(), port)
}

// allowed asks the access decision of one read.
func (in inputs) allowed(p *host.Product, i *host.Input) error {
	req := policy.Request{Subject: policy.Product(p.ID)}
	if up, port, ok := i.Upstream(p.ID.Tenant); ok {
		req.Action, req.Resource = policy.ActionRead, policy.Resource{Product: up, Port: port}
	} else {
		req.Action, req.Resource = policy.ActionDriverRead, policy.Resource{Product: p.ID, Port: i.Name, URI: i.From}
	}
	if d := in.n.policy.Decide(req); !d.Allow {
		return host.Errorf(host.CodePolicyDenied, "%s may not read %s: %s", p.ID.URL(), i.From, d.Reason)
	}
	return nil
}

func (in inputs) request(i *host.Input, c host.Cursor) (drivers.Request, error) {
	s, err := columnar.Schema(i.Schema)
	if err != nil {
		return drivers.Request{}, err
	}
	return drivers.Request{URI: i.From, Schema: s, Mode: drivers.Mode(i.Mode), Cursor: c, Options: i.Options}, nil
}

func (in inputs) source(p *host.Product, i *host.Input, c host.Cursor) (drivers.Source, drivers.Request, error) {
	d, err := in.n.driver(i.From)
	if err != nil {
		return nil, drivers.Request{}, fmt.Errorf("input %s of %s: %w", i.Name, p.ID.URL(), err)
	}
	req, err := in.request(i, c)
	src, ok := d.(drivers.Source)
	if err == nil && !ok {
		err = host.Errorf(host.CodeDriverUnknown, "the driver of %s cannot be read from", i.From)
	}
	return src, req, err
}

func (in inputs) prober(p *host.Product, i *host.Input, c host.Cursor) (drivers.Prober, drivers.Request, error) {
	d, err := in.n.driver(i.From)
	if err != nil {
		return nil, drivers.Request{}, fmt.Errorf("input %s of %s: %w", i.Name, p.ID.URL(), err)
	}
	req, err := in.request(i, c)
	pr, ok := d.(drivers.Prober)
	if err == nil && !ok {
		err = host.Errorf(host.CodeDriverUnknown, "the driver of %s cannot tell whether it changed", i.From)
	}
	return pr, req, err
}

// driver is the one that serves the scheme of a URI.
func (n *Node) driver(uri string) (any, error) {
	scheme, _, ok := strings.Cut(uri, ":")
	if d, known := n.drivers[scheme]; ok && known {
		return d, nil
	}
	return nil, host.Errorf(host.CodeDriverUnknown, "no driver for %q", uri).
		WithHint("inputs come from adp://./domain/product/port or file:PATH")
}

// driverReader gives the errors of a driver their codes.
type driverReader struct{ drivers.Reader }

func (r driverReader) Next(ctx context.Context) (drivers.Batch, error) {
	b, err := r.Reader.Next(ctx)
	return b, driverError(err)
}

// sourceError is driverError with a way on for a product one of whose sources changed after it was read.
func sourceError(p *host.Product, err error) error {
	err = driverError(err)
	var coded *host.Error
	if errors.As(err, &coded) && coded.Code == host.CodeRunChanged {
		return coded.WithHint("put it back as it was, or recompute everything from what is there now: adp control %s trigger --rebuild", p.ID.URL())
	}
	return err
}

// driverError gives an error of a driver its stable code; io.EOF and nil pass.
func driverError(err error) error {
	var coded *host.Error
	switch {
	case err == nil || isEOF(err) || errors.As(err, &coded) || errors.Is(err, context.Canceled):
		return err
	case errors.Is(err, drivers.ErrChanged):
		return host.Errorf(host.CodeRunChanged, "%w", err)
	case errors.Is(err, drivers.ErrRestart):
		return err
	}
	code := host.CodeDriverOpen
	switch {
	case errors.Is(err, drivers.ErrDenied):
		code = host.CodePolicyDenied
	case errors.Is(err, drivers.ErrRequest), errors.Is(err, drivers.ErrFormat):
		code = host.CodeDriverFormat
	case errors.Is(err, drivers.ErrSchema):
		code = host.CodeDriverSchema
	}
	out := host.Errorf(code, "%w", err)
	var d *drivers.Error
	if errors.As(err, &d) {
		out.Hint = d.Hint
	}
	return out
}

func readCursor(c host.Cursor) (host.Seq, error) {
	if len(c) == 0 {
		return 0, nil
	}
	var u upstreamCursor
	if err := json.Unmarshal(c, &u); err != nil {
		return 0, host.Errorf(host.CodeAccessCursor, "cursor %s: %w", c, err)
	}
	return u.Seq, nil
}

func cursorAt(s host.Seq) host.Cursor {
	b, _ := json.Marshal(upstreamCursor{s}) // a struct of one integer always encodes
	return b
}
