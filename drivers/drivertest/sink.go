package drivertest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/adp-host/adp/drivers"
)

// SinkFixture is one target under test, empty at first.
type SinkFixture struct {
	URI     string
	Options map[string]string
	// Open is a process that delivers to the target. fail, when it is not nil, is asked before each step that reaches the
	// technology, steps counted from 1; when it returns an error the step does not happen and fails with it.
	Open func(t *testing.T, fail func(step int) error) drivers.Sink
	// Arrived reads what is at the target as its users do: every effect, in the order of their keys for one product.
	// Half of an effect must never show.
	Arrived func(t *testing.T, product string) []Arrival
}

// Arrival is one effect at the target.
type Arrival struct {
	Seq, Ordinal int64
	Rows         []Row
}

// Sink checks a drivers.Sink.
func Sink(t *testing.T, open func(t *testing.T) SinkFixture) {
	for _, c := range []struct {
		name string
		test func(*testing.T, SinkFixture)
	}{
		{"Order", sinkOrder},
		{"Idempotent", sinkIdempotent},
		{"BelowTheLast", sinkBelow},
		{"Fenced", sinkFenced},
		{"FenceIsPerProduct", sinkFencePerProduct},
		{"FenceRisesBeforeTheEffect", sinkFenceFirst},
		{"CrashAtEveryStep", sinkCrash},
		{"TakeoverAtEveryStep", sinkTakeover},
		{"Concurrent", sinkConcurrent},
		{"ConcurrentEpochs", sinkConcurrentEpochs},
		{"Names", sinkNames},
		{"NoRows", sinkNoRows},
		{"BadRequests", sinkBadRequests},
		{"Cancelled", sinkCancelled},
	} {
		t.Run(c.name, func(t *testing.T) { c.test(t, open(t)) })
	}
}

// effect is one delivery of the suite; its rows tell its key.
type effect struct {
	product      string
	seq, ordinal int64
	epoch        int64
}

func (e effect) rows() []Row {
	return []Row{Named(e.seq, fmt.Sprintf("%s %d.%d", strings.ToValidUTF8(e.product, "?"), e.seq, e.ordinal)), {ID: e.ordinal}}
}

func (f SinkFixture) deliver(ctx context.Context, s drivers.Sink, e effect) error {
	rec := Record(e.rows())
	defer rec.Release()
	return s.Deliver(ctx, f.delivery(e, rec))
}

func (f SinkFixture) delivery(e effect, rec arrow.RecordBatch) drivers.Delivery {
	return drivers.Delivery{URI: f.URI, Options: f.Options, Key: drivers.Key{Product: e.product, Seq: e.seq, Ordinal: e.ordinal},
		Epoch: e.epoch, Record: rec}
}

// Record is a batch of rows in Schema.
func Record(rows []Row) arrow.RecordBatch { return RecordIn(memory.DefaultAllocator, rows) }

// RecordIn is Record in memory of the caller's.
func RecordIn(mem memory.Allocator, rows []Row) arrow.RecordBatch {
	b := array.NewRecordBuilder(mem, Schema)
	defer b.Release()
	for _, r := range rows {
		b.Field(0).(*array.Int64Builder).Append(r.ID)
		if r.Name == nil {
			b.Field(1).AppendNull()
		} else {
			b.Field(1).(*array.StringBuilder).Append(*r.Name)
		}
	}
	return b.NewRecordBatch()
}

func (f SinkFixture) must(t *testing.T, s drivers.Sink, effects ...effect) {
	t.Helper()
	for _, e := range effects {
		if err := f.deliver(t.Context(), s, e); err != nil {
			t.Fatalf("%+v: %v", e, err)
		}
	}
}

