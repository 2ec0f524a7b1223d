package clause

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"github.com/adp-host/adp/abi"
	"github.com/adp-host/adp/abi/abitest"
)

// plainRun is the run that all others are compared with. It gives false when there is nothing to compare.
func (x *exam) plainRun() bool {
	s := x.subject.Spec
	o := x.play(s, x.feed, manner{})
	if o.refused() {
		o = x.otherwise(o)
		s = x.subject.Spec
	}
	if took := len(x.feed[:o.batches]); o.refused() && took > 0 && took < len(x.feed) {
		x.notShown("batches", "took %d batches, then: %s", took, o.why()) // a guest may refuse rows; the others serve as well
		x.feed = x.feed[:took]
		o = x.play(s, x.feed, manner{})
	}
	x.base = o
	x.lost(o)
	if o.opened {
		x.ok("open", "%d inputs, %d outputs, %d bindings", len(s.Inputs), len(s.Outputs), len(s.Bindings))
	}
	if !o.good() {
		x.ended(o)
		return false
	}
	rows := 0
	for _, b := range x.feed {
		rows += len(b.rows)
	}
	if _, told := x.findings["batches"]; !told {
		x.ok("batches", "%d batches of 1 to 700 rows, %d rows; a batch of %d rows, and long texts", len(x.feed), rows, largeBatch)
	}
	x.ok("flush", "after %d batches", len(x.feed))
	x.ok("status", "0 from every call")
	x.ok("arena-unwritten", "%d batches as they were laid down", len(x.feed))
	x.emitted(o)
	x.operations(o)
	x.pointers(o)
	x.largerBuffer(o)
	return true
}

// otherwise tries a refused run again with rows that are less unusual, and with change feeds, and keeps to what takes the guest farthest.
func (x *exam) otherwise(refused *outcome) *outcome {
	best := refused
	tries := []Subject{x.subject.gentle()}
	if s, ok := x.subject.withChanges(); ok {
		tries = append(tries, s, s.gentle())
	}
	for _, s := range tries {
		y := *x
		y.subject, y.ports, y.feed = s, *s.ports, feed(s)
		o := y.play(s.Spec, y.feed, manner{})
		if !o.refused() || o.batches > best.batches {
			best, x.subject, x.ports, x.feed = o, y.subject, y.ports, y.feed
		}
		if !o.refused() {
			break
		}
	}
	return best
}

// ended says of a plain run that did not come to its end why it did not. A guest may refuse ports and rows if it says why; what it
// may not do is trap, run out of something or break a clause.
func (x *exam) ended(o *outcome) {
	clause := "batches"
	switch o.where {
	case abi.ExportOpen, abi.ExportFlush:
		clause = strings.TrimPrefix(o.where, abi.Reserved)
	case release:
		x.stop("the guest does not take memory back, see free")
		return
	case allocation:
		x.fail("alloc-inside", "%s", o.why())
		x.stop("the guest gave no memory to the plain run")
		return
	}
	fatal := blame(o.err)
	switch {
	case fatal != "":
		x.fail(fatal, "%s", o.why())
		x.stop("a fatal status ended the plain run, see %s", fatal)
		return
	case o.refused() && clause == "open":
		x.notShown(clause, "it refuses these ports: %s", o.why())
	case o.refused():
		x.notShown(clause, "it refuses these rows: %s", o.why())
	default:
		x.fail(clause, "%s", o.why())
	}
	x.stop("the plain run did not come to its end, see %s", clause)
}

// variations play the same run in other manners.
func (x *exam) variations() {
	s := x.subject.Spec
	if o := x.play(s, nil, manner{}); o.good() {
		x.ok("empty-run", "flushed")
	} else {
		x.fail("empty-run", "%s", o.why())
	}
	x.sandboxes()
	x.same("deterministic", manner{}, "two runs: %d calls into the host and all they brought are equal", x.base.made)
	x.same("arena-not-kept", manner{scribble: true}, "the same when the arena is overwritten after each batch")
	x.same("arena-not-kept", manner{move: true}, "the same when the arena is overwritten after each batch, and when each lies elsewhere")
	x.same("alloc-own", manner{hoard: true}, "the same when other allocations are overwritten before and during the run")
	x.same("offset", manner{layout: abitest.Block{Skip: 3}}, "the same with 3 rows before the first of each column")
	x.same("first-offset", manner{layout: abitest.Block{Lead: 5}}, "the same with offsets that begin at 5")
	x.same("validity", manner{layout: abitest.Block{Bitmaps: true}}, "the same with bitmaps of ones")
	x.large()
	x.emptyBatch()
	x.unknownStatus()
	x.members()
}

// sandboxes plays what the sandbox does in another way than the plain run. It takes no memory that is not aligned.
func (x *exam) sandboxes() {
	x.same("open-block", manner{layout: abitest.Block{Gap: 192}}, "the same with gaps in the block")
	if x.skewed {
		return
	}
	if !x.formed() {
		x.same("open-block", manner{sandbox: true}, "the same with gaps in the block, and in another order")
	}
	before := x.findings["before-open"].Seen
	for range 3 { // the first makes the image, the third gets the second's instance again
		x.same("before-open", manner{image: true}, "%s; the same run from a snapshot of the instance", before)
	}
}

