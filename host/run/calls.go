package run

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"maps"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/adp-host/adp/drivers"
	"github.com/adp-host/adp/host"
)

// calls is what the imports of one guest reach during one run. It is used by the goroutine that runs the guest.
type calls struct {
	t       *attempt
	current *drivers.Batch // that Process is working on; nil otherwise
	reads   int64          // driver reads and decisions so far
	writes  int64          // outbox entries so far
	sinks   map[int]bool   // bindings that have been written to
	decided map[string][]byte
}

// Emit hands rows to their port, whose goroutine checks and stages them.
func (c *calls) Emit(ctx context.Context, port int, rec arrow.RecordBatch) error {
	if port < 0 || port >= len(c.t.ports) {
		return host.Errorf(host.CodeGuestBatch, "there is no output port %d", port)
	}
	c.t.record.RowsOut += rec.NumRows()
	rec, err := c.t.wall.outputs[port].back(rec)
	if err != nil {
		return host.Errorf(host.CodeGuestBatch, "output %s: the guest emitted what cannot be stored: %w", c.t.ports[port].output.Name, err)
	}
	defer rec.Release()
	return c.t.ports[port].emit(ctx, rec, c.current)
}

func (c *calls) Log(level int32, message string) {
	if c.t.r.Log != nil {
		c.t.r.Log(c.t.a.Product.ID, c.t.record.ID, level, message)
	}
}

func (c *calls) Metric(kind int32, name string, value float64) {
	if c.t.r.Metric != nil {
		c.t.r.Metric(c.t.a.Product.ID, c.t.record.ID, kind, name, value)
	}
}

func (c *calls) StateGet(key []byte) ([]byte, bool) { return c.t.state.get(string(key)) }

func (c *calls) StatePut(key, value []byte) error { return c.t.state.set(key, value) }

func (c *calls) StateDelete(key []byte) { c.t.state.delete(key) }

// StateScan sees what the run has put so far; changes made while it yields do not show in it.
func (c *calls) StateScan(prefix, after []byte, yield func(key, value []byte) bool) {
	now := c.t.state.keys
	c.t.state.edit = &edit{} // so that later changes copy what this scan walks over
	now.scan(string(prefix), string(after), func(key string, value []byte) bool { return yield([]byte(key), value) })
}

// optionRequest is the option by which a driver gets what the guest asked for when it opened a binding. Drivers that do
// not take requests refuse it as an option they do not know.
const optionRequest = "request"

// DriverOpen reads a declared binding. Everything that is read is recorded for a replay, but for answers of compute drivers:
// the inputs give them again.
func (c *calls) DriverOpen(ctx context.Context, binding int, request []byte) (drivers.Reader, error) {
	b, err := c.binding(binding, "read")
	if err != nil {
		return nil, err
	}
	if b.Compute {
		return c.t.session.ask(ctx, b, c.t.wall.bindings[binding].stored, request)
	}
	if c.t.r.Sources == nil {
		return nil, host.Errorf(host.CodeDriverUnknown, "binding %s: this node offers no drivers to guests", b.Name)
	}
	options := map[string]string{}
	maps.Copy(options, b.Options)
	if len(request) > 0 {
		options[optionRequest] = string(request)
	}
	reader, err := c.t.r.Sources.Open(ctx, c.t.a.Product.ID, b.Name, drivers.Request{URI: b.URI, Schema: c.t.wall.bindings[binding].stored,
		Mode: drivers.Snapshot, Options: options})
	if err != nil {
		return nil, err
	}
	c.reads++
	rec := &recordingReader{Reader: reader, t: c.t, call: c.reads, binding: b.Name, crossing: c.t.wall.bindings[binding]}
	shown := Frame{Kind: FrameRead, Call: rec.call, Binding: b.Name}
	if len(request) > 0 {
		shown.Request = asJSON(request)
	}
	if err := c.t.recorded.add(ctx, shown); err != nil {
		return nil, errors.Join(err, reader.Close())
	}
	return rec, nil
}