// expect compares all that is at the target for a product with the effects that should be, in this order.
func (f SinkFixture) expect(t *testing.T, product string, want ...effect) {
	t.Helper()
	var got []string
	for _, a := range f.Arrived(t, product) {
		got = append(got, fmt.Sprintf("%d.%d %s", a.Seq, a.Ordinal, show(a.Rows)))
	}
	var should []string
	for _, e := range want {
		should = append(should, fmt.Sprintf("%d.%d %s", e.seq, e.ordinal, show(e.rows())))
	}
	if !slices.Equal(got, should) {
		t.Fatalf("at the target for %q:\n  %s\nwant\n  %s", product, strings.Join(got, "\n  "), strings.Join(should, "\n  "))
	}
}

func show(rows []Row) string {
	var b strings.Builder
	for _, r := range rows {
		if r.Name == nil {
			fmt.Fprintf(&b, "[%d null]", r.ID)
		} else {
			fmt.Fprintf(&b, "[%d %q]", r.ID, *r.Name)
		}
	}
	return b.String()
}

const sinkProduct = "local/safety/alerts"

func sinkOrder(t *testing.T, f SinkFixture) {
	s := f.Open(t, nil)
	var all []effect
	for _, k := range [][2]int64{{1, 1}, {1, 2}, {2, 1}, {9, 1}, {10, 1}, {10, 9}, {10, 10}, {1000, 1}, {1<<53 - 1, 1}, {1<<53 - 1, 1 << 30}} {
		e := effect{sinkProduct, k[0], k[1], 1}
		f.must(t, s, e)
		all = append(all, e)
	}
	f.expect(t, sinkProduct, all...)
}

// A delivery is repeated when its answer was lost: by the same process and by the next one.
func sinkIdempotent(t *testing.T, f SinkFixture) {
	one, two := effect{sinkProduct, 1, 1, 1}, effect{sinkProduct, 1, 2, 1}
	s := f.Open(t, nil)
	f.must(t, s, one, one, one, two)
	f.expect(t, sinkProduct, one, two)
	next := f.Open(t, nil)
	later := two
	later.epoch = 2
	f.must(t, next, two, later, later)
	f.expect(t, sinkProduct, one, two)
}

// A key below one that has arrived is a repetition, though its own effect is nowhere to be seen any more.
func sinkBelow(t *testing.T, f SinkFixture) {
	s := f.Open(t, nil)
	f.must(t, s, effect{sinkProduct, 5, 2, 1}, effect{sinkProduct, 5, 1, 1}, effect{sinkProduct, 4, 9, 1})
	f.must(t, f.Open(t, nil), effect{sinkProduct, 4, 9, 2})
	f.expect(t, sinkProduct, effect{sinkProduct, 5, 2, 1})
}

func (f SinkFixture) refused(t *testing.T, s drivers.Sink, e effect) {
	t.Helper()
	if err := f.deliver(t.Context(), s, e); !errors.Is(err, drivers.ErrFenced) {
		t.Fatalf("%+v after a later epoch: %v, want drivers.ErrFenced", e, err)
	}
}

func sinkFenced(t *testing.T, f SinkFixture) {
	old, young := f.Open(t, nil), f.Open(t, nil)
	first, second, third := effect{sinkProduct, 1, 1, 3}, effect{sinkProduct, 1, 2, 4}, effect{sinkProduct, 2, 1, 4}
	f.must(t, old, first)
	f.must(t, young, second)
	f.refused(t, old, effect{sinkProduct, 2, 1, 3}) // something new
	f.refused(t, old, first)                        // and what it had delivered itself
	f.refused(t, f.Open(t, nil), effect{sinkProduct, 7, 1, 2})
	f.must(t, young, third)
	f.expect(t, sinkProduct, first, second, third)
}

func sinkFencePerProduct(t *testing.T, f SinkFixture) {
	s := f.Open(t, nil)
	a, b := effect{"local/a/p", 7, 1, 9}, effect{"local/b/p", 1, 1, 1}
	f.must(t, s, a, b)
	f.expect(t, a.product, a)
	f.expect(t, b.product, b)
}

