package table

import (
	"bytes"
	"context"
	"slices"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/adp-host/adp/host"
	"github.com/adp-host/adp/host/columnar"
)

// upsert takes rows by key. data are the contract's columns of rec.
func (s *stage) upsert(data, rec arrow.RecordBatch) error {
	put, all, err := opsOf(rec)
	if err != nil {
		return err
	}
	at := s.rows.n
	err = s.t.hash.rows(columnsOf(data, s.keyAt), data.NumRows(), func(i int64, k key, null bool) error {
		if null {
			return host.Errorf(host.CodeTableKey, "output %s: the key (%s) of a row is null", s.spec.Output.Name, joinKey(s.spec.Output.Key)).
				WithHint("emit a value in every key column")
		}
		ordinal := int64(-1)
		if put[i] {
			ordinal = at
			s.keys = append(s.keys, k)
			at++
		}
		s.write(k, ordinal)
		return nil
	})
	if err != nil {
		return err
	}
	if !all {
		picks := make([]pick, 0, len(put))
		for i, p := range put {
			if p {
				picks = append(picks, pick{row: int32(i)})
			}
		}
		if len(picks) == 0 {
			return nil
		}
		if data, err = gatherRows(s.mem, s.to.arrow, []arrow.RecordBatch{data}, picks); err != nil {
			return err
		}
		defer data.Release()
	}
	if err := s.checkRequired(data); err != nil {
		return err
	}
	return s.rows.add(data)
}

// write notes the newest word on a key. The last one of a run wins.
func (s *stage) write(k key, ordinal int64) {
	i, seen := s.latest[k]
	if !seen {
		s.latest[k] = len(s.order)
		s.order = append(s.order, lastWrite{k, ordinal})
		return
	}
	if before := s.order[i].ordinal; before >= 0 {
		s.dead.add(before)
	}
	s.order[i].ordinal = ordinal
}

// touched is a row of the table that the run replaces or removes.
type touched struct {
	rank    uint32 // of the file in the table, so that the order does not depend on the index's history
	at      spot
	ordinal int64 // of the row that replaces it; -1: removed
	k       key
}

// finishUpsert merges the run's rows into the table by key.
func (s *stage) finishUpsert(ctx context.Context) error {
	if s.prev != nil && len(s.order) == 0 && !s.spec.Rebuild {
		return s.unchanged()
	}
	idx, err := s.keyIndex(ctx)
	if host.CodeOf(err) == host.CodeTableKey && s.spec.Rebuild {
		return s.upsertAgain(ctx)
	}
	if err != nil {
		return err
	}
	hits, inserts := s.resolve(idx)
	if s.rows.stream {
		if err := s.rows.close(); err != nil {
			return err
		}
	}
	ch := s.newChanges(ctx)
	defer ch.w.abort()
	dead, err := s.compare(ctx, idx, hits, ch)
	if err != nil {
		return err
	}
	if s.prev != nil && ch.empty() && len(inserts) == 0 {
		return s.unchanged()
	}
	return s.publishUpsert(ctx, s.withDead(dead), ch, inserts, s.base())
}

// publishUpsert publishes old data files, without what is deleted of them, and the run's rows that are not dead. ch has
// the changes of old rows.
func (s *stage) publishUpsert(ctx context.Context, old []dataFile, ch *changeFile, inserts []int64, base host.Seq) error {
	// A commit that only inserts has its new data files for change files.
	asData := ch.empty() && (!s.rows.stream || s.dead.count() == 0)
	if !asData {
		if err := ch.inserts(ctx, inserts); err != nil {
			return err
		}
	}
	changes, err := ch.close()
	if err != nil {
		return err
	}
	c := s.newCommit()
	next, fresh, err := s.merge(ctx, c, old, !asData)
	if err != nil {
		return err
	}
	if asData {
		changes = fresh.refs()
	}
	return s.publish(ctx, c, next, changes, base)
}

// upsertAgain publishes the run's rows as a new beginning: the table's own rows have no usable key.
func (s *stage) upsertAgain(ctx context.Context) error {
	if s.rows.stream {
		if err := s.rows.close(); err != nil {
			return err
		}
	}
	var inserts []int64
	for o := range s.rows.n {
		if !s.dead.has(o) {
			inserts = append(inserts, o)
		}
	}
	s.fresh = newKeyIndex(columnsKey(s.spec.Output.Key))
	ch := s.newChanges(ctx)
	defer ch.w.abort()
	return s.publishUpsert(ctx, nil, ch, inserts, s.spec.Seq)
}

// keyIndex is the index of the table before the run.
func (s *stage) keyIndex(ctx context.Context) (*keyIndex, error) {
	columns := columnsKey(s.spec.Output.Key)
	if s.idx.keys != nil && s.idx.keys.columns == columns {
		return s.idx.keys, nil
	}
	s.idx.keys = newKeyIndex(columns)
	if s.prev == nil {
		return s.idx.keys, nil
	}
	fields := make([]arrow.Field, len(s.keyAt))
	for i, at := range s.keyAt {
		fields[i] = s.to.arrow.Field(at)
	}
	x, err := s.t.buildKeys(ctx, s.prev, s.spec.Output, arrow.NewSchema(fields, nil))
	s.idx.keys = x
	return x, err
}

