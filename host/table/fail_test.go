package table

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/adp-host/adp/drivers"
	"github.com/adp-host/adp/host"
	"github.com/adp-host/adp/host/columnar"
)

var errInjected = errors.New("injected")

// failing is a store whose nth call, counted from 1 over all kinds of calls, fails.
type failing struct {
	drivers.Store
	nth   int64
	err   error
	calls atomic.Int64
}

func (f *failing) call() error {
	if f.calls.Add(1) == f.nth {
		return f.err
	}
	return nil
}

func (f *failing) Create(ctx context.Context, name string) (io.WriteCloser, error) {
	if err := f.call(); err != nil {
		return nil, err
	}
	w, err := f.Store.Create(ctx, name)
	return failingWriter{w, f}, err
}

func (f *failing) Open(ctx context.Context, name string) (drivers.StoreFile, error) {
	if err := f.call(); err != nil {
		return nil, err
	}
	r, err := f.Store.Open(ctx, name)
	return failingFile{r, f}, err
}

type failingWriter struct {
	io.WriteCloser
	f *failing
}

func (w failingWriter) Write(p []byte) (int, error) {
	if err := w.f.call(); err != nil {
		return 0, err
	}
	return w.WriteCloser.Write(p)
}

func (w failingWriter) Close() error {
	err := w.f.call()
	if cerr := w.WriteCloser.Close(); err == nil {
		err = cerr
	}
	return err
}

type failingFile struct {
	drivers.StoreFile
	f *failing
}

func (r failingFile) Read(p []byte) (int, error) {
	if err := r.f.call(); err != nil {
		return 0, err
	}
	return r.StoreFile.Read(p)
}

func (r failingFile) ReadAt(p []byte, off int64) (int, error) {
	if err := r.f.call(); err != nil {
		return 0, err
	}
	return r.StoreFile.ReadAt(p, off)
}

// TestFailNth lets every call of the store fail once, at every place of a commit in every mode. Nothing may be left, the
// table stays as it was, and the same run succeeds afterwards with the same Tables.
func TestFailNth(t *testing.T) {
	for _, mode := range []host.OutputMode{host.Append, host.Upsert, host.Replace} {
		for _, rebuild := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/rebuild=%v", mode, rebuild), func(t *testing.T) { failNth(t, mode, rebuild) })
		}
	}
}

func failNth(t *testing.T, mode host.OutputMode, rebuild bool) {
	g := generator{rand.New(rand.NewPCG(3, 3))}
	mem := newMemStore()
	o := &host.Output{Name: "out", Mode: mode, Schema: g.schema()}
	if mode == host.Upsert {
		o.Key = []string{"id"}
	}
	emitted, err := columnar.Emitted(o)
	if err != nil {
		t.Fatal(err)
	}
	setup := New(mem, Options{})
	setup.sizes = tinySizes
	var ref *host.OutputRef
	seq := host.Seq(1)
	for ; seq <= 4; seq++ {
		s := commitRows(t, setup, o, ref, seq, g.batch(emitted, 18, 40))
		ref = &s.Ref
	}
	before := mem.names()
	r, err := setup.Scan(t.Context(), *ref, o.Schema, ScanOptions{})
	was := read(t, r, err)
	batches := []arrow.RecordBatch{g.batch(emitted, 14, 40), g.batch(emitted, 14, 40)}
	for nth := int64(1); ; nth++ {
		store := &failing{Store: mem, nth: nth, err: errInjected}
		tables := New(store, Options{BufferBytes: 3000 * (nth % 2)}) // in memory and streamed
		tables.sizes = tinySizes
		err := runStage(t.Context(), tables, o, ref, seq, rebuild, batches)
		if store.calls.Load() < nth {
			if err != nil {
				t.Fatal(err)
			}
			t.Logf("%d calls", store.calls.Load())
			return
		}
		if err == nil {
			t.Fatalf("call %d failed and nobody noticed", nth)
		}
		if !errors.Is(err, errInjected) {
			t.Fatalf("call %d: the chain is lost: %v", nth, err)
		}
		if code := host.CodeOf(err); code != host.CodeRunStore && code != host.CodeTableDamaged {
			t.Fatalf("call %d: %v has code %s", nth, err, code)
		}
		if after := mem.names(); strings.Join(after, "\n") != strings.Join(before, "\n") {
			t.Fatalf("call %d: files are left: %v", nth, after[len(before):])
		}
		r, err := tables.Scan(t.Context(), *ref, o.Schema, ScanOptions{})
		if got := read(t, r, err); !maps.Equal(got, was) {
			t.Fatalf("call %d: the table has changed", nth)
		}
		if nth%7 == 0 { // what the failed stage left in memory is sound
			if err := runStage(t.Context(), tables, o, ref, seq, rebuild, batches); err != nil {
				t.Fatalf("after call %d failed: %v", nth, err)
			}
			for _, n := range mem.names() {
				if strings.Contains(n, fmt.Sprintf("/s%d/", seq)) {
					mem.Remove(t.Context(), n)
				}
			}
		}
	}
}

// runStage stages batches and aborts when something fails.
func runStage(ctx context.Context, tables *Tables, o *host.Output, ref *host.OutputRef, seq host.Seq, rebuild bool, batches []arrow.RecordBatch) error {
	st, err := tables.Begin(ctx, StageSpec{Product: benchProduct, Output: o, Prev: ref, Seq: seq, Run: "r", Dir: fmt.Sprintf("p/e1/s%d/u", seq), Rebuild: rebuild})
	if err != nil {
		return err
	}
	defer st.Abort()
	for _, b := range batches {
		if err := st.Write(ctx, b); err != nil {
			return err
		}
	}
	if _, err := st.Finish(ctx); err != nil {
		return err
	}
	if _, _, err := st.Duplicates(ctx, []string{"part"}, 2); err != nil {
		return err
	}
	st.Committed()
	return nil
}

func TestDiskFull(t *testing.T) {
	o := &host.Output{Name: "flights", Mode: host.Append, Schema: flights}
	for nth := int64(1); nth < 20; nth++ {
		store := &failing{Store: newMemStore(), nth: nth, err: fmt.Errorf("write: %w", syscall.ENOSPC)}
		err := runStage(t.Context(), New(store, Options{}), o, nil, 1, false, []arrow.RecordBatch{flightRows(o, 0, 1, 10)})
		if err == nil {
			t.Fatalf("call %d: no error", nth)
		}
		var e *host.Error
		if !errors.As(err, &e) || e.Code != host.CodeRunStore || !strings.Contains(e.Hint, "disk is full") {
			if host.CodeOf(err) == host.CodeTableDamaged { // a read call
				continue
			}
			t.Fatalf("call %d: %v", nth, err)
		}
	}
}
