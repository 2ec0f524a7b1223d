package node

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"maps"
	"path/filepath"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/adp-host/adp/abi"
	"github.com/adp-host/adp/drivers"
	"github.com/adp-host/adp/drivers/file"
	"github.com/adp-host/adp/drivers/web/grant"
	"github.com/adp-host/adp/host"
	"github.com/adp-host/adp/host/columnar"
	"github.com/adp-host/adp/host/policy"
	"github.com/adp-host/adp/host/run"
	"github.com/adp-host/adp/host/sandbox"
	"github.com/adp-host/adp/host/table"
)

// Fixture is one run of a product on given files: its module in the real sandbox, its rules, the modes of its outputs.
// It is what a node does, without a mesh around it and without anything being kept.
type Fixture struct {
	Product *host.Product
	Module  []byte
	// Files feed inputs and bindings, by name: file: URIs. An input without one is empty.
	Files map[string]string
	// Rows feed inputs with what is in memory instead. They stay the caller's.
	Rows map[string]arrow.RecordBatch
	// Drivers are those that bindings to compute drivers lead to, by the scheme of their URIs.
	Drivers map[string]any
	Dir     string // an empty folder for what the run writes; the caller removes it
	Engine  *sandbox.Engine
}

// FixtureResult says what a fixture's run did. Outputs are empty when a rule held it.
type FixtureResult struct {
	State    host.RunState
	Run      host.RunRecord
	Checks   []host.Check
	Rejected []host.RejectedRow
	Logs     []string
	Outputs  map[string][]arrow.RecordBatch // by port; the caller releases them
}

// Execute runs the fixture once. The error is that of the run; Logs is filled then too.
func (f Fixture) Execute(ctx context.Context) (FixtureResult, error) {
	var out FixtureResult
	store, err := file.NewStore(filepath.Join(f.Dir, "store"))
	if err != nil {
		return out, host.Errorf(host.CodeRunStore, "%w", err)
	}
	reader, err := file.New(file.Config{})
	if err != nil {
		return out, host.Errorf(host.CodeDriverOpen, "%w", err)
	}
	tables := table.New(store, table.Options{})
	files := fixtureFiles{f, reader}
	r := &run.Runner{
		Guests: guests{f.Engine}, Tables: stages{tables}, Heads: &oneHead{}, Inputs: files, Store: store, Sources: fixtureBindings{files}, Computes: fixtureBindings{files},
		Decider: files, Node: "fixture", Engine: f.Engine.Identity,
		Log: func(_ host.ProductID, _ string, level int32, message string) {
			if level >= abi.LogInfo {
				out.Logs = append(out.Logs, message)
			}
		},
	}
	sum := sha256.Sum256(f.Module)
	res, err := r.Execute(ctx, run.Attempt{
		Product: f.Product, Module: host.Digest("sha256:" + hex.EncodeToString(sum[:])), Own: host.Ownership{Product: f.Product.ID, Node: "fixture", Epoch: 1},
		ModuleBytes: func() ([]byte, error) { return f.Module, nil }, Reason: "fixture", Force: true,
	})
	out.State, out.Run, out.Checks, out.Rejected = res.State, res.Run, res.Checks, res.Rejected
	if err != nil || res.Head == nil || res.State != host.RunCommitted {
		return out, err
	}
	out.Outputs, err = readOutputs(ctx, tables, f.Product, res.Head)
	return out, err
}

// Read reads what files feed to inputs, by input; the caller releases the batches.
func (f Fixture) Read(ctx context.Context) (map[string][]arrow.RecordBatch, error) {
	reader, err := file.New(file.Config{})
	if err != nil {
		return nil, host.Errorf(host.CodeDriverOpen, "%w", err)
	}
	files := fixtureFiles{f, reader}
	out := map[string][]arrow.RecordBatch{}
	for i := range f.Product.Inputs {
		in := &f.Product.Inputs[i]
		if f.Files[in.Name] == "" {
			continue
		}
		r, err := files.Open(ctx, f.Product, in, nil)
		for err == nil {
			var b drivers.Batch
			if b, err = r.Next(ctx); err == nil {
				out[in.Name] = append(out[in.Name], b.Record)
			}
		}
		if r != nil {
			err = errors.Join(ignoreEOF(err), r.Close())
		}
		if err != nil {
			return out, err
		}
	}
	return out, nil
}

// readOutputs reads all tables of a head.
func readOutputs(ctx context.Context, tables *table.Tables, p *host.Product, head *host.Head) (map[string][]arrow.RecordBatch, error) {
	out := map[string][]arrow.RecordBatch{}
	for i := range p.Outputs {
		o := &p.Outputs[i]
		ref, ok := head.Outputs[o.Name]
		if !ok || ref.Metadata == "" {
			continue
		}
		rows, err := tables.Scan(ctx, ref, o.Schema, table.ScanOptions{})
		if err != nil {
			return out, err
		}
		for err == nil {
			var rec arrow.RecordBatch
			if rec, err = rows.Next(ctx); err == nil {
				out[o.Name] = append(out[o.Name], rec)
			}
		}
		if err = errors.Join(ignoreEOF(err), rows.Close()); err != nil {
			return out, fmt.Errorf("reading output %s: %w", o.Name, err)
		}
	}
	return out, nil
}

