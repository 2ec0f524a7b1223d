package table

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"time"

	"github.com/apache/iceberg-go"
	icetable "github.com/apache/iceberg-go/table"

	"github.com/adp-host/adp/host"
)

// keepSnapshots is how many snapshots a metadata file lists. The chain of heads is the history: each head names its
// own metadata file, so a snapshot that leaves the list is still readable. A few stay for engines that look back.
const keepSnapshots = 3

// commit turns a table's next list of files into the files and metadata of a snapshot.
type commit struct {
	t        *Tables
	files    *attempt
	spec     StageSpec
	prev     *state // nil: a new table
	target   target
	snapshot int64
	seq      int64 // Iceberg's sequence number, not the head's

	metrics  map[string]int64
	manifest int
}

// newCommit prepares the snapshot after the previous one.
func (s *stage) newCommit() *commit {
	c := &commit{t: s.t, files: s.files, spec: s.spec, prev: s.prev, target: s.to, seq: 1, metrics: map[string]int64{}}
	c.snapshot = rand.Int64N(1<<62) + 1
	if s.prev != nil {
		c.seq = s.prev.meta.LastSequenceNumber() + 1
	}
	return c
}

// dataFile records a completed Parquet file as one of the table's.
func (c *commit) dataFile(w written) (dataFile, error) {
	stats, err := icetable.DataFileFromMetadata(icetable.DataFileArgs{
		Schema: c.target.ice, Format: iceberg.ParquetFile, Metadata: w.meta, FilePath: c.files.URI(w.name), FileSize: w.bytes,
		Content: iceberg.EntryContentData, FormatVersion: 2,
	})
	if err != nil {
		return dataFile{}, fmt.Errorf("statistics of %s: %w", w.name, err)
	}
	return dataFile{storedFile: c.stored(w, iceberg.EntryContentData, stats)}, nil
}

func (c *commit) stored(w written, content iceberg.ManifestEntryContent, stats iceberg.DataFile) *storedFile {
	return &storedFile{content: content, name: w.name, path: c.files.URI(w.name), rows: w.rows, bytes: w.bytes, sum: w.sum, stats: stats,
		snapshot: c.snapshot, seq: c.seq}
}

// build writes everything of the snapshot whose live data files are next, in this order, but the data files themselves.
func (c *commit) build(ctx context.Context, next []dataFile) (*state, error) {
	s := &state{schema: c.target.arrow, files: next, rows: countRows(next)}
	var err error
	if s.deletes, err = c.deletes(ctx, next); err != nil {
		return nil, err
	}
	if s.data, err = c.dataManifests(ctx, next); err != nil {
		return nil, err
	}
	if s.dels, err = c.deleteManifests(ctx, s.deletes); err != nil {
		return nil, err
	}
	list, err := c.list(ctx, slices.Concat(s.data, s.dels))
	if err != nil {
		return nil, err
	}
	return s, c.metadata(ctx, s, list)
}

// dataManifests keeps the manifests whose files are as they were and writes new ones for the rest, so that the manifests
// one after the other name exactly next.
func (c *commit) dataManifests(ctx context.Context, next []dataFile) ([]*manifest, error) {
	var prev []*manifest
	if c.prev != nil {
		prev = c.prev.data
	}
	stays := make(map[*storedFile]bool, len(next))
	for _, f := range next {
		stays[f.storedFile] = true
	}
	merge := c.mergeFrom(prev)
	var out []*manifest
	var open []entry
	flush := func() error {
		if len(open) == 0 {
			return nil
		}
		m, err := c.writeManifest(ctx, iceberg.ManifestContentData, open)
		out, open = append(out, m), nil
		return err
	}
	take := func(f *storedFile) { // everything of next up to f; nil: all
		for len(next) > 0 {
			head := next[0].storedFile
			if f != nil && head != f && head.snapshot != c.snapshot {
				break // an older file: it belongs to a later manifest
			}
			next = next[1:]
			if head == f {
				open = append(open, entry{existing, head})
				return
			}
			open = append(open, entry{added, head})
		}
	}
	for i, m := range prev {
		if len(m.live) == 0 {
			continue
		}
		if i < merge && unchanged(m, next) {
			if err := flush(); err != nil {
				return nil, err
			}
			out, next = append(out, m), next[len(m.live):]
			continue
		}
		for _, f := range m.live {
			if stays[f] {
				take(f)
			} else {
				open = append(open, entry{deleted, f})
			}
		}
	}
	take(nil)
	if err := flush(); err != nil {
		return nil, err
	}
	if len(next) > 0 {
		return nil, fmt.Errorf("port %s: %d data files are out of order", c.spec.Output.Name, len(next)) // a bug, not bad input
	}
	return out, nil
}

// unchanged says whether next goes on with exactly the files of m.
func unchanged(m *manifest, next []dataFile) bool {
	if len(next) < len(m.live) {
		return false
	}
	for i, f := range m.live {
		if next[i].storedFile != f {
			return false
		}
	}
	return true
}

// mergeFrom is the index of the first of the small manifests at the end that are due to become one.
func (c *commit) mergeFrom(prev []*manifest) int {
	at := len(prev)
	for at > 0 && len(prev[at-1].live) <= c.t.sizes.smallManifest {
		at--
	}
	if len(prev)-at < c.t.sizes.mergeManifests {
		return len(prev)
	}
	return at
}