// same plays the run in a manner that must not matter. A guest that tells the time, which goes on with its work, gets a clock that
// stands still where that is what makes the difference.
func (x *exam) same(clause string, m manner, good string, args ...any) {
	if len(x.feed) == 0 && slices.Contains([]string{"offset", "first-offset", "validity", "arena-not-kept"}, clause) {
		x.notShown(clause, "the product has no inputs")
		return
	}
	if x.formed() && slices.Contains([]string{"offset", "first-offset", "validity", "open-block"}, clause) {
		x.notShown(clause, "columns that cross in another form are laid down in one way only")
		return
	}
	o := x.play(x.subject.Spec, x.feed, m)
	different := difference(x.base, o)
	if different != "" && clause != "deterministic" && tellsTime(o) {
		m.still = true
		different = difference(x.play(x.subject.Spec, x.feed, manner{still: true}), x.play(x.subject.Spec, x.feed, m))
	}
	if different == "" && clause == "deterministic" {
		different = otherCalls(x.base, o)
	}
	if different != "" {
		x.fail(clause, "%s", different)
		return
	}
	x.ok(clause, good, args...)
}

func tellsTime(o *outcome) bool {
	return slices.ContainsFunc(o.calls, func(c call) bool { return c.name == abi.ImportClock || c.name == wasiClock })
}

// large runs far larger batches than the plain run's, and values that are larger than a page of memory. A guest may refuse them,
// but it may not trap.
func (x *exam) large() {
	var batches []batch
	for i, port := range x.subject.Spec.Inputs {
		given := x.subject.Rows[port.Name]
		if len(given) == 0 {
			given = x.subject.made(i, 100, 0.3, uint64(i))
			batches = append(batches, batch{i, []abitest.Row{long(given[0], x.ports.inputs[i])}})
		}
		var b batch
		for n := range largeBatch {
			b.input, b.rows = i, append(b.rows, given[n%len(given)])
		}
		batches = append(batches, b)
	}
	if o := x.play(x.subject.Spec, batches, manner{}); o.err != nil {
		x.fail(cmp.Or(blame(o.err), "batches"), "%s", o.why())
	}
}

// largeBatch is as many rows as a host may well give at a time.
const largeBatch = 8192

// long is a row whose texts are longer than a page of memory.
func long(r abitest.Row, c crossing) abitest.Row {
	out := slices.Clone(r)
	for i, v := range out {
		switch v.(type) {
		case string:
			if c.plain.Field(i).Name == abi.ColumnOp {
				continue
			}
			out[i] = strings.Repeat("long ", 20_000)
		case []byte:
			out[i] = make([]byte, 100_000)
		}
	}
	fit(out, c)
	return out
}

// emptyBatch puts batches without rows between the others.
func (x *exam) emptyBatch() {
	if len(x.feed) == 0 {
		x.notShown("empty-batch", "the product has no inputs")
		return
	}
	var batches []batch
	for _, b := range x.feed {
		batches = append(batches, batch{b.input, nil}, b)
	}
	if o := x.play(x.subject.Spec, batches, manner{}); !o.good() {
		x.fail("empty-batch", "%s", o.why())
		return
	}
	x.ok("empty-batch", "one before each of %d batches", len(x.feed))
}

// novel is a status that no version of the ABI has.
const novel = 1000

// unknownStatus answers the first call of each import with Failed, then with a status that nobody knows.
func (x *exam) unknownStatus() {
	var shown []string
	for _, name := range x.answering() {
		failed, unknown := x.playAnswering(name, int64(abi.Failed)), x.playAnswering(name, novel)
		if failed.good() != unknown.good() {
			x.fail("unknown-status", "when %s answers 1, %s; when it answers %d, %s", name, ending(failed), novel, ending(unknown))
			return
		}
		if d := difference(failed, unknown); failed.good() && d != "" {
			x.fail("unknown-status", "when %s answers %d, not 1: %s", name, novel, d)
			return
		}
		shown = append(shown, name)
	}
	if len(shown) == 0 {
		x.notShown("unknown-status", "the guest calls nothing that answers a status")
		return
	}
	x.ok("unknown-status", "%d counts as 1 when answered by %s", novel, listed(shown))
}

func ending(o *outcome) string {
	if o.good() {
		return "the run goes on"
	}
	return o.why()
}

// answering are the imports that the plain run called and that answer a status.
func (x *exam) answering() []string {
	seen := map[string]bool{}
	for _, c := range x.base.calls {
		if c.module == abi.ImportModule && c.name != abi.ImportClock && c.stage != "" {
			seen[c.name] = true
		}
	}
	return slices.Sorted(maps.Keys(seen))
}

// playAnswering plays the run with a status in the place of an import's first answer.
func (x *exam) playAnswering(name string, status int64) *outcome {
	asked := false
	return x.play(x.subject.Spec, x.feed, manner{answer: func(c call) (uint64, bool) {
		if asked || c.module != abi.ImportModule || c.name != name || c.stage == "" {
			return 0, false
		}
		asked = true
		if _, fills := capacity[name]; fills || name == abi.ImportDriverOpen {
			status = -status
		}
		return uint64(status), true
	}})
}

// members answers questions to policy with more than there is to know.
func (x *exam) members() {
	if !slices.ContainsFunc(x.base.calls, func(c call) bool { return c.name == abi.ImportDecide }) {
		x.notShown("members", "the guest never calls decide")
		return
	}
	answer := func(text string) *outcome {
		s := x.subject.Spec
		s.Decide = func([]byte) []byte { return []byte(text) }
		return x.play(s, x.feed, manner{})
	}
	plain := answer(`{"allow":true,"reason":"yes"}`)
	more := answer(`{"since":{"allow":[false,null,1e3,"}"]},"allow":true,"reason":"yes","until":null}`)
	if d := difference(plain, more); d != "" {
		x.fail("members", "with two more members in the answer: %s", d)
		return
	}
	x.ok("members", "the same with two more members in the answer")
}
