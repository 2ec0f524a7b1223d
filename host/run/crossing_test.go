package run_test

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/adp-host/adp/host"
	"github.com/adp-host/adp/host/run"
)

// echoGuests emit what they get as they get it, after they have read their first binding and written it to the second.
type echoGuests struct {
	goGuests
	seen []string // schemas of batches
}

type echoGuest struct {
	goGuest
	all *echoGuests
}

func (s *echoGuests) Start(_ context.Context, spec run.GuestSpec, c run.Calls) (run.Guest, error) {
	s.open++
	return &echoGuest{goGuest{of: &s.goGuests, spec: spec, calls: c}, s}, nil
}

func (g *echoGuest) saw(rec arrow.RecordBatch) {
	var types []string
	for _, f := range rec.Schema().Fields() {
		types = append(types, f.Type.String())
	}
	g.all.seen = append(g.all.seen, strings.Join(types, " "))
}

func (g *echoGuest) Process(ctx context.Context, _ int, rec arrow.RecordBatch) error {
	g.saw(rec)
	r, err := g.calls.DriverOpen(ctx, 0, nil)
	if err != nil {
		return err
	}
	for {
		b, err := r.Next(ctx)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		g.saw(b.Record)
		err = g.calls.DriverWrite(ctx, 1, b.Record)
		b.Record.Release()
		if err != nil {
			return err
		}
	}
	return errors.Join(g.calls.Emit(ctx, 0, rec), r.Close())
}

// formed is a world whose product wants its columns in other forms everywhere.
func formed(t *testing.T) (*world, *echoGuests, *shelf) {
	w := newWorld(t, host.Append, logic{})
	forms := host.Forms{"id": "uint16", "name": "dictionary(u8)"}
	w.product.Inputs[0].Forms, w.product.Outputs[0].Forms = forms, forms
	w.product.Bindings = []host.Binding{
		{Name: "ref", URI: "file:x", Access: "read", Schema: schema, Forms: host.Forms{"id": "int32"}},
		{Name: "sink", URI: "file:y", Access: "write", Schema: schema, Forms: host.Forms{"id": "int32"}},
	}
	sources, guests := &shelf{rows: []row{text(7, "seven")}}, &echoGuests{}
	w.runner.Sources, w.runner.Guests = sources, guests
	return w, guests, sources
}

// A guest meets columns in the forms that its product asks for; what is stored, recorded and written away is as without.
func TestForms(t *testing.T) {
	w, guests, _ := formed(t)
	w.inputs.add("in", text(1, "a"), null(2), text(65535, "a"))
	res := w.execute(host.RunCommitted)
	w.wantRows("1:a", "2:null", "65535:a")
	if got, want := strings.Join(guests.seen, "\n"), "uint16 dictionary<values=utf8, indices=uint8, ordered=false>\nint32 utf8"; got != want {
		t.Errorf("the guest saw\n%s\nwant\n%s", got, want)
	}
	for fr, err := range run.ReadFrames(t.Context(), w.store, *res.Head.Outbox) {
		if err != nil {
			t.Fatal(err)
		}
		if got := rowsOf(fr.Record); len(got) != 1 || got[0].ID != 7 {
			t.Errorf("the outbox has %v", got)
		}
		fr.Record.Release()
	}
}

// A value that a form cannot hold fails the run, and says which.
func TestFormMisfit(t *testing.T) {
	w, _, _ := formed(t)
	w.inputs.add("in", text(65536, "a"))
	_, err := w.runner.Execute(t.Context(), w.attempt())
	wantCode(t, err, host.CodeRunInput)
	if !strings.Contains(err.Error(), "column id: row 0: 65536 does not fit into uint16") {
		t.Error(err)
	}
}
