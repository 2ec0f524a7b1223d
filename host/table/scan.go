package table

import (
	"context"
	"fmt"
	"io"
	"runtime"
	"sync"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/adp-host/adp/drivers"
)

// part is a run of rows of one file.
type part struct {
	file  dataFile
	first int64 // position in the file of the first row, before any were taken out
	rec   arrow.RecordBatch
}

// scanner decodes row groups of files ahead of its consumer, several at a time, and gives their rows in order.
type scanner struct {
	store  drivers.Store
	mem    memory.Allocator
	schema *arrow.Schema
	// groupRows is the size of a full row group.
	groupRows int64
	// keep says whether rows that deletes remove stay in: the consumer then looks at part.file.dead.
	keep bool

	ctx    context.Context
	cancel context.CancelFunc
	files  []dataFile // not yet planned
	units  []*unit    // planned, not yet started
	queue  []*unit    // started, in order
	ready  []part     // of the unit at the front
	window int
}

// unit is one row group to decode, or a file of a single one, which is then opened by the unit itself.
type unit struct {
	file  dataFile
	src   *shared // nil: open the file
	group int
	first int64
	done  chan struct{}
	parts []part
	err   error
}

// shared closes a source when the last of its units is done.
type shared struct {
	*source
	users sync.WaitGroup
}

// newScanner reads the rows of files in the columns of schema.
func (t *Tables) newScanner(ctx context.Context, files []dataFile, schema *arrow.Schema, keep bool) *scanner {
	s := &scanner{store: t.store, mem: t.opts.Allocator, groupRows: t.sizes.rowGroupRows, schema: schema, keep: keep, files: files, window: max(2, runtime.GOMAXPROCS(0))}
	s.ctx, s.cancel = context.WithCancel(context.WithoutCancel(ctx))
	return s
}

// next gives the next rows; io.EOF at the end. The caller releases part.rec. A context that has ended ends the scan.
func (s *scanner) next(ctx context.Context) (part, error) {
	for {
		if err := ctx.Err(); err != nil {
			return part{}, err
		}
		if len(s.ready) > 0 {
			p := s.ready[0]
			s.ready = s.ready[1:]
			return p, nil
		}
		if err := s.start(); err != nil {
			return part{}, err
		}
		if len(s.queue) == 0 {
			return part{}, io.EOF
		}
		u := s.queue[0]
		select {
		case <-u.done:
		case <-ctx.Done():
			return part{}, ctx.Err()
		}
		s.queue = s.queue[1:]
		if u.err != nil {
			releaseParts(u.parts)
			return part{}, u.err
		}
		s.ready = u.parts
	}
}

// start keeps the window full.
func (s *scanner) start() error {
	for len(s.queue) < s.window {
		if len(s.units) == 0 {
			if len(s.files) == 0 {
				return nil
			}
			f := s.files[0]
			s.files = s.files[1:]
			if err := s.plan(f); err != nil {
				return err
			}
			continue
		}
		u := s.units[0]
		s.units = s.units[1:]
		s.queue = append(s.queue, u)
		go s.decode(u)
	}
	return nil
}

// plan cuts a file into units. Our files of up to groupRows have one row group.
func (s *scanner) plan(f dataFile) error {
	if f.live() == 0 && f.rows > 0 && !s.keep {
		return nil
	}
	if f.rows <= s.groupRows {
		s.units = append(s.units, &unit{file: f, done: make(chan struct{})})
		return nil
	}
	src, err := openParquet(s.ctx, s.store, s.mem, f.name)
	if err != nil {
		return err
	}
	if err := s.check(f, src); err != nil {
		src.close()
		return err
	}
	sh := &shared{source: src}
	first := int64(0)
	for g := range src.pq.NumRowGroups() {
		n := src.pq.MetaData().RowGroup(g).NumRows()
		if s.keep || f.dead.within(first, first+n) < n {
			sh.users.Add(1)
			s.units = append(s.units, &unit{file: f, src: sh, group: g, first: first, done: make(chan struct{})})
		}
		first += n
	}
	go func() {
		sh.users.Wait()
		sh.close()
	}()
	return nil
}

// check compares a file with what the table says of it.
func (s *scanner) check(f dataFile, src *source) error {
	if n := src.pq.NumRows(); n != f.rows {
		return damaged(f.name, fmt.Errorf("holds %d rows, the table says %d", n, f.rows))
	}
	return nil
}

func (s *scanner) decode(u *unit) {
	defer close(u.done)
	if u.src != nil {
		defer u.src.users.Done()
		u.err = s.group(u, u.src.source, u.group, u.first)
		return
	}
	src, err := openParquet(s.ctx, s.store, s.mem, u.file.name)
	if err != nil {
		u.err = err
		return
	}
	defer src.close()
	if u.err = s.check(u.file, src); u.err != nil {
		return
	}
	first := int64(0)
	for g := range src.pq.NumRowGroups() {
		if u.err = s.group(u, src, g, first); u.err != nil {
			return
		}
		first += src.pq.MetaData().RowGroup(g).NumRows()
	}
}

func (s *scanner) group(u *unit, src *source, g int, first int64) error {
	return src.rowGroup(s.ctx, s.mem, g, s.schema, func(rec arrow.RecordBatch) error {
		p := part{u.file, first, rec}
		first += rec.NumRows()
		dead := u.file.dead.within(p.first, first)
		switch {
		case s.keep || dead == 0:
			rec.Retain()
		case dead == rec.NumRows():
			return nil
		default:
			var err error
			if p.rec, err = gatherRows(s.mem, s.schema, []arrow.RecordBatch{rec}, livePicks(p, rec.NumRows()-dead)); err != nil {
				return err
			}
		}
		u.parts = append(u.parts, p)
		return nil
	})
}

// livePicks lists the n rows of a part that are not deleted.
func livePicks(p part, n int64) []pick {
	picks := make([]pick, 0, n)
	for i := range p.rec.NumRows() {
		if !p.file.dead.has(p.first + i) {
			picks = append(picks, pick{row: int32(i)})
		}
	}
	return picks
}

func releaseParts(parts []part) {
	for _, p := range parts {
		p.rec.Release()
	}
}

// close ends the scan and waits for what was started.
func (s *scanner) close() {
	s.cancel()
	releaseParts(s.ready)
	for _, u := range s.queue {
		<-u.done
		releaseParts(u.parts)
	}
	for _, u := range s.units {
		if u.src != nil {
			u.src.users.Done()
		}
	}
	s.ready, s.queue, s.units, s.files = nil, nil, nil, nil
}

// each hands all rows of files to yield, which must not keep the batch.
func (t *Tables) each(ctx context.Context, files []dataFile, schema *arrow.Schema, keep bool, yield func(part) error) error {
	s := t.newScanner(ctx, files, schema, keep)
	defer s.close()
	for {
		p, err := s.next(ctx)
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		err = yield(p)
		p.rec.Release()
		if err != nil {
			return err
		}
	}
}
