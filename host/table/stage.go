package table

import (
	"context"
	"fmt"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/adp-host/adp/abi"
	"github.com/adp-host/adp/host"
	"github.com/adp-host/adp/host/failpoint"
)

// Failpoints lists the steps of a stage at which a test can end the process.
var Failpoints = []string{"table.data-written", "table.metadata-written"}

// stage is a Stage. How rows become a commit depends on the port's mode: see append.go, upsert.go and replace.go.
type stage struct {
	t     *Tables
	spec  StageSpec
	mem   memory.Allocator
	files *attempt
	prev  *state // nil: the port has published nothing yet
	to    target
	idx   *indexes
	mode  host.OutputMode
	keyAt []int // columns of the key, in upsert and keyed replace; else nil

	rows   *emitted
	latest map[key]int // upsert: index into order
	order  []lastWrite // upsert: by first write of a key
	keys   []key       // by ordinal, when keyAt
	sums   []key       // by ordinal, of all values, when content is compared
	twice  bool        // replace: a key came twice or was null
	dead   *bitmap     // ordinals that do not make it into the table

	staged *Staged // after Finish
	next   *state
	delta  keyDelta
	fresh  *keyIndex            // replaces idx.keys on commit
	dups   map[string]*dupDelta // counted for the staged table
	over   bool
}

// lastWrite is the newest word of the run on a key.
type lastWrite struct {
	k       key
	ordinal int64 // -1: delete
}

// Begin starts the stage of one port for one commit. The error is a host.Error of code T002 when the output's schema
// cannot follow the table's, T003 when its key is unusable, T001 when a type is outside the type table.
func (t *Tables) Begin(ctx context.Context, spec StageSpec) (Stage, error) {
	s := &stage{t: t, spec: spec, mem: t.opts.Allocator, files: newAttempt(t.store, spec.Dir, spec.Output.Name), mode: spec.Output.Mode, dead: &bitmap{}}
	var err error
	if spec.Prev == nil {
		s.to, err = newTarget(spec.Output, spec.Product, tableLocation(t.store, spec.Dir, spec.Output.Name))
	} else if s.prev, err = t.state(ctx, spec.Prev); err == nil {
		s.to, err = nextTarget(spec.Output, s.prev)
	}
	if err != nil {
		return nil, fmt.Errorf("output %s: %w", spec.Output.Name, err)
	}
	if err := s.setKey(); err != nil {
		return nil, err
	}
	s.rows = &emitted{t: t, schema: s.to.arrow, budget: t.opts.BufferBytes, writer: s.newWriter(ctx),
		holding: s.mode != host.Append, stream: s.mode != host.Upsert}
	s.latest = map[key]int{}
	at := place{}
	if s.prev != nil {
		at = s.prev.ref
	}
	s.idx = t.indexes.take(s.port(), at)
	return s, nil
}

func (s *stage) port() portName { return portName{s.spec.Product, s.spec.Output.Name} }

func (s *stage) newWriter(ctx context.Context) *rowWriter {
	return s.t.newRowWriter(ctx, s.files, s.to.arrow, s.files.nextData)
}

// setKey finds the key's columns.
func (s *stage) setKey() error {
	o := s.spec.Output
	if s.mode == host.Append {
		return nil
	}
	if s.mode == host.Upsert && len(o.Key) == 0 {
		return host.Errorf(host.CodeTableKey, "output %s is upserted but has no key", o.Name).WithHint("name its key columns: outputs: {%s: {mode: upsert, key: [COLUMN]}}", o.Name)
	}
	for _, k := range o.Key {
		i := o.Schema.Index(k)
		if i < 0 {
			return host.Errorf(host.CodeTableKey, "key column %s of output %s is not in its contract", k, o.Name)
		}
		s.keyAt = append(s.keyAt, i)
	}
	return nil
}

