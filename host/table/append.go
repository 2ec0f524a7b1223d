package table

import "context"

// finishAppend adds the run's rows to the table. It also publishes the first content of ports of any mode but upsert.
func (s *stage) finishAppend(ctx context.Context) error {
	c := s.newCommit()
	if err := s.rows.close(); err != nil {
		return err
	}
	if s.rows.n == 0 && s.prev != nil {
		return s.unchanged()
	}
	fresh, err := c.output(s.rows.done)
	if err != nil {
		return err
	}
	var next []dataFile
	if s.prev != nil {
		if next, _, err = s.compact(ctx, c, s.prev.files, nil); err != nil {
			return err
		}
	}
	return s.publish(ctx, c, append(next, fresh.files...), fresh.refs(), s.base())
}

// finishRebuild replaces the whole content of an append port, unless it is the same: its readers start again.
func (s *stage) finishRebuild(ctx context.Context) error {
	same, err := s.sameContent(ctx)
	if err != nil {
		return err
	}
	if same {
		return s.unchanged()
	}
	return s.startAgain(ctx)
}

// startAgain publishes the run's rows, all of which are in data files, as the whole content that changes begin from.
func (s *stage) startAgain(ctx context.Context) error {
	c := s.newCommit()
	if err := s.rows.close(); err != nil {
		return err
	}
	fresh, err := c.output(s.rows.done)
	if err != nil {
		return err
	}
	return s.publish(ctx, c, fresh.files, fresh.refs(), s.spec.Seq)
}

// sameContent compares the run's rows with the table's, whatever their order.
func (s *stage) sameContent(ctx context.Context) (bool, error) {
	if s.rows.n != s.prev.rows {
		return false, nil
	}
	counts := make(map[key]int64, len(s.sums))
	for _, k := range s.sums {
		counts[k]++
	}
	same := true
	err := s.t.each(ctx, s.prev.files, s.to.arrow, false, func(p part) error {
		return s.t.hash.rows(p.rec.Columns(), p.rec.NumRows(), func(_ int64, k key, _ bool) error {
			counts[k]--
			same = same && counts[k] >= 0
			return nil
		})
	})
	return same, err // as many rows on both sides: none short means none over
}
