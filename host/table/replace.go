package table

import (
	"context"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/adp-host/adp/abi"
)

// finishReplace makes the run's rows the whole table. The change file says in what it differs from the table before: by
// key when both sides have one, else as sets in which a row may occur several times.
func (s *stage) finishReplace(ctx context.Context) error {
	c := s.newCommit()
	if err := s.rows.close(); err != nil {
		return err
	}
	ch := s.newChanges(ctx)
	defer ch.w.abort()
	byKey := s.keyAt != nil && !s.twice
	if byKey {
		unique, err := s.keysUnique(ctx)
		if err != nil {
			return err
		}
		byKey = unique
	}
	var inserts []int64
	var err error
	if byKey {
		inserts, err = s.diffByKey(ctx, ch)
	} else {
		inserts, err = s.diffBySet(ctx, ch)
	}
	if err != nil {
		return err
	}
	if ch.empty() && len(inserts) == 0 {
		return s.unchanged()
	}
	fresh, err := c.output(s.rows.done)
	if err != nil {
		return err
	}
	if ch.empty() && int64(len(inserts)) == s.rows.n {
		return s.publish(ctx, c, fresh.files, fresh.refs(), s.base())
	}
	if err := ch.inserts(ctx, inserts); err != nil {
		return err
	}
	changes, err := ch.close()
	if err != nil {
		return err
	}
	return s.publish(ctx, c, fresh.files, changes, s.base())
}

// keysUnique says whether the table's rows have the key once each.
func (s *stage) keysUnique(ctx context.Context) (bool, error) {
	fields := make([]arrow.Field, len(s.keyAt))
	for i, at := range s.keyAt {
		fields[i] = s.to.arrow.Field(at)
	}
	seen, unique := make(map[key]struct{}, s.prev.rows), true
	err := s.t.each(ctx, s.prev.files, arrow.NewSchema(fields, nil), false, func(p part) error {
		return s.t.hash.rows(p.rec.Columns(), p.rec.NumRows(), func(_ int64, k key, null bool) error {
			_, twice := seen[k]
			unique = unique && !twice && !null
			seen[k] = struct{}{}
			return nil
		})
	})
	return unique, err
}

// diffBySet writes the removed rows and gives the ordinals of the added ones.
func (s *stage) diffBySet(ctx context.Context, ch *changeFile) ([]int64, error) {
	counts := make(map[key]int64, len(s.sums))
	for _, k := range s.sums {
		counts[k]++
	}
	err := s.t.each(ctx, s.prev.files, s.to.arrow, false, func(p part) error {
		var gone []pick
		err := s.t.hash.rows(p.rec.Columns(), p.rec.NumRows(), func(i int64, k key, _ bool) error {
			if counts[k] > 0 {
				counts[k]--
			} else {
				gone = append(gone, pick{row: int32(i)})
			}
			return nil
		})
		if err != nil || len(gone) == 0 {
			return err
		}
		rows, err := gatherRows(s.mem, s.to.arrow, []arrow.RecordBatch{p.rec}, gone)
		if err != nil {
			return err
		}
		defer rows.Release()
		return ch.all(rows, abi.OpDelete)
	})
	if err != nil {
		return nil, err
	}
	var inserts []int64
	for o, k := range s.sums {
		if counts[k] > 0 {
			counts[k]--
			inserts = append(inserts, int64(o))
		}
	}
	return inserts, nil
}

// diffByKey writes the removed and updated rows and gives the ordinals of those with new keys.
func (s *stage) diffByKey(ctx context.Context, ch *changeFile) ([]int64, error) {
	met := &bitmap{}
	err := s.t.each(ctx, s.prev.files, s.to.arrow, false, func(p part) error {
		sums := make([]key, 0, p.rec.NumRows())
		_ = s.t.hash.rows(p.rec.Columns(), p.rec.NumRows(), func(_ int64, k key, _ bool) error {
			sums = append(sums, k)
			return nil
		})
		var old []pick
		var after []int32
		var ordinals []int64
		_ = s.t.hash.rows(columnsOf(p.rec, s.keyAt), p.rec.NumRows(), func(i int64, k key, _ bool) error {
			o, stays := s.latest[k]
			if stays {
				met.add(int64(o))
			}
			switch {
			case !stays:
				old, after = append(old, pick{row: int32(i)}), append(after, -1)
			case s.sums[o] != sums[i]:
				old, after = append(old, pick{row: int32(i)}), append(after, int32(len(ordinals)))
				ordinals = append(ordinals, int64(o))
			}
			return nil
		})
		return s.changed(ctx, ch, p.rec, old, after, ordinals)
	})
	if err != nil {
		return nil, err
	}
	var inserts []int64
	for o := range s.rows.n {
		if !met.has(o) {
			inserts = append(inserts, o)
		}
	}
	return inserts, nil
}

// changed writes picked old rows with what replaces them.
func (s *stage) changed(ctx context.Context, ch *changeFile, rec arrow.RecordBatch, old []pick, after []int32, ordinals []int64) error {
	if len(old) == 0 {
		return nil
	}
	before, err := gatherRows(s.mem, s.to.arrow, []arrow.RecordBatch{rec}, old)
	if err != nil {
		return err
	}
	defer before.Release()
	fresh, err := s.rows.fetch(ctx, ordinals)
	if err != nil {
		return err
	}
	defer fresh.Release()
	return ch.weave(before, fresh, after, func(int) bool { return false })
}