// binding is a declared binding that offers this access.
func (c *calls) binding(i int, access string) (*host.Binding, error) {
	if i < 0 || i >= len(c.t.a.Product.Bindings) {
		return nil, host.Errorf(host.CodeGuestCallLimit, "there is no binding %d", i)
	}
	b := &c.t.a.Product.Bindings[i]
	if b.Access != access {
		return nil, host.Errorf(host.CodePolicyDenied, "binding %s is declared for %s, not for %s", b.Name, b.Access, access)
	}
	return b, nil
}

// recordingReader keeps what a guest reads from a binding.
type recordingReader struct {
	drivers.Reader
	t       *attempt
	call    int64
	binding string
	crossing
}

func (r *recordingReader) Next(ctx context.Context) (drivers.Batch, error) {
	b, err := r.Reader.Next(ctx)
	if errors.Is(err, io.EOF) {
		if rerr := r.t.recorded.add(ctx, Frame{Kind: FrameEnd, Call: r.call}); rerr != nil {
			return drivers.Batch{}, rerr
		}
		return b, err
	}
	if err != nil {
		return b, err
	}
	for _, rej := range b.Rejected {
		err = errors.Join(err, r.t.quarantine.add(ctx, parseRejected(r.binding, rej)))
	}
	if b.Record != nil && err == nil {
		err = r.t.recorded.add(ctx, Frame{Kind: FrameRows, Call: r.call, Record: b.Record})
	}
	if err != nil {
		if b.Record != nil {
			b.Record.Release()
		}
		return drivers.Batch{}, err
	}
	if b.Record == nil {
		return b, nil
	}
	defer b.Record.Release()
	if b.Record, err = r.over(b.Record); err != nil {
		return drivers.Batch{}, host.Errorf(host.CodeRunInput, "binding %s: %w", r.binding, err)
	}
	return b, nil
}

// DriverWrite puts rows into the outbox: they leave only when the run is committed.
func (c *calls) DriverWrite(ctx context.Context, binding int, rec arrow.RecordBatch) error {
	b, err := c.binding(binding, "write")
	if err != nil {
		return err
	}
	if !c.sinks[binding] && c.t.r.Sinks != nil { // who may not write learns it before anything is committed
		if _, err := c.t.r.Sinks.Sink(ctx, c.t.a.Product.ID, b.Name, b.URI); err != nil {
			return err
		}
		if c.sinks == nil {
			c.sinks = map[int]bool{}
		}
		c.sinks[binding] = true
	}
	if rec, err = c.t.wall.bindings[binding].back(rec); err != nil {
		return host.Errorf(host.CodeGuestBatch, "binding %s: the guest wrote what cannot be kept: %w", b.Name, err)
	}
	defer rec.Release()
	c.writes++
	return c.t.outbox.add(ctx, Frame{Kind: FrameWrite, Ordinal: c.writes, Binding: b.Name, URI: b.URI, Options: b.Options, Record: rec})
}

// Decide answers a policy question and records the answer. Equal questions have equal answers within a run. Without a
// Decider everything is denied.
func (c *calls) Decide(ctx context.Context, request []byte) ([]byte, error) {
	if known, ok := c.decided[string(request)]; ok {
		return known, nil
	}
	answer := []byte(`{"allow":false,"reason":"no policy is set up"}`)
	if c.t.r.Decider != nil {
		var err error
		if answer, err = c.t.r.Decider.Decide(ctx, c.t.a.Product.ID, request); err != nil {
			return nil, err
		}
	}
	if c.decided == nil {
		c.decided = map[string][]byte{}
	}
	c.decided[string(request)] = answer
	c.reads++
	return answer, c.t.recorded.add(ctx, Frame{Kind: FrameDecide, Call: c.reads, Request: asJSON(request), Answer: asJSON(answer)})
}

// asJSON keeps JSON as it is and anything else as a string.
func asJSON(b []byte) json.RawMessage {
	if json.Valid(b) {
		return b
	}
	s, _ := json.Marshal(string(b)) // a string always encodes
	return s
}