// resolve finds what the run does to the table: the rows it touches, in the table's order, and the ordinals of rows with
// new keys, in the run's.
func (s *stage) resolve(idx *keyIndex) (hits []touched, inserts []int64) {
	ranks := make([]uint32, len(idx.names))
	if s.prev != nil {
		for i, f := range s.prev.files {
			if id, ok := idx.ids[f.name]; ok {
				ranks[id] = uint32(i)
			}
		}
	}
	for _, w := range s.order {
		at, known := idx.rows[w.k]
		switch {
		case known:
			hits = append(hits, touched{ranks[at.file], at, w.ordinal, w.k})
		case w.ordinal >= 0:
			inserts = append(inserts, w.ordinal)
		}
	}
	if s.spec.Rebuild {
		for k, at := range idx.rows {
			if _, written := s.latest[k]; !written {
				hits = append(hits, touched{ranks[at.file], at, -1, k})
			}
		}
	}
	slices.SortFunc(hits, func(a, b touched) int { return compareSpots(spot{a.rank, a.at.row}, spot{b.rank, b.at.row}) })
	slices.Sort(inserts)
	return hits, inserts
}

// compare writes a change for every touched row that really changes, and marks rows of the run that do not as dead. It
// gives the positions that are deleted, by the rank of the file.
func (s *stage) compare(ctx context.Context, idx *keyIndex, hits []touched, ch *changeFile) (map[uint32]*bitmap, error) {
	dead := map[uint32]*bitmap{}
	for len(hits) > 0 {
		n := min(len(hits), s.t.sizes.changeRows)
		if err := s.compareSome(ctx, idx, hits[:n], ch, dead); err != nil {
			return nil, err
		}
		hits = hits[n:]
	}
	return dead, nil
}

func (s *stage) compareSome(ctx context.Context, idx *keyIndex, hits []touched, ch *changeFile, dead map[uint32]*bitmap) error {
	spots := make([]spot, len(hits))
	after := make([]int32, len(hits)) // index into ordinals; -1: removed
	var ordinals []int64
	for i, h := range hits {
		spots[i], after[i] = h.at, -1
		if h.ordinal >= 0 {
			after[i] = int32(len(ordinals))
			ordinals = append(ordinals, h.ordinal)
		}
	}
	old, err := s.t.fetch(ctx, idx.name, s.to.arrow, spots)
	if err != nil {
		return err
	}
	defer old.Release()
	fresh, err := s.rows.fetch(ctx, ordinals)
	if err != nil {
		return err
	}
	defer fresh.Release()
	same := make([]bool, len(hits))
	var a, b []byte
	for i, h := range hits {
		if after[i] >= 0 {
			a, _ = columnar.AppendKey(a[:0], old.Columns(), i)
			b, _ = columnar.AppendKey(b[:0], fresh.Columns(), int(after[i]))
			if same[i] = bytes.Equal(a, b); same[i] {
				s.dead.add(h.ordinal)
				continue
			}
		} else {
			s.delta.gone = append(s.delta.gone, h.k)
		}
		if dead[h.rank] == nil {
			dead[h.rank] = s.prev.files[h.rank].dead.clone()
		}
		dead[h.rank].add(int64(h.at.row))
	}
	return ch.weave(old, fresh, after, func(i int) bool { return same[i] })
}

// withDead are the table's data files with more positions deleted, by the rank of the file; those with no row left are
// left out.
func (s *stage) withDead(dead map[uint32]*bitmap) []dataFile {
	if s.prev == nil {
		return nil
	}
	old := slices.Clone(s.prev.files)
	for rank, d := range dead {
		old[rank].dead = d
	}
	return dropDead(old)
}

// merge gives the table's data files after the run: old ones, compacted, and those of new rows, which fold may join with
// a small rewritten file.
func (s *stage) merge(ctx context.Context, c *commit, old []dataFile, fold bool) (next []dataFile, fresh *output, err error) {
	tail := s.writeLive
	if !fold || s.rows.stream {
		tail = nil
	}
	next, folded, err := s.compact(ctx, c, old, tail)
	if err != nil || folded {
		return next, &output{}, err
	}
	if fresh, err = s.freshOutput(c); err != nil {
		return nil, nil, err
	}
	s.delta.put = append(s.delta.put, fresh.puts()...)
	return append(next, s.keepLive(fresh.files)...), fresh, nil
}

// keepLive leaves out, and removes, new files of which no row is left.
func (s *stage) keepLive(files []dataFile) []dataFile {
	for _, f := range files {
		if f.live() == 0 {
			s.files.drop(f.name)
		}
	}
	return dropDead(files)
}

// writeLive writes the held rows that count and says where their keys are.
func (s *stage) writeLive(w *rowWriter) ([]keyed, error) {
	at := w.rows
	keys := make([]keyed, 0, s.rows.n-s.dead.count())
	for o, k := range s.keys {
		if !s.dead.has(int64(o)) {
			keys = append(keys, keyed{k, at})
			at++
		}
	}
	return keys, s.rows.live(w, s.dead)
}

// freshOutput are the data files of the run's rows. Streamed files hold rows that turned out dead: these are deleted by
// position.
func (s *stage) freshOutput(c *commit) (*output, error) {
	if !s.rows.stream {
		keys, err := s.writeLive(s.rows.writer)
		if err != nil {
			return nil, err
		}
		out, err := c.collect(s.rows.writer)
		if err == nil {
			out.keys = keys
		}
		return out, err
	}
	out, err := c.output(s.rows.done)
	if err != nil {
		return nil, err
	}
	for o, k := range s.keys {
		if !s.dead.has(int64(o)) {
			out.keys = append(out.keys, keyed{k, int64(o)})
		}
	}
	for o := range s.dead.all() {
		sp := spotOf(out.bounds, o)
		f := &out.files[sp.file]
		if f.dead == nil {
			f.dead = &bitmap{}
		}
		f.dead.add(int64(sp.row))
	}
	return out, nil
}
