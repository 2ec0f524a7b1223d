package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/adp-host/adp/abi"
	"github.com/adp-host/adp/drivers"
	"github.com/adp-host/adp/host"
	"github.com/adp-host/adp/host/sandbox"
	"github.com/adp-host/adp/host/sandbox/cdata"
)

const kernelRows = 1 << 20

var kernelInput = arrow.NewSchema([]arrow.Field{
	{Name: "k", Type: arrow.PrimitiveTypes.Int64},
	{Name: "v", Type: arrow.PrimitiveTypes.Float64},
	{Name: "name", Type: arrow.BinaryTypes.String},
}, nil)

var kernelOutput = arrow.NewSchema([]arrow.Field{
	{Name: "rows", Type: arrow.PrimitiveTypes.Int64},
	{Name: "sum", Type: arrow.PrimitiveTypes.Float64},
}, nil)

// kernels measures the row kernel in guests. What the sandbox takes to lay a batch into guest memory is measured by the code
// that does it, cdata.Writer, over memory of the host, and taken off each guest's time: what remains is the call, with all
// that the sandbox does around it but the copy.
func (b *bench) kernels(ctx context.Context) error {
	guests, err := b.kernelGuests(ctx)
	if err != nil {
		return err
	}
	return b.kernelsOf(ctx, guests, b.rounds(60))
}

func (b *bench) kernelsOf(ctx context.Context, guests []kernelGuest, rounds int) error {
	rec := kernelBatch()
	defer rec.Release()
	native, copying := newNative(rec), newCopying(rec)
	peers := []func() (time.Duration, error){native.run, copying.run}
	var runs []*kernelRun
	for _, g := range guests {
		r, err := b.startKernel(ctx, g, rec)
		if err != nil {
			return fmt.Errorf("%s: %w", g.language, err)
		}
		defer r.instance.Close()
		runs = append(runs, r)
		peers = append(peers, func() (time.Duration, error) {
			return timed(func() error { return r.instance.Process(ctx, 0, rec) })
		})
	}
	took, err := inTurn(rounds, peers...)
	if err != nil {
		return err
	}
	b.talk("  native %.2f ms, copy %.2f ms", best(took[0])/1e6, best(took[1])/1e6)
	for i, r := range runs {
		if err := r.check(ctx, rounds, native); err != nil {
			return fmt.Errorf("%s: %w", guests[i].language, err)
		}
		b.talk("  %s %.2f ms with the copy", guests[i].language, best(took[2+i])/1e6)
		b.print(figure{name: "kernel-" + guests[i].language, value: (best(took[2+i]) - best(took[1])) / best(took[0]),
			unit: "times", against: "native Go", atMost: guests[i].kernelAim})
	}
	return nil
}

// kernelGuest is the kernel in one language.
type kernelGuest struct {
	language            string
	module              []byte
	kernelAim, meterAim float64
}

func (b *bench) kernelGuests(ctx context.Context) ([]kernelGuest, error) {
	root, err := sourceRoot()
	if err != nil {
		return nil, err
	}
	rust, err := b.builder.Compile(ctx, root, host.Code{Language: "rust", Path: "guest-sdk/rust/prebuilt/kernel.wasm"})
	if err != nil {
		return nil, err
	}
	dir, err := b.goKernel(root)
	if err != nil {
		return nil, err
	}
	golang, err := b.builder.Compile(ctx, dir, host.Code{Language: "go", Path: "."})
	return []kernelGuest{{"rust", rust, 2, 1.1}, {"go", golang, 4.5, 1.2}}, err
}

// goKernel makes a product's folder of the kernel in Go, which is part of the SDK's own module.
func (b *bench) goKernel(root string) (string, error) {
	dir, err := os.MkdirTemp(b.work, "kernel-*")
	if err != nil {
		return "", err
	}
	if err := os.CopyFS(dir, os.DirFS(filepath.Join(root, "guest-sdk", "go", "kernel"))); err != nil {
		return "", err
	}
	mod := "module kernel\n\ngo 1.24\n\nrequire github.com/adp-host/adp/guest-sdk/go v0.1.0\n"
	return dir, os.WriteFile(filepath.Join(dir, "go.mod"), []byte(mod), 0o644)
}

// kernelBatch is the rows, the same in every run.
func kernelBatch() arrow.RecordBatch {
	r := rand.New(rand.NewPCG(1, 2))
	b := array.NewRecordBuilder(memory.DefaultAllocator, kernelInput)
	defer b.Release()
	k, v, name := b.Field(0).(*array.Int64Builder), b.Field(1).(*array.Float64Builder), b.Field(2).(*array.StringBuilder)
	text := make([]byte, 8)
	for range kernelRows {
		k.Append(int64(r.IntN(1000)))
		v.Append(r.Float64() * 100)
		n := r.IntN(len(text))
		for i := range n {
			text[i] = byte('a' + r.IntN(26))
		}
		name.Append(string(text[:n]))
	}
	return b.NewRecordBatch()
}