// When an effect shows, the owners before its own have lost, though the one that delivered it died before it was told so.
func sinkFenceFirst(t *testing.T, f SinkFixture) {
	var want []effect
	shown := 0
	for at := 1; ; at++ {
		e := effect{sinkProduct, int64(at), 1, int64(2 * at)}
		err := f.deliver(t.Context(), f.Open(t, dead(at)), e)
		if err != nil && len(f.Arrived(t, sinkProduct)) > len(want) {
			shown++
			f.refused(t, f.Open(t, nil), effect{sinkProduct, int64(at), 2, int64(2*at - 1)})
		}
		f.must(t, f.Open(t, nil), e)
		want = append(want, e)
		f.expect(t, sinkProduct, want...)
		if err == nil {
			break
		}
	}
	if shown == 0 {
		t.Fatal("no process died between an effect and its answer")
	}
}

var errDead = errors.New("the process has ended")

// dead is a process that ends at a step: that one and all after it do not happen, clean-up included.
func dead(at int) func(int) error {
	return func(step int) error {
		if step >= at {
			return errDead
		}
		return nil
	}
}

// sinkCrash ends the process at the first, second, … step; the next process repeats the delivery, which arrives once.
func sinkCrash(t *testing.T, f SinkFixture) {
	want := []effect{{sinkProduct, 1, 1, 1}}
	f.must(t, f.Open(t, nil), want[0])
	for at := 1; ; at++ {
		e := effect{sinkProduct, int64(at) + 1, 1, 1}
		err := f.deliver(t.Context(), f.Open(t, dead(at)), e)
		if err == nil && at < 3 {
			t.Fatalf("a delivery takes %d steps: the fixture does not fail them", at)
		}
		if err != nil && !errors.Is(err, errDead) {
			t.Fatalf("step %d: %v", at, err)
		}
		f.Arrived(t, sinkProduct) // no half shows
		f.must(t, f.Open(t, nil), e, e)
		want = append(want, e)
		f.expect(t, sinkProduct, want...)
		if err == nil {
			return
		}
	}
}

// sinkTakeover does the same, and the next process is another owner's; then the dead one turns out to have slept.
func sinkTakeover(t *testing.T, f SinkFixture) {
	var want []effect
	for at := 1; ; at++ {
		e := effect{sinkProduct, int64(at), 1, int64(2 * at)}
		asleep := f.Open(t, dead(at))
		err := f.deliver(t.Context(), asleep, e)
		next := e
		next.epoch++
		f.must(t, f.Open(t, nil), next)
		f.refused(t, f.Open(t, nil), e)
		want = append(want, e)
		f.expect(t, sinkProduct, want...)
		if err == nil {
			return
		}
	}
}

// sinkConcurrent delivers the same effects from many goroutines and two processes, and other products' beside them.
func sinkConcurrent(t *testing.T, f SinkFixture) {
	processes := []drivers.Sink{f.Open(t, nil), f.Open(t, nil)}
	var wg sync.WaitGroup
	errs := make(chan error, 100)
	for i := range 8 {
		wg.Go(func() {
			for k := range int64(4) {
				for _, product := range []string{sinkProduct, fmt.Sprint("local/other/p", i)} {
					errs <- f.deliver(t.Context(), processes[i%2], effect{product, 1, k + 1, 1})
				}
			}
		})
	}
	wg.Wait()
	close(errs)
	for err := range errs {
		if err != nil {
			t.Error(err)
		}
	}
	for _, product := range []string{sinkProduct, "local/other/p0", "local/other/p7"} {
		f.expect(t, product, effect{product, 1, 1, 1}, effect{product, 1, 2, 1}, effect{product, 1, 3, 1}, effect{product, 1, 4, 1})
	}
}