func ignoreEOF(err error) error {
	if isEOF(err) {
		return nil
	}
	return err
}

// oneHead is the commit of a product that nobody else runs.
type oneHead struct{ at host.Pointer }

func (h *oneHead) Head(context.Context, host.ProductID) (host.Pointer, error) { return h.at, nil }

func (h *oneHead) Commit(_ context.Context, _ host.Ownership, prev, next host.Pointer) error {
	if prev != h.at {
		return host.Errorf(host.CodeRunLostOwner, "the pointer has moved")
	}
	h.at = next
	return nil
}

// fixtureFiles are the inputs, bindings and decisions of a fixture.
type fixtureFiles struct {
	f     Fixture
	files *file.Driver
}

// Schema is the input's own. Rows of a change feed carry _op and _seq where the fixture has them.
func (x fixtureFiles) Schema(ctx context.Context, _ *host.Product, in *host.Input) (*arrow.Schema, error) {
	if rows := x.f.Rows[in.Name]; rows != nil {
		return rows.Schema(), nil
	}
	s, err := columnar.Schema(in.Schema)
	if err != nil || in.Mode == host.Snapshot || x.f.Files[in.Name] == "" {
		return s, err
	}
	found, err := x.files.Infer(ctx, x.f.Files[in.Name], x.options(in))
	if err != nil {
		return nil, driverError(err)
	}
	if len(found.FieldIndices(abi.ColumnOp)) > 0 {
		s = columnar.WithChanges(s)
	}
	return s, nil
}

func (x fixtureFiles) Pending(_ context.Context, _ *host.Product, in *host.Input, c host.Cursor) (bool, error) {
	return c == nil && (x.f.Files[in.Name] != "" || x.f.Rows[in.Name] != nil), nil
}

func (x fixtureFiles) Open(ctx context.Context, p *host.Product, in *host.Input, _ host.Cursor) (drivers.Reader, error) {
	if rows := x.f.Rows[in.Name]; rows != nil {
		return &remembered{rows: rows}, nil
	}
	uri := x.f.Files[in.Name]
	if uri == "" {
		return nothing{}, nil
	}
	s, err := x.Schema(ctx, p, in)
	if err != nil {
		return nil, err
	}
	return x.read(ctx, uri, s, x.options(in))
}

func (x fixtureFiles) read(ctx context.Context, uri string, s *arrow.Schema, options host.Options) (drivers.Reader, error) {
	r, err := x.files.Open(ctx, drivers.Request{URI: uri, Schema: s, Mode: drivers.Snapshot, Options: options})
	if err != nil {
		return nil, driverError(err)
	}
	return driverReader{r}, nil
}

// options are those of the input's own source as far as they speak of a file's content: a fixture looks like what it
// stands for.
func (x fixtureFiles) options(in *host.Input) host.Options {
	out := host.Options{}
	if _, _, product := in.Upstream(host.LocalTenant); !product {
		maps.Copy(out, in.Options)
	}
	for _, o := range []string{file.OptionFormat, file.OptionFiles, file.OptionRecursive} {
		delete(out, o)
	}
	out[file.OptionQuiet] = "0s" // nobody is writing it any more
	return out
}

func (x fixtureFiles) Decide(_ context.Context, id host.ProductID, request []byte) ([]byte, error) {
	return policy.Local(policy.Options{}).Answer(id, request), nil
}

// fixtureBindings read what a guest opens by name.
type fixtureBindings struct{ fixtureFiles }

func (x fixtureBindings) Open(ctx context.Context, _ host.ProductID, binding string, r drivers.Request) (drivers.Reader, error) {
	if grant.Is(r.URI) {
		return x.page(ctx, binding, r)
	}
	uri := x.f.Files[binding]
	if uri == "" {
		return nothing{}, nil
	}
	return x.read(ctx, uri, r.Schema, host.Options{file.OptionQuiet: "0s"})
}

func (x fixtureBindings) Compute(_ context.Context, _ host.ProductID, _, uri string) (drivers.Compute, error) {
	return computeOf(x.f.Drivers, uri)
}

// remembered is an input of one batch.
type remembered struct {
	rows arrow.RecordBatch // nil: it has been read
	nothing
}

func (r *remembered) Next(context.Context) (drivers.Batch, error) {
	rec := r.rows
	if r.rows = nil; rec == nil {
		return drivers.Batch{}, io.EOF
	}
	rec.Retain()
	return drivers.Batch{Record: rec}, nil
}

// nothing is an input without rows.
type nothing struct{}

func (nothing) Next(context.Context) (drivers.Batch, error) { return drivers.Batch{}, io.EOF }
func (nothing) Cursor() host.Cursor                         { return host.Cursor(`{}`) }
func (nothing) Close() error                                { return nil }