func (c *commit) writeManifest(ctx context.Context, content iceberg.ManifestContent, entries []entry) (*manifest, error) {
	b, m, err := encodeManifest(c.target.ice, content, c.snapshot, c.seq, entries)
	if err != nil {
		return nil, err
	}
	w, err := writeFile(ctx, c.files, c.files.named(fmt.Sprintf("m%d.avro", c.manifest)), b)
	c.manifest++
	if err != nil {
		return nil, err
	}
	m.name, m.path, m.sum = w.name, c.files.URI(w.name), w.sum
	c.count(content, entries)
	return m, nil
}

// count adds the entries to the snapshot's summary.
func (c *commit) count(content iceberg.ManifestContent, entries []entry) {
	for _, e := range entries {
		data := content == iceberg.ManifestContentData
		switch {
		case e.status == added && data:
			c.metrics["added-data-files"]++
			c.metrics["added-records"] += e.file.rows
			c.metrics["added-files-size"] += e.file.bytes
		case e.status == added:
			c.metrics["added-delete-files"]++
			c.metrics["added-position-delete-files"]++
			c.metrics["added-position-deletes"] += e.file.rows
			c.metrics["added-files-size"] += e.file.bytes
		case e.status == deleted && data:
			c.metrics["deleted-data-files"]++
			c.metrics["deleted-records"] += e.file.rows
			c.metrics["removed-files-size"] += e.file.bytes
		case e.status == deleted:
			c.metrics["removed-delete-files"]++
			c.metrics["removed-position-delete-files"]++
			c.metrics["removed-position-deletes"] += e.file.rows
			c.metrics["removed-files-size"] += e.file.bytes
		}
	}
}

func (c *commit) list(ctx context.Context, all []*manifest) (written, error) {
	b, err := encodeManifestList(c.snapshot, c.seq, c.parent(), all)
	if err != nil {
		return written{}, err
	}
	return writeFile(ctx, c.files, c.files.named("snap.avro"), b)
}

func (c *commit) parent() *int64 {
	if c.prev == nil || c.prev.meta.CurrentSnapshot() == nil {
		return nil
	}
	id := c.prev.meta.CurrentSnapshot().SnapshotID
	return &id
}

// metadata writes the table's metadata with the new snapshot and completes s.
func (c *commit) metadata(ctx context.Context, s *state, list written) (err error) {
	defer recovered(&err)
	base, before := c.target.base, ""
	if c.prev != nil {
		before = c.files.URI(c.prev.ref.name)
	}
	var updates []icetable.Update
	if c.target.evolved {
		updates = append(updates, icetable.NewAddSchemaUpdate(c.target.ice), icetable.NewSetCurrentSchemaUpdate(c.target.ice.ID))
	}
	snap := &icetable.Snapshot{
		SnapshotID: c.snapshot, ParentSnapshotID: c.parent(), SequenceNumber: c.seq, ManifestList: c.files.URI(list.name),
		TimestampMs: max(time.Now().UnixMilli(), base.LastUpdatedMillis()), // clocks may step back
		SchemaID:    &c.target.ice.ID, Summary: c.summary(s, list),
	}
	updates = append(updates, icetable.NewAddSnapshotUpdate(snap),
		icetable.NewSetSnapshotRefUpdate(icetable.MainBranch, c.snapshot, icetable.BranchRef, 0, 0, 0))
	if old := base.Snapshots(); len(old) >= keepSnapshots {
		var ids []int64
		for _, o := range old[:len(old)-keepSnapshots+1] {
			ids = append(ids, o.SnapshotID)
		}
		updates = append(updates, icetable.NewRemoveSnapshotsUpdate(ids, false))
	}
	if s.meta, err = icetable.UpdateTableMetadata(base, updates, before); err != nil {
		return fmt.Errorf("metadata of port %s: %w", c.spec.Output.Name, err)
	}
	b, err := json.Marshal(s.meta)
	if err != nil {
		return fmt.Errorf("metadata of port %s: %w", c.spec.Output.Name, err)
	}
	name := fmt.Sprintf("%s.%05d.metadata.json", c.files.prefix, c.spec.Seq)
	w, err := writeFile(ctx, c.files, name, b)
	s.ref = place{w.name, w.sum.String()}
	return err
}

// summary describes the snapshot, by the keys of Iceberg's specification and three of ours.
func (c *commit) summary(s *state, list written) *icetable.Summary {
	m := maps.Clone(c.metrics)
	m["total-data-files"], m["total-delete-files"] = int64(len(s.files)), int64(len(s.deletes))
	m["total-equality-deletes"] = 0
	for _, f := range s.files {
		m["total-records"] += f.rows
		m["total-files-size"] += f.bytes
	}
	for _, d := range s.deletes {
		m["total-position-deletes"] += d.rows
		m["total-files-size"] += d.bytes
	}
	op := icetable.OpAppend
	switch {
	case m["deleted-data-files"] > 0 && m["added-data-files"] > 0, m["added-delete-files"] > 0 && m["added-data-files"] > 0:
		op = icetable.OpOverwrite
	case m["deleted-data-files"] > 0 || m["added-delete-files"] > 0:
		op = icetable.OpDelete
	}
	props := map[string]string{"adp.seq": strconv.FormatInt(int64(c.spec.Seq), 10), "adp.run": c.spec.Run, listSumKey: string(list.sum.String())}
	for k, v := range m {
		props[k] = strconv.FormatInt(v, 10)
	}
	return &icetable.Summary{Operation: op, Properties: props}
}

// ref is what a head keeps of the state.
func (s *state) outputRef(changed, base host.Seq, changes []host.FileRef) host.OutputRef {
	return host.OutputRef{Kind: "iceberg", Metadata: s.ref.name, Hash: s.ref.hash, SnapshotID: strconv.FormatInt(s.meta.CurrentSnapshot().SnapshotID, 10),
		Rows: s.rows, Changed: changed, Base: base, Changes: changes}
}
