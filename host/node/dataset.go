package node

import (
	"context"
	"errors"
	"time"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/adp-host/adp/drivers"
	"github.com/adp-host/adp/host"
	"github.com/adp-host/adp/host/columnar"
	"github.com/adp-host/adp/host/run"
	"github.com/adp-host/adp/host/serve/rest"
	"github.com/adp-host/adp/host/table"
)

// ports opens output ports for the wires.
type ports struct{ n *Node }

// dataset is a port at one snapshot.
type dataset struct {
	n      *Node
	id     host.ProductID
	seq    host.Seq // of the head
	schema host.Schema
	ref    host.OutputRef
	info   rest.Snapshot
}

func (p ports) Open(ctx context.Context, id host.ProductID, port string, at rest.At) (rest.Dataset, error) {
	out, err := p.output(id, port)
	if err != nil {
		return nil, err
	}
	head, err := p.at(ctx, id, at)
	if err != nil {
		return nil, err
	}
	var ref host.OutputRef
	if head != nil {
		ref = head.Outputs[port]
	}
	if ref.Metadata == "" {
		return nil, host.Errorf(host.CodeAccessEmpty, "%s/%s has published nothing yet", id.URL(), port).
			WithHint("see why: adp control %s status", id.URL())
	}
	schema, err := columnar.Schema(out.Schema)
	if err != nil {
		return nil, err
	}
	// A held head carries the outputs of the snapshot before it: readers are told of the one that changed the port.
	changed := ref.ChangedAt
	if changed.IsZero() {
		changed = head.Run.Started.Add(head.Run.Duration)
	}
	return &dataset{n: p.n, id: id, seq: head.Seq, schema: out.Schema, ref: ref, info: rest.Snapshot{Seq: ref.Changed, Content: ref.Hash,
		Committed: changed, Schema: schema, Rows: ref.Rows}}, nil
}

// at finds the head that was newest at a point in history; nil when there is none yet.
func (p ports) at(ctx context.Context, id host.ProductID, at rest.At) (*host.Head, error) {
	ptr, err := p.n.told.pointer(ctx, id)
	if err != nil {
		return nil, err
	}
	missing := func() error {
		return host.Errorf(host.CodeTableSnapshot, "%s has no snapshot %d", id.URL(), at.Seq).
			WithHint("the newest is %d; see: adp control %s runs", ptr.Seq, id.URL())
	}
	switch {
	case at.Seq > ptr.Seq || at.Seq < 0:
		return nil, missing()
	case ptr.Seq == 0:
		return nil, nil
	case at.Seq == ptr.Seq:
		return p.n.heads.load(ctx, id, ptr)
	case at.Seq > 0:
		kept, err := p.n.told.kept(ctx, id)
		if err != nil {
			return nil, err
		}
		if err := run.Expired(id, kept, at.Seq); err != nil {
			return nil, err
		}
		head, err := run.HeadAt(ctx, p.n.store, headRef(ptr), at.Seq)
		return head, p.n.expired(ctx, id, at.Seq, err)
	case !at.Time.IsZero():
		kept, err := p.n.told.kept(ctx, id)
		if err != nil {
			return nil, err
		}
		head, err := run.HeadAsOf(ctx, p.n.store, headRef(ptr), kept.From, at.Time)
		if err == nil && head == nil {
			err = host.Errorf(host.CodeTableSnapshot, "%s had published nothing at %s", id.URL(), at.Time.Format(time.RFC3339))
		}
		return head, err
	}
	return p.n.heads.load(ctx, id, ptr)
}

func (p ports) output(id host.ProductID, port string) (*host.Output, error) {
	return inputs(p).output(id, port)
}