// sinkConcurrentEpochs lets owners of rising epochs deliver the same effect at once: it arrives once, and those that are
// refused are refused for their epoch.
func sinkConcurrentEpochs(t *testing.T, f SinkFixture) {
	var want []effect
	for seq := range int64(4) {
		var wg sync.WaitGroup
		for i := range int64(6) {
			wg.Go(func() {
				err := f.deliver(t.Context(), f.Open(t, nil), effect{sinkProduct, seq + 1, 1, 10*seq + i + 1})
				if err != nil && (!errors.Is(err, drivers.ErrFenced) || i == 5) {
					t.Errorf("epoch %d: %v", i, err)
				}
			})
		}
		wg.Wait()
		want = append(want, effect{sinkProduct, seq + 1, 1, 0})
		f.expect(t, sinkProduct, want...)
	}
}

// sinkNames: names that would be the same, lead elsewhere or be too long as the names of files, tables or topics.
func sinkNames(t *testing.T, f SinkFixture) {
	names := []string{"a/b/c", "a.b.c", "a/b.c", "a-b-c", "A/B/C", "a/b/c-0000000000000001-0000000001", "../../etc/passwd", "/abs", ".hidden", "_x", "~", "a/b/..",
		"nul\x00byte", "ünï/cödé", "\xff\xfe", "new\nline", "a b", "percent%2F", "'; drop table x; --", "con", strings.Repeat("long/", 200) + "x",
		strings.Repeat("long/", 200) + "y", strings.Repeat("ü", 120)}
	s := f.Open(t, nil)
	for _, n := range names {
		f.must(t, s, effect{n, 1, 1, 1})
	}
	for _, n := range names {
		f.must(t, s, effect{n, 1, 1, 1}, effect{n, 2, 1, 2})
	}
	for _, n := range names {
		f.expect(t, n, effect{n, 1, 1, 1}, effect{n, 2, 1, 1})
	}
}

func sinkNoRows(t *testing.T, f SinkFixture) {
	s := f.Open(t, nil)
	none := Record(nil)
	defer none.Release()
	for range 2 {
		if err := s.Deliver(t.Context(), f.delivery(effect{sinkProduct, 1, 1, 1}, none)); err != nil {
			t.Fatal(err)
		}
	}
	if got := f.Arrived(t, sinkProduct); len(got) != 1 || len(got[0].Rows) != 0 {
		t.Fatalf("an effect without rows arrived as %+v", got)
	}
}

func sinkBadRequests(t *testing.T, f SinkFixture) {
	s := f.Open(t, nil)
	rec := Record(nil)
	defer rec.Release()
	good := f.delivery(effect{sinkProduct, 1, 1, 1}, rec)
	for name, change := range map[string]func(*drivers.Delivery){
		"scheme":  func(d *drivers.Delivery) { d.URI = "nosuch:" + d.URI },
		"empty":   func(d *drivers.Delivery) { d.URI = "" },
		"option":  func(d *drivers.Delivery) { d.Options = map[string]string{"no-such-option": "x"} },
		"product": func(d *drivers.Delivery) { d.Key.Product = "" },
		"seq":     func(d *drivers.Delivery) { d.Key.Seq = 0 },
		"ordinal": func(d *drivers.Delivery) { d.Key.Ordinal = -1 },
	} {
		d := good
		change(&d)
		var said *drivers.Error
		if err := s.Deliver(t.Context(), d); !errors.Is(err, drivers.ErrRequest) || !errors.As(err, &said) {
			t.Errorf("bad %s: %v, want a *drivers.Error of drivers.ErrRequest", name, err)
		}
	}
	if got := f.Arrived(t, sinkProduct); len(got) != 0 {
		t.Errorf("a refused delivery arrived: %+v", got)
	}
}

func sinkCancelled(t *testing.T, f SinkFixture) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	e := effect{sinkProduct, 1, 1, 1}
	s := f.Open(t, nil)
	if err := f.deliver(ctx, s, e); !errors.Is(err, context.Canceled) {
		t.Fatalf("cancelled: %v", err)
	}
	f.must(t, s, e)
	f.expect(t, sinkProduct, e)
}
