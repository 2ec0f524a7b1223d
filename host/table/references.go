package table

import (
	"context"
	"crypto/sha256"
	"fmt"

	"github.com/apache/iceberg-go"
	icetable "github.com/apache/iceberg-go/table"

	"github.com/adp-host/adp/host"
)

// References names every file that a table's metadata leads to, so that what it leads to can stay: itself, the metadata
// before it that it lists, and for each snapshot that it lists the manifests, data files and delete files; and the change
// files of ref. Names go to keep, those of files that lead to others first to follow, which says whether it wants to know
// what: tables that share manifests name their files once. Hashes are checked on the way; with an error not everything
// was named.
func (t *Tables) References(ctx context.Context, ref host.OutputRef, follow func(name string) bool, keep func(name string)) error {
	for _, c := range ref.Changes {
		keep(c.Location)
	}
	keep(ref.Metadata)
	if !follow(ref.Metadata) {
		return nil
	}
	b, err := t.slurpSummed(ctx, ref.Metadata, ref.Hash)
	if err != nil {
		return err
	}
	meta, err := parseMetadata(b)
	if err != nil {
		return damaged(ref.Metadata, err)
	}
	for e := range meta.PreviousFiles() {
		if name, ok := t.store.Name(e.MetadataFile); ok {
			keep(name) // and not what it leads to: it is history
		}
	}
	for _, snap := range meta.Snapshots() {
		if err := t.snapshotReferences(ctx, ref.Metadata, snap, follow, keep); err != nil {
			return err
		}
	}
	return nil
}

func parseMetadata(b []byte) (meta icetable.Metadata, err error) {
	defer recovered(&err)
	return icetable.ParseMetadataBytes(b)
}

func (t *Tables) snapshotReferences(ctx context.Context, metadata string, snap icetable.Snapshot, follow func(string) bool, keep func(string)) error {
	list, err := t.nameOf(snap.ManifestList)
	if err == nil && snap.Summary == nil {
		err = fmt.Errorf("snapshot %d has no summary", snap.SnapshotID)
	}
	if err != nil {
		return damaged(metadata, err)
	}
	keep(list)
	if !follow(list) {
		return nil
	}
	b, err := t.slurpSummed(ctx, list, host.Digest(snap.Summary.Properties[listSumKey]))
	if err != nil {
		return err
	}
	all, raw, err := decodeManifestList(b, t.nameOf)
	if err != nil {
		return damaged(list, err)
	}
	for i, m := range all {
		keep(m.name)
		if !follow(m.name) {
			continue
		}
		if err := t.manifestReferences(ctx, raw[i], m, keep); err != nil {
			return err
		}
	}
	return nil
}

func (t *Tables) manifestReferences(ctx context.Context, raw iceberg.ManifestFile, m *manifest, keep func(string)) error {
	b, err := slurp(ctx, t.store, m.name)
	if err != nil {
		return err
	}
	if digest(sha256.Sum256(b)) != m.sum {
		return damaged(m.name, fmt.Errorf("it does not have the hash %s that its referrer says", m.sum.String()))
	}
	if err := decodeManifest(b, raw, m, t.nameOf); err != nil {
		return damaged(m.name, err)
	}
	for _, f := range m.live {
		keep(f.name)
	}
	return nil
}