// Write adds rows.
func (s *stage) Write(ctx context.Context, rec arrow.RecordBatch) error {
	if s.staged != nil || s.over {
		return fmt.Errorf("output %s: rows after the end of the stage", s.spec.Output.Name)
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if rec.NumRows() == 0 {
		return nil
	}
	data, err := conformRows(s.mem, rec, s.to.arrow)
	if err != nil {
		return fmt.Errorf("output %s: %w", s.spec.Output.Name, err)
	}
	defer data.Release()
	if s.mode == host.Upsert {
		return s.upsert(data, rec)
	}
	if err := s.checkRequired(data); err != nil {
		return err
	}
	if err := s.note(data); err != nil {
		return err
	}
	return s.rows.add(data)
}

// checkRequired refuses nulls where the contract has none.
func (s *stage) checkRequired(data arrow.RecordBatch) error {
	if p := requiredNull(data, s.to.arrow.Fields()); p != "" {
		return host.Errorf(host.CodeTableSchema, "output %s: column %s is required, but a row has none", s.spec.Output.Name, p).
			WithHint("emit a value, or make the column optional in the contract")
	}
	return nil
}

// note keeps what comparing the run's rows with the table will need.
func (s *stage) note(data arrow.RecordBatch) error {
	if s.prev == nil || s.mode == host.Append && !s.spec.Rebuild {
		return nil
	}
	if s.mode == host.Replace && s.keyAt != nil && !s.twice {
		err := s.t.hash.rows(columnsOf(data, s.keyAt), data.NumRows(), func(i int64, k key, null bool) error {
			_, seen := s.latest[k]
			s.twice = s.twice || seen || null
			s.latest[k] = len(s.keys)
			s.keys = append(s.keys, k)
			return nil
		})
		if err != nil {
			return err
		}
	}
	return s.t.hash.rows(data.Columns(), data.NumRows(), func(_ int64, k key, _ bool) error {
		s.sums = append(s.sums, k)
		return nil
	})
}

// Finish writes all files and returns the port's new state.
func (s *stage) Finish(ctx context.Context) (Staged, error) {
	if s.staged != nil || s.over {
		return Staged{}, fmt.Errorf("output %s: the stage has ended", s.spec.Output.Name)
	}
	var err error
	switch {
	case s.mode == host.Upsert:
		err = s.finishUpsert(ctx)
	case s.mode == host.Append && !s.spec.Rebuild || s.prev == nil:
		err = s.finishAppend(ctx)
	case s.mode == host.Append:
		err = s.finishRebuild(ctx)
	default:
		err = s.finishReplace(ctx)
	}
	if err != nil {
		return Staged{}, fmt.Errorf("output %s: %w", s.spec.Output.Name, err)
	}
	return *s.staged, nil
}

// unchanged ends the stage with the table as it was.
func (s *stage) unchanged() error {
	s.rows.abort()
	s.files.dropAll()
	ref := *s.spec.Prev
	ref.Changes = nil
	s.next, s.staged, s.delta = s.prev, &Staged{Ref: ref}, keyDelta{}
	return nil
}

// publish writes the snapshot whose data files are next. base is the first seq since which changes follow one another.
func (s *stage) publish(ctx context.Context, c *commit, next []dataFile, changes []host.FileRef, base host.Seq) error {
	failpoint.Hit("table.data-written")
	n, err := c.build(ctx, next)
	if err != nil {
		return err
	}
	s.rows.forget()
	failpoint.Hit("table.metadata-written")
	s.next = n
	s.staged = &Staged{Ref: n.outputRef(s.spec.Seq, base, changes), Changed: true, Files: s.files.files()}
	return nil
}

// base is that of a commit which continues the port's changes.
func (s *stage) base() host.Seq {
	if s.spec.Prev == nil {
		return s.spec.Seq
	}
	return s.spec.Prev.Base
}

// Committed makes the staged state the one that the next stage starts from.
func (s *stage) Committed() {
	if s.over || s.staged == nil {
		return
	}
	s.over = true
	s.rows.abort()
	if s.staged.Changed {
		s.t.states.put(s.next)
		s.idx.at = s.next.ref
		switch {
		case s.fresh != nil:
			s.idx.keys = s.fresh
			s.fresh.apply(&s.delta, s.next.files)
		case s.mode != host.Upsert:
			s.idx.keys = nil
		case s.idx.keys != nil:
			s.idx.keys.apply(&s.delta, s.next.files)
		}
		s.followDups()
	}
	s.t.indexes.give(s.port(), s.idx, s.t.opts.IndexRows)
}

// Abort drops the staged files.
func (s *stage) Abort() {
	if s.over {
		return
	}
	s.over = true
	s.rows.abort()
	s.files.dropAll()
	s.t.indexes.give(s.port(), s.idx, s.t.opts.IndexRows)
}

// opsOf reads the _op column of rows emitted to an upsert port: which are puts, and whether all are.
func opsOf(rec arrow.RecordBatch) (put []bool, all bool, err error) {
	at := columnAt(rec.Schema(), abi.ColumnOp, int(rec.NumCols())-1)
	put, all = make([]bool, rec.NumRows()), true
	if at < 0 {
		return nil, false, host.Errorf(host.CodeTableSchema, "column %s is missing", abi.ColumnOp)
	}
	ops, ok := rec.Column(at).(*array.String)
	if !ok {
		return nil, false, host.Errorf(host.CodeTableSchema, "column %s has type %s, not utf8", abi.ColumnOp, rec.Column(at).DataType())
	}
	for i := range put {
		switch {
		case ops.IsNull(i):
			put[i] = true
		case ops.Value(i) == abi.OpUpsert, ops.Value(i) == abi.OpInsert, ops.Value(i) == abi.OpUpdateAfter:
			put[i] = true
		case ops.Value(i) == abi.OpDelete:
			all = false
		default:
			return nil, false, host.Errorf(host.CodeTableSchema, "%s cannot be emitted as %s", ops.Value(i), abi.ColumnOp).
				WithHint("leave it null to insert or replace a row, or write %s to remove one", abi.OpDelete)
		}
	}
	return put, all, nil
}
