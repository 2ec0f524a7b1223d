package table

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"github.com/apache/iceberg-go"

	"github.com/adp-host/adp/host"
)

// sumsKey is the header of manifests and manifest lists under which we keep the sha256 of the files that their entries
// name, live entries only, in hex and in their order. With the manifest list's own hash in the snapshot's summary, the
// hash of the metadata file in a head vouches for every byte of the table.
const sumsKey = "adp.sha256"

// listSumKey is the snapshot summary's key for the hash of its manifest list.
const listSumKey = "adp.manifest-list-sha256"

// entry is one line of a manifest.
type entry struct {
	status int // added, existing or deleted
	file   *storedFile
}

// Entry status as Iceberg numbers it, by our kinds of counts.
var entryStatus = [3]int64{added: 1, existing: 0, deleted: 2}

// encodeManifest gives the bytes of a manifest of the snapshot at seq, and what the manifest list says of it, name and
// path excepted.
func encodeManifest(schema *iceberg.Schema, content iceberg.ManifestContent, snapshot, seq int64, entries []entry) ([]byte, *manifest, error) {
	m := &manifest{content: content, seq: seq, minSeq: seq, snapshot: snapshot}
	var b avroBuf
	var sums strings.Builder
	for _, e := range entries {
		encodeEntry(&b, snapshot, e)
		m.files[e.status]++
		m.rows[e.status] += e.file.rows
		if e.status == deleted {
			continue
		}
		m.minSeq = min(m.minSeq, e.file.seq)
		m.live = append(m.live, e.file)
		sums.WriteString(hex.EncodeToString(e.file.sum[:]))
	}
	fields, err := json.Marshal(schema)
	if err != nil {
		return nil, nil, fmt.Errorf("schema of a manifest: %w", err)
	}
	out, err := avroFile(map[string]string{
		"schema": string(fields), "schema-id": strconv.Itoa(schema.ID), "partition-spec": "[]", "partition-spec-id": "0",
		"format-version": "2", "content": content.String(), sumsKey: sums.String(),
	}, manifestSchema, len(entries), b)
	m.bytes = int64(len(out))
	return out, m, err
}

func encodeEntry(b *avroBuf, snapshot int64, e entry) {
	b.long(entryStatus[e.status])
	switch e.status {
	case added: // the reader takes the sequence numbers from the manifest list
		b.optLong(&snapshot)
		b.null()
		b.null()
	case existing:
		b.optLong(&e.file.snapshot)
		b.optLong(&e.file.seq)
		b.optLong(&e.file.seq)
	case deleted:
		b.optLong(&snapshot)
		b.optLong(&e.file.seq)
		b.optLong(&e.file.seq)
	}
	f, st := e.file, e.file.stats
	b.long(int64(f.content))
	b.str(f.path)
	b.str("PARQUET")
	b.long(f.rows)
	b.long(f.bytes)
	mapOf(b, st.ColumnSizes(), b.long)
	mapOf(b, st.ValueCounts(), b.long)
	mapOf(b, st.NullValueCounts(), b.long)
	mapOf(b, st.NaNValueCounts(), b.long)
	mapOf(b, st.LowerBoundValues(), b.bytes)
	mapOf(b, st.UpperBoundValues(), b.bytes)
	b.null() // key metadata
	if offsets := st.SplitOffsets(); len(offsets) == 0 {
		b.null()
	} else {
		b.some()
		b.long(int64(len(offsets)))
		for _, o := range offsets {
			b.long(o)
		}
		b.long(0)
	}
	b.null() // equality ids
	b.null() // sort order
}