func (p ports) Changes(ctx context.Context, id host.ProductID, port string, after host.Seq) (rest.Feed, error) {
	out, err := p.output(id, port)
	if err != nil {
		return nil, err
	}
	schema, err := columnar.Schema(out.Schema)
	if err != nil {
		return nil, err
	}
	f := &feed{schema: columnar.WithChanges(schema)}
	f.r = &portReader{tables: p.n.tables, mode: out.Mode, schema: out.Schema, feed: true}
	ptr, err := p.n.told.pointer(ctx, id)
	if err != nil {
		return f, err
	}
	ref, head, err := p.n.outputAt(ctx, id, port, ptr)
	if err != nil || ref == nil {
		return f, err
	}
	f.latest = ptr.Seq
	if after > 0 && after < ref.Base || after > ptr.Seq {
		return nil, host.Errorf(host.CodeAccessExpired, "%s/%s was replaced as a whole by snapshot %d", id.URL(), port, ref.Base).
			WithHint("begin anew, without since")
	}
	gone := func(err error) error {
		if !errors.Is(err, errExpired) {
			return err
		}
		return host.Errorf(host.CodeAccessExpired, "what of %s/%s follows snapshot %d has expired", id.URL(), port, after).
			WithHint("begin anew, without since")
	}
	f.r.expired = func(ctx context.Context, seq host.Seq, err error) error {
		return gone(p.n.ifExpired(ctx, id, seq, err))
	}
	if after == 0 {
		first, err := p.oldest(ctx, id, port, ptr, *ref)
		if err != nil {
			return nil, err
		}
		f.r.pieces = []piece{{scan: &first, seq: first.Changed}}
		after = first.Changed
	}
	more, err := p.n.changesSince(ctx, id, head, headRef(ptr), port, after)
	f.r.pieces = append(f.r.pieces, more...)
	return f, gone(err)
}

// oldest is the oldest state of a port that is kept, and from which its changes lead to ref.
func (p ports) oldest(ctx context.Context, id host.ProductID, port string, ptr host.Pointer, ref host.OutputRef) (host.OutputRef, error) {
	kept, err := p.n.told.kept(ctx, id)
	if err != nil {
		return ref, err
	}
	head, err := run.HeadAt(ctx, p.n.store, headRef(ptr), max(ref.Base, kept.From))
	if err != nil {
		return ref, err
	}
	return head.Outputs[port], nil
}

func (d *dataset) Info() rest.Snapshot { return d.info }

func (d *dataset) Read(ctx context.Context, o rest.ReadOptions) (rest.Reader, error) {
	r, err := d.n.tables.Scan(ctx, d.ref, d.schema, table.ScanOptions{Columns: o.Columns, Limit: o.Limit})
	if err != nil {
		return nil, d.n.expired(ctx, d.id, d.seq, err)
	}
	return keptReader{r, d}, nil
}

func (d *dataset) Stored(ctx context.Context) (drivers.StoreFile, bool, error) {
	name, ok, err := d.n.tables.ParquetFile(ctx, d.ref)
	if err != nil || !ok {
		return nil, false, err
	}
	f, err := d.n.store.Open(ctx, name)
	return f, err == nil, err
}

func (d *dataset) Close() error { return nil }

// keptReader says of a snapshot that expires while it is read that it has expired.
type keptReader struct {
	table.Reader
	d *dataset
}

func (r keptReader) Next(ctx context.Context) (arrow.RecordBatch, error) {
	rec, err := r.Reader.Next(ctx)
	if err != nil && !isEOF(err) {
		err = r.d.n.expired(ctx, r.d.id, r.d.seq, err)
	}
	return rec, err
}

// feed is a change feed up to a head.
type feed struct {
	r      *portReader
	schema *arrow.Schema
	latest host.Seq
}

func (f *feed) Next(ctx context.Context) (arrow.RecordBatch, error) { return f.r.next(ctx) }
func (f *feed) Close() error                                        { return f.r.Close() }
func (f *feed) Schema() *arrow.Schema                               { return f.schema }
func (f *feed) Latest() host.Seq                                    { return f.latest }

// Rejected lists rows that are missing from what is published: those that the newest attempt set aside, then those of
// earlier ones, and how many there are in all. With at they are those that were missing as of that snapshot.
func (n *Node) Rejected(ctx context.Context, id host.ProductID, at host.Seq, limit int) ([]host.RejectedRow, int64, error) {
	if _, err := n.listing(id); err != nil {
		return nil, 0, err
	}
	head, err := ports{n}.at(ctx, id, rest.At{Seq: at})
	if err != nil || head == nil {
		return nil, 0, err
	}
	return run.Rejected(ctx, n.store, head, limit)
}

// Ports opens the output ports of the node's products, as its wires do. It asks no access decision: that is the wire's.
func (n *Node) Ports() rest.Tables { return ports{n} }