// native is the kernel in this process.
type native struct {
	k       []int64
	v, out  []float64
	offsets []int32
	data    []byte
	rows    int
	sum     float64 // of one batch
}

func newNative(rec arrow.RecordBatch) *native {
	name := rec.Column(2).(*array.String)
	return &native{k: rec.Column(0).(*array.Int64).Int64Values(), v: rec.Column(1).(*array.Float64).Float64Values(),
		offsets: name.ValueOffsets(), data: name.ValueBytes(), out: make([]float64, rec.NumRows())}
}

func (n *native) run() (time.Duration, error) {
	var sums [16]float64
	start := time.Now()
	n.rows = kernel(n.k, n.v, n.offsets, n.data, n.out, &sums)
	d := time.Since(start)
	n.sum = 0
	for _, s := range sums {
		n.sum += s
	}
	return d, nil
}

// copying lays the batch down as the sandbox does.
type copying struct {
	rec    arrow.RecordBatch
	writer *cdata.Writer
	memory []byte
}

func newCopying(rec arrow.RecordBatch) *copying {
	return &copying{rec: rec, writer: kernelLayout().NewWriter()}
}

func kernelLayout() *cdata.Layout {
	l, err := cdata.NewLayout(kernelInput)
	if err != nil {
		panic(err) // of a constant schema
	}
	return l
}

func (c *copying) run() (time.Duration, error) {
	start := time.Now()
	n, err := c.writer.Plan(c.rec)
	if err != nil {
		return 0, err
	}
	if len(c.memory) == 0 {
		c.memory = make([]byte, n+abi.Alignment)
	}
	c.writer.Write(c.memory, abi.Alignment)
	return time.Since(start), nil
}

// kernelRun is a guest in the sandbox, and what it emitted.
type kernelRun struct {
	instance *sandbox.Instance
	rows     int64
	sum      float64
}

func (b *bench) startKernel(ctx context.Context, g kernelGuest, rec arrow.RecordBatch) (*kernelRun, error) {
	digest := sha256.Sum256(g.module)
	r := &kernelRun{}
	p := &host.Product{
		ID:      host.ProductID{Tenant: host.LocalTenant, Domain: "bench", Name: "kernel"},
		Inputs:  []host.Input{{Name: "rows", Mode: host.Incremental}},
		Outputs: []host.Output{{Name: "sums", Mode: host.Append}},
		Limits:  host.Limits{Memory: 512 << 20, Deadline: time.Hour, Fuel: math.MaxInt64 / 2},
	}
	var err error
	r.instance, err = b.engine.Start(ctx, sandbox.Spec{
		Module: host.Digest("sha256:" + hex.EncodeToString(digest[:])), Bytes: func() ([]byte, error) { return g.module, nil },
		Product: p, Inputs: []*arrow.Schema{rec.Schema()}, Outputs: []*arrow.Schema{kernelOutput}, RunID: "bench", Start: time.Unix(0, 0),
	}, r)
	if err != nil {
		return nil, err
	}
	return r, r.instance.Open(ctx)
}

// check ends the run: the guest must have computed what native code has, in every round.
func (r *kernelRun) check(ctx context.Context, rounds int, n *native) error {
	if err := r.instance.Flush(ctx); err != nil {
		return err
	}
	rows, sum := int64(n.rows*rounds), n.sum*float64(rounds)
	if r.rows != rows || math.Abs(r.sum-sum) > 1e-9*math.Abs(sum) {
		return fmt.Errorf("%d rows and a sum of %g, want %d and %g", r.rows, r.sum, rows, sum)
	}
	return nil
}

// Emit takes the guest's sums. It and the methods below are the run around it, which has nothing else to offer.
func (r *kernelRun) Emit(_ context.Context, _ int, rec arrow.RecordBatch) error {
	r.rows, r.sum = rec.Column(0).(*array.Int64).Value(0), rec.Column(1).(*array.Float64).Value(0)
	return nil
}

func (*kernelRun) Log(int32, string)                                         {}
func (*kernelRun) Metric(int32, string, float64)                             {}
func (*kernelRun) StateGet([]byte) ([]byte, bool)                            { return nil, false }
func (*kernelRun) StatePut(_, _ []byte) error                                { return nil }
func (*kernelRun) StateDelete([]byte)                                        {}
func (*kernelRun) StateScan(_, _ []byte, _ func(_, _ []byte) bool)           {}
func (*kernelRun) Decide(context.Context, []byte) ([]byte, error)            { return nil, errNothing }
func (*kernelRun) DriverWrite(context.Context, int, arrow.RecordBatch) error { return errNothing }
func (*kernelRun) DriverOpen(context.Context, int, []byte) (drivers.Reader, error) {
	return nil, errNothing
}

var errNothing = errors.New("a kernel asks for nothing")