// encodeManifestList gives the bytes of a snapshot's manifest list.
func encodeManifestList(snapshot, seq int64, parent *int64, all []*manifest) ([]byte, error) {
	var b avroBuf
	var sums strings.Builder
	for _, m := range all {
		b.str(m.path)
		b.long(m.bytes)
		b.long(0) // partition spec
		b.long(int64(m.content))
		b.long(m.seq)
		b.long(m.minSeq)
		b.long(m.snapshot)
		for _, n := range m.files {
			b.long(int64(n))
		}
		for _, n := range m.rows {
			b.long(n)
		}
		b.some() // partitions: a list of none
		b.long(0)
		b.null() // key metadata
		sums.WriteString(hex.EncodeToString(m.sum[:]))
	}
	before := "null"
	if parent != nil {
		before = strconv.FormatInt(*parent, 10)
	}
	return avroFile(map[string]string{
		"format-version": "2", "snapshot-id": strconv.FormatInt(snapshot, 10), "parent-snapshot-id": before,
		"sequence-number": strconv.FormatInt(seq, 10), sumsKey: sums.String(),
	}, manifestListSchema, len(all), b)
}

// headerSums reads the hashes that a manifest or manifest list keeps of its n live entries.
func headerSums(file []byte, n int) ([]digest, error) {
	header, err := avroHeader(file)
	if err != nil {
		return nil, err
	}
	raw, err := hex.DecodeString(header[sumsKey])
	if err != nil || len(raw) != n*len(digest{}) {
		return nil, fmt.Errorf("header %s does not hold the hashes of %d entries", sumsKey, n)
	}
	sums := make([]digest, n)
	for i := range sums {
		copy(sums[i][:], raw[i*len(digest{}):])
	}
	return sums, nil
}

// decodeManifestList reads a manifest list; names of manifests come from their paths.
func decodeManifestList(b []byte, name func(path string) (string, error)) (out []*manifest, raw []iceberg.ManifestFile, err error) {
	defer recovered(&err)
	raw, err = iceberg.ReadManifestList(bytes.NewReader(b))
	if err != nil {
		return nil, nil, err
	}
	sums, err := headerSums(b, len(raw))
	if err != nil {
		return nil, nil, err
	}
	for i, f := range raw {
		m := &manifest{path: f.FilePath(), bytes: f.Length(), content: f.ManifestContent(), seq: f.SequenceNum(), minSeq: f.MinSequenceNum(),
			snapshot: f.SnapshotID(), sum: sums[i],
			files: [3]int32{added: f.AddedDataFiles(), existing: f.ExistingDataFiles(), deleted: f.DeletedDataFiles()},
			rows:  [3]int64{added: f.AddedRows(), existing: f.ExistingRows(), deleted: f.DeletedRows()}}
		if m.name, err = name(m.path); err != nil {
			return nil, nil, err
		}
		out = append(out, m)
	}
	return out, raw, nil
}

// decodeManifest reads the live entries of a manifest into m.
func decodeManifest(b []byte, raw iceberg.ManifestFile, m *manifest, name func(path string) (string, error)) (err error) {
	defer recovered(&err)
	entries, err := iceberg.ReadManifest(raw, bytes.NewReader(b), true)
	if err != nil {
		return err
	}
	sums, err := headerSums(b, len(entries))
	if err != nil {
		return err
	}
	for i, e := range entries {
		d := e.DataFile()
		if d.ContentType() == iceberg.EntryContentEqDeletes || d.FileFormat() != iceberg.ParquetFile {
			return fmt.Errorf("%s is a %s file of %s, which this host never writes", d.FilePath(), d.FileFormat(), d.ContentType())
		}
		f := &storedFile{content: d.ContentType(), path: d.FilePath(), rows: d.Count(), bytes: d.FileSizeBytes(), sum: sums[i], stats: d,
			snapshot: e.SnapshotID(), seq: e.SequenceNum()}
		if f.name, err = name(f.path); err != nil {
			return err
		}
		m.live = append(m.live, f)
	}
	return nil
}

// recovered turns a panic of a decoder into an error of the function that defers it.
func recovered(err *error) {
	if r := recover(); r != nil {
		*err = fmt.Errorf("decoder panicked: %v", r)
	}
}

// damaged is a file that is missing or not what it should be.
func damaged(name string, err error) error {
	return host.Errorf(host.CodeTableDamaged, "%s: %w", name, err).
		WithHint("the file was removed or altered outside the host: restore it from a backup, or rebuild the product")
}
