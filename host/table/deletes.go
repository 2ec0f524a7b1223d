package table

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/iceberg-go"
)

// deletes decides which delete files the snapshot has and writes the new one, if any.
func (c *commit) deletes(ctx context.Context, next []dataFile) ([]*deleteFile, error) {
	before, live := map[*storedFile]*bitmap{}, map[string]bool{}
	var kept []*deleteFile
	if c.prev != nil {
		for _, f := range c.prev.files {
			before[f.storedFile] = f.dead
		}
		kept = c.prev.deletes
	}
	var total, fresh int64
	for _, f := range next {
		live[f.name] = true
		total += f.dead.count()
		fresh += f.dead.count() - before[f.storedFile].count()
	}
	if fresh == 0 {
		return slices.DeleteFunc(slices.Clone(kept), func(d *deleteFile) bool {
			return !slices.ContainsFunc(d.targets, func(n string) bool { return live[n] })
		}), nil
	}
	if total <= c.t.sizes.consolidateDeletes || len(kept)+1 >= c.t.sizes.mergeDeletes {
		kept, before = nil, map[*storedFile]*bitmap{}
	}
	d, err := c.writeDeletes(ctx, next, before)
	return append(slices.Clone(kept), d), err
}

// The columns of a position delete file have reserved field ids.
var deleteSchema = arrow.NewSchema([]arrow.Field{
	{Name: "file_path", Type: arrow.BinaryTypes.String, Metadata: arrow.NewMetadata([]string{"PARQUET:field_id"}, []string{"2147483546"})},
	{Name: "pos", Type: arrow.PrimitiveTypes.Int64, Metadata: arrow.NewMetadata([]string{"PARQUET:field_id"}, []string{"2147483545"})},
}, nil)

const (
	deletePathID = 2147483546
	deletePosID  = 2147483545
)

// writeDeletes writes the deleted positions that are not in before, ordered by path and position as Iceberg wants them.
func (c *commit) writeDeletes(ctx context.Context, files []dataFile, before map[*storedFile]*bitmap) (*deleteFile, error) {
	files = slices.DeleteFunc(slices.Clone(files), func(f dataFile) bool { return f.dead.count() == before[f.storedFile].count() })
	slices.SortFunc(files, func(a, b dataFile) int { return strings.Compare(a.path, b.path) })
	w := c.t.newRowWriter(ctx, c.files, deleteSchema, func() string { return c.files.named("deletes.parquet") })
	defer w.abort()
	b := array.NewRecordBuilder(c.t.opts.Allocator, deleteSchema)
	defer b.Release()
	paths, at := b.Field(0).(*array.StringBuilder), b.Field(1).(*array.Int64Builder)
	flush := func() error {
		rec := b.NewRecordBatch()
		defer rec.Release()
		return w.add(rec)
	}
	lowest, highest := int64(-1), int64(0)
	d := &deleteFile{}
	for _, f := range files {
		d.targets = append(d.targets, f.name)
		for p := range f.dead.all() {
			if before[f.storedFile].has(p) {
				continue
			}
			paths.Append(f.path)
			at.Append(p)
			if lowest < 0 || p < lowest {
				lowest = p
			}
			highest = max(highest, p)
			if at.Len() == batchRows {
				if err := flush(); err != nil {
					return nil, err
				}
			}
		}
	}
	if err := flush(); err != nil {
		return nil, err
	}
	out, err := w.close()
	if err != nil {
		return nil, err
	}
	stats, err := deleteStats(c.files.URI(out[0].name), out[0], files, lowest, highest)
	if err != nil {
		return nil, err
	}
	d.storedFile = c.stored(out[0], iceberg.EntryContentPosDeletes, stats)
	return d, nil
}

// deleteStats lets a reader skip the delete file for data files outside its bounds, so the paths must not be cut.
func deleteStats(uri string, w written, files []dataFile, lowest, highest int64) (iceberg.DataFile, error) {
	bld, err := iceberg.NewDataFileBuilder(*iceberg.UnpartitionedSpec, iceberg.EntryContentPosDeletes, uri, iceberg.ParquetFile, nil, nil, nil, w.rows, w.bytes)
	if err != nil {
		return nil, fmt.Errorf("statistics of %s: %w", w.name, err)
	}
	pos := func(v int64) []byte {
		b, _ := iceberg.Int64Literal(v).MarshalBinary() // of a fixed size
		return b
	}
	return bld.
		ValueCounts(map[int]int64{deletePathID: w.rows, deletePosID: w.rows}).
		NullValueCounts(map[int]int64{deletePathID: 0, deletePosID: 0}).
		LowerBoundValues(map[int][]byte{deletePathID: []byte(files[0].path), deletePosID: pos(lowest)}).
		UpperBoundValues(map[int][]byte{deletePathID: []byte(files[len(files)-1].path), deletePosID: pos(highest)}).
		Build(), nil
}

// deleteManifests keeps the manifests when nothing changed, else writes one for all delete files.
func (c *commit) deleteManifests(ctx context.Context, now []*deleteFile) ([]*manifest, error) {
	var prev []*manifest
	if c.prev != nil {
		prev = c.prev.dels
	}
	stays := make(map[*storedFile]bool, len(now))
	for _, d := range now {
		stays[d.storedFile] = true
	}
	var open []entry
	changed := false
	for _, m := range prev {
		for _, f := range m.live {
			if stays[f] {
				open = append(open, entry{existing, f})
				delete(stays, f)
			} else {
				open = append(open, entry{deleted, f})
				changed = true
			}
		}
	}
	for _, d := range now {
		if stays[d.storedFile] {
			open = append(open, entry{added, d.storedFile})
			changed = true
		}
	}
	if !changed {
		return slices.DeleteFunc(slices.Clone(prev), func(m *manifest) bool { return len(m.live) == 0 }), nil
	}
	m, err := c.writeManifest(ctx, iceberg.ManifestContentDeletes, open)
	return []*manifest{m}, err
}
