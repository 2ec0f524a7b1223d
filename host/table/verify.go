package table

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/adp-host/adp/host"
	"github.com/adp-host/adp/host/columnar"
)

// ParquetFile names the one stored file that is the whole content of the table as of ref, when there is one: a single
// data file, no deletes, written with the table's present columns. ok is false otherwise.
func (t *Tables) ParquetFile(ctx context.Context, ref host.OutputRef) (name string, ok bool, err error) {
	s, err := t.state(ctx, &ref)
	if err != nil || len(s.files) != 1 || s.files[0].dead.count() > 0 {
		return "", false, err
	}
	src, err := openParquet(ctx, t.store, t.opts.Allocator, s.files[0].name)
	if err != nil {
		return "", false, err
	}
	defer src.close()
	fields := src.rd.Manifest.Fields
	if len(fields) != s.schema.NumFields() {
		return "", false, nil
	}
	for i, f := range fields {
		if want := s.schema.Field(i); f.Field.Name != want.Name || !same(f.Field.Type, want.Type) || f.Field.Nullable != want.Nullable {
			return "", false, nil
		}
	}
	return s.files[0].name, true, nil
}

// mostFiles is how many files ParquetFiles looks at: each is opened for it.
const mostFiles = 256

// ParquetFiles names the stored files that hold the rows of the table as of ref and nothing else, in their order, each with all
// columns of schema in their types, and maybe more. It names none when there are no such files: where rows were deleted, where a
// file is older than a column, or where there are more than 256 files.
func (t *Tables) ParquetFiles(ctx context.Context, ref host.OutputRef, schema host.Schema) (names []string, err error) {
	want, err := columnar.Schema(schema)
	if err != nil {
		return nil, err
	}
	s, err := t.state(ctx, &ref)
	if err != nil || len(s.files) > mostFiles {
		return nil, err
	}
	for _, f := range s.files {
		if f.dead.count() > 0 {
			return nil, nil
		}
		if whole, err := t.hasColumns(ctx, f, want); err != nil || !whole {
			return nil, err
		}
		names = append(names, f.name)
	}
	return names, nil
}

// hasColumns looks into the footer of a file, which is checked as for every other reading.
func (t *Tables) hasColumns(ctx context.Context, f dataFile, want *arrow.Schema) (bool, error) {
	src, err := openParquet(ctx, t.store, t.opts.Allocator, f.name)
	if err != nil {
		return false, err
	}
	defer src.close()
	if n := src.pq.NumRows(); n != f.rows {
		return false, damaged(f.name, fmt.Errorf("holds %d rows, the table says %d", n, f.rows))
	}
	have := map[string]arrow.DataType{}
	for _, f := range src.rd.Manifest.Fields {
		have[f.Field.Name] = f.Field.Type
	}
	for _, f := range want.Fields() {
		if of := have[f.Name]; of == nil || !arrow.TypeEqual(of, f.Type) {
			return false, nil
		}
	}
	return true, nil
}

// needed is everything that reading ref needs, with the hash and size of each.
func (t *Tables) needed(ctx context.Context, ref *host.OutputRef) ([]written, error) {
	s, err := t.state(ctx, ref)
	if err != nil {
		return nil, err
	}
	snap := s.meta.CurrentSnapshot()
	list, err := t.nameOf(snap.ManifestList)
	if err != nil {
		return nil, damaged(s.ref.name, err)
	}
	out := []written{{name: s.ref.name, bytes: -1}, {name: list, bytes: -1}}
	for _, m := range slices.Concat(s.data, s.dels) {
		out = append(out, written{name: m.name, bytes: m.bytes, sum: m.sum})
		for _, f := range m.live {
			out = append(out, written{name: f.name, bytes: f.bytes, rows: f.rows, sum: f.sum})
		}
	}
	for _, c := range ref.Changes {
		d, err := parseDigest(c.Hash)
		if err != nil {
			return nil, damaged(c.Location, err)
		}
		out = append(out, written{name: c.Location, bytes: c.Bytes, rows: c.Rows, sum: d})
	}
	slices.SortFunc(out, func(a, b written) int { return strings.Compare(a.name, b.name) })
	return slices.CompactFunc(out, func(a, b written) bool { return a.name == b.name && a.sum == b.sum }), nil
}

// Files lists, sorted, the names of all files that reading ref needs, its change files included.
func (t *Tables) Files(ctx context.Context, ref host.OutputRef) ([]string, error) {
	all, err := t.needed(ctx, &ref)
	if err != nil {
		return nil, err
	}
	names := make([]string, len(all))
	for i, f := range all {
		names[i] = f.name
	}
	return slices.Compact(names), nil
}

// Verify reads every file that ref needs and compares it with the hash that its referrer keeps, from the metadata file
// down to data, delete and change files. The first that differs or is missing is a host.Error of code T004.
func (t *Tables) Verify(ctx context.Context, ref host.OutputRef) error {
	s, err := t.load(ctx, place{ref.Metadata, ref.Hash}) // from the files, whatever is cached: metadata and manifests
	if err != nil {
		return err
	}
	if s.rows != ref.Rows {
		return damaged(ref.Metadata, fmt.Errorf("the table has %d rows, the head says %d", s.rows, ref.Rows))
	}
	all, err := t.needed(ctx, &ref)
	if err != nil {
		return err
	}
	for _, f := range all {
		if f.bytes < 0 {
			continue // checked by load
		}
		if err := t.verifyFile(ctx, f); err != nil {
			return err
		}
	}
	return nil
}

func (t *Tables) verifyFile(ctx context.Context, f written) (err error) {
	defer func() { err = readFailed(ctx, f.name, err) }()
	in, err := t.store.Open(ctx, f.name)
	if err != nil {
		return err
	}
	defer in.Close()
	if in.Size() != f.bytes {
		return fmt.Errorf("it has %d bytes, its referrer says %d", in.Size(), f.bytes)
	}
	h := sha256.New()
	if _, err := io.Copy(h, readerUntil{ctx, in}); err != nil {
		return err
	}
	if sum := digest(h.Sum(nil)); sum != f.sum {
		return fmt.Errorf("its hash is %s, its referrer says %s", sum.String(), f.sum.String())
	}
	return nil
}

// readerUntil stops reading when a context ends.
type readerUntil struct {
	ctx context.Context
	r   io.Reader
}

func (r readerUntil) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.r.Read(p)
}
