package table

import (
	"context"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/adp-host/adp/host"
)

// keyIndex finds the row of a key in a table. It belongs to one stage at a time.
type keyIndex struct {
	columns string // columnsKey of the key
	rows    map[key]spot
	names   []string // of files, by spot.file
	ids     map[string]uint32
	free    []uint32
}

func newKeyIndex(columns string) *keyIndex {
	return &keyIndex{columns: columns, rows: map[key]spot{}, ids: map[string]uint32{}}
}

// id is the number of a data file, given out on first use.
func (x *keyIndex) id(name string) uint32 {
	if id, ok := x.ids[name]; ok {
		return id
	}
	var id uint32
	if n := len(x.free); n > 0 {
		id, x.free = x.free[n-1], x.free[:n-1]
		x.names[id] = name
	} else {
		id = uint32(len(x.names))
		x.names = append(x.names, name)
	}
	x.ids[name] = id
	return id
}

func (x *keyIndex) name(id uint32) string { return x.names[id] }

// keyDelta is what a commit does to the index.
type keyDelta struct {
	put  []keyPut
	gone []key
}

// keyPut is the new place of a key's row.
type keyPut struct {
	k    key
	file string
	row  uint32
}

// apply follows a commit after which files are the live ones.
func (x *keyIndex) apply(d *keyDelta, files []dataFile) {
	for _, k := range d.gone {
		delete(x.rows, k)
	}
	last, id := "", uint32(0)
	for _, p := range d.put {
		if p.file != last {
			last, id = p.file, x.id(p.file)
		}
		x.rows[p.k] = spot{id, p.row}
	}
	live := make(map[string]bool, len(files))
	for _, f := range files {
		live[f.name] = true
	}
	for name, id := range x.ids {
		if !live[name] {
			delete(x.ids, name)
			x.names[id] = ""
			x.free = append(x.free, id)
		}
	}
}

// errKeyTwice says that a table was not written by key.
func errKeyTwice(o *host.Output) *host.Error {
	return host.Errorf(host.CodeTableKey, "port %s holds several rows with the same key (%s)", o.Name, joinKey(o.Key)).
		WithHint("it was not always an upsert port with this key: rebuild it once with adp control URL trigger --rebuild")
}

// buildKeys indexes a table by a scan of its key columns. The error is of code T003 when a key is null or not unique.
func (t *Tables) buildKeys(ctx context.Context, s *state, o *host.Output, keySchema *arrow.Schema) (*keyIndex, error) {
	x := newKeyIndex(columnsKey(o.Key))
	x.rows = make(map[key]spot, s.rows)
	err := t.each(ctx, s.files, keySchema, true, func(p part) error {
		id := x.id(p.file.name)
		return t.hash.rows(p.rec.Columns(), p.rec.NumRows(), func(i int64, k key, null bool) error {
			if p.file.dead.has(p.first + i) {
				return nil
			}
			if _, twice := x.rows[k]; twice || null {
				return errKeyTwice(o)
			}
			x.rows[k] = spot{id, uint32(p.first + i)}
			return nil
		})
	})
	if err != nil {
		return nil, err
	}
	return x, nil
}
