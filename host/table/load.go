package table

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/iceberg-go"
	icetable "github.com/apache/iceberg-go/table"

	"github.com/adp-host/adp/host"
)

// load reads a table as of a metadata file: metadata, manifests and position deletes, each checked against the hash that
// its referrer keeps.
func (t *Tables) load(ctx context.Context, at place) (*state, error) {
	b, err := slurp(ctx, t.store, at.name)
	if err != nil {
		return nil, err
	}
	if sum := digest(sha256.Sum256(b)).String(); sum != at.hash {
		return nil, damaged(at.name, fmt.Errorf("its hash is %s, the head says %s", sum, at.hash))
	}
	s := &state{ref: at}
	if err := s.parse(b); err != nil {
		return nil, damaged(at.name, err)
	}
	if err := t.loadManifests(ctx, s); err != nil {
		return nil, err
	}
	if err := t.loadDeletes(ctx, s); err != nil {
		return nil, err
	}
	s.rows = countRows(s.files)
	return s, nil
}

func (s *state) parse(b []byte) (err error) {
	defer recovered(&err)
	if s.meta, err = icetable.ParseMetadataBytes(b); err != nil {
		return err
	}
	if s.meta.CurrentSnapshot() == nil || s.meta.CurrentSchema() == nil {
		return errors.New("the metadata has no current snapshot")
	}
	s.schema, err = fileSchema(s.meta.CurrentSchema())
	return err
}

func (t *Tables) loadManifests(ctx context.Context, s *state) error {
	snap := s.meta.CurrentSnapshot()
	list, err := t.nameOf(snap.ManifestList)
	if err != nil {
		return damaged(s.ref.name, err)
	}
	if snap.Summary == nil {
		return damaged(s.ref.name, errors.New("the snapshot has no summary"))
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
		b, err := t.slurpSummed(ctx, m.name, m.sum.String())
		if err != nil {
			return err
		}
		if err := decodeManifest(b, raw[i], m, t.nameOf); err != nil {
			return damaged(m.name, err)
		}
		if m.content == iceberg.ManifestContentDeletes {
			s.dels = append(s.dels, m)
			for _, f := range m.live {
				s.deletes = append(s.deletes, &deleteFile{storedFile: f})
			}
			continue
		}
		s.data = append(s.data, m)
		for _, f := range m.live {
			s.files = append(s.files, dataFile{storedFile: f})
		}
	}
	return nil
}

// nameOf is the store's name of an absolute path.
func (t *Tables) nameOf(uri string) (string, error) {
	name, ok := t.store.Name(uri)
	if !ok {
		return "", fmt.Errorf("%s lies outside the store", uri)
	}
	return name, nil
}

// slurpSummed reads a file and compares its hash.
func (t *Tables) slurpSummed(ctx context.Context, name string, want host.Digest) ([]byte, error) {
	b, err := slurp(ctx, t.store, name)
	if err != nil {
		return nil, err
	}
	if sum := digest(sha256.Sum256(b)).String(); sum != want {
		return nil, damaged(name, fmt.Errorf("its hash is %s, its referrer says %s", sum, want))
	}
	return b, nil
}

// loadDeletes reads the position deletes into the data files they name.
func (t *Tables) loadDeletes(ctx context.Context, s *state) error {
	if len(s.deletes) == 0 {
		return nil
	}
	at := make(map[string]int, len(s.files)) // by path
	for i, f := range s.files {
		at[f.path] = i
	}
	plain := arrow.NewSchema([]arrow.Field{{Name: "file_path", Type: arrow.BinaryTypes.String}, {Name: "pos", Type: arrow.PrimitiveTypes.Int64}}, nil)
	for _, d := range s.deletes {
		last := ""
		err := t.each(ctx, []dataFile{{storedFile: d.storedFile}}, plain, true, func(p part) error {
			paths, pos := p.rec.Column(0).(*array.String), p.rec.Column(1).(*array.Int64)
			for i := range paths.Len() {
				if path := paths.Value(i); path != last {
					last = string([]byte(path))
					name, err := t.nameOf(last)
					if err != nil {
						return damaged(d.name, err)
					}
					d.targets = append(d.targets, name)
				}
				f, live := at[last]
				if !live {
					continue
				}
				if p := pos.Value(i); p < 0 || p >= s.files[f].rows {
					return damaged(d.name, fmt.Errorf("position %d is outside %s", p, last))
				}
				if s.files[f].dead == nil {
					s.files[f].dead = &bitmap{}
				}
				s.files[f].dead.add(pos.Value(i))
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}
