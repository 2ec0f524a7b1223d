package clause

import (
	"cmp"
	"fmt"
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
	if took := len(x.feed[:o.batches]); !o.good() && o.err == nil && took > 0 && took < len(x.feed) {
		x.notShown("batches", "took %d batches, then: %s", took, o.why()) // a guest may refuse rows; the others serve as well
		x.feed = x.feed[:took]
		o = x.play(s, x.feed, manner{})
	}
	x.base = o
	x.lost(o)
	if o.where != abi.ExportOpen && o.where != allocation {
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

// ended says of a plain run that did not come to its end why it did not. A guest may refuse ports and rows; what it may not do is
// trap, run out of something or break a clause.
func (x *exam) ended(o *outcome) {
	clause := "batches"
	switch o.where {
	case abi.ExportOpen, abi.ExportFlush:
		clause = strings.TrimPrefix(o.where, abi.Reserved)
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
	case o.err == nil && clause == "open":
		x.notShown(clause, "it refuses these ports: %s", o.why())
	case o.err == nil && clause == "batches":
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
	before := x.findings["before-open"].Seen
	for range 3 { // the first makes the image, the third gets the second's instance again
		x.same("before-open", manner{image: true}, "%s; the same run from a snapshot of the instance", before)
	}
	x.same("deterministic", manner{}, "two runs: %d calls into the host and all they brought are equal", len(x.base.calls))
	x.same("arena-not-kept", manner{scribble: true}, "the same when the arena is overwritten after each batch")
	x.same("arena-not-kept", manner{move: true}, "the same when the arena is overwritten after each batch, and when each lies elsewhere")
	x.same("alloc-own", manner{hoard: true}, "the same when other allocations are overwritten before and during the run")
	x.same("open-block", manner{sandbox: true}, "the same with a block that is laid out otherwise")
	x.same("offset", manner{layout: abitest.Block{Skip: 3}}, "the same with 3 rows before the first of each column")
	x.same("first-offset", manner{layout: abitest.Block{Lead: 5}}, "the same with offsets that begin at 5")
	x.same("validity", manner{layout: abitest.Block{Bitmaps: true}}, "the same with bitmaps of ones")
	x.large()
	x.emptyBatch()
	x.unknownStatus()
	x.members()
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
		different = otherCalls(x.base.calls, o.calls)
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

// difference is the first thing in which a run differs from the plain one, "" when they are equal.
func difference(base, o *outcome) string {
	if base.good() != o.good() {
		return o.why()
	}
	for _, part := range []struct {
		what       string
		base, then map[string][]abitest.Row
	}{{"output", base.result.Emitted, o.result.Emitted}, {"binding", base.result.Written, o.result.Written}} {
		for _, port := range slices.Sorted(maps.Keys(part.base)) {
			if d := otherRows(part.base[port], part.then[port]); d != "" {
				return part.what + " " + port + ": " + d
			}
		}
		if len(part.then) != len(part.base) {
			return fmt.Sprintf("%d %ss get rows, %d in the plain run", len(part.then), part.what, len(part.base))
		}
	}
	if a, b := fmt.Sprint(o.result.State), fmt.Sprint(base.result.State); a != b {
		return "it leaves another state"
	}
	if a, b := fmt.Sprint(o.result.Metrics), fmt.Sprint(base.result.Metrics); a != b {
		return fmt.Sprintf("metrics %s, %s in the plain run", a, b)
	}
	return ""
}

// otherRows is the first row that differs. Another order is none: what a runtime's hash maps look like may depend on where things lie.
func otherRows(base, then []abitest.Row) string {
	if abitest.Text(base) == abitest.Text(then) {
		return ""
	}
	a, b := sorted(base), sorted(then)
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			return fmt.Sprintf("a row is %s, %s in the plain run", clip(b[i]), clip(a[i]))
		}
	}
	if len(base) != len(then) {
		return fmt.Sprintf("%d rows, %d in the plain run", len(then), len(base))
	}
	return ""
}

func sorted(rows []abitest.Row) []string {
	out := make([]string, len(rows))
	for i, r := range rows {
		out[i] = text(r)
	}
	slices.Sort(out)
	return out
}

// text is a row for people, with all that tells it from others.
func text(r abitest.Row) string {
	out := make([]string, len(r))
	for i, v := range r {
		switch v := v.(type) {
		case float32, float64:
			out[i] = fmt.Sprint(v)
		default:
			out[i] = strings.TrimSuffix(abitest.Text([]abitest.Row{{v}}), "\n")
		}
	}
	return strings.Join(out, ", ")
}

func clip(s string) string {
	if r := []rune(s); len(r) > 80 {
		return string(r[:80]) + "…"
	}
	return s
}

func otherCalls(base, then []call) string {
	for i := range min(len(base), len(then)) {
		if a, b := then[i], base[i]; a != b {
			return fmt.Sprintf("call %d into the host is %s%v → %d, %s%v → %d in the run before", i+1, a.name, a.params, int64(a.result), b.name, b.params, int64(b.result))
		}
	}
	if len(base) != len(then) {
		return fmt.Sprintf("%d calls into the host, %d in the run before", len(then), len(base))
	}
	return ""
}

// large runs far larger batches than the plain run's, and values that are larger than a page of memory. A guest may refuse them,
// but it may not trap.
func (x *exam) large() {
	var batches []batch
	for i, port := range x.subject.Spec.Inputs {
		given := x.subject.Rows[port.Name]
		if len(given) == 0 {
			given = abitest.RandomRows(port.Fields, 100, 0.3, uint64(i))
			batches = append(batches, batch{i, []abitest.Row{long(given[0])}})
			for _, r := range append(given, batches[len(batches)-1].rows...) {
				fit(r, x.ports.inputs[i])
			}
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
func long(r abitest.Row) abitest.Row {
	out := slices.Clone(r)
	for i, v := range out {
		switch v.(type) {
		case string:
			out[i] = strings.Repeat("long ", 20_000)
		case []byte:
			out[i] = make([]byte, 100_000)
		}
	}
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

// emits are the calls that hand arrays over.
func (o *outcome) emits() (out []call) {
	for _, c := range o.calls {
		if c.module == abi.ImportModule && (c.name == abi.ImportEmit || c.name == abi.ImportDriverWrite) {
			out = append(out, c)
		}
	}
	return out
}

// lost looks for arrays that were handed to no port.
func (x *exam) lost(o *outcome) {
	for _, c := range o.emits() {
		if c.status() == abi.NotFound {
			x.fail("emit-port", "%s(%d) answers NotFound: there is no such port", c.name, int32(c.params[0]))
		}
	}
}

// emitted says what the plain run handed over: had anything been wrong with it, the run would have failed.
func (x *exam) emitted(o *outcome) {
	rows := 0
	for _, part := range []map[string][]abitest.Row{o.result.Emitted, o.result.Written} {
		for _, r := range part {
			rows += len(r)
		}
	}
	for _, clause := range []string{"emit-port", "emit-inside", "emit-aligned", "emit-array"} {
		if n := len(o.emits()); n == 0 {
			x.notShown(clause, "nothing was emitted")
		} else {
			x.ok(clause, "%d arrays, %d rows", n, rows)
		}
	}
}

// operations looks at the column _op of upsert outputs.
func (x *exam) operations(o *outcome) {
	rows := 0
	for _, port := range x.subject.Spec.Outputs {
		if port.Mode != abi.ModeUpsert {
			continue
		}
		for i, r := range o.result.Emitted[port.Name] {
			rows++
			if op := r[len(r)-1]; op != nil && op != abi.OpUpsert && op != abi.OpDelete {
				x.fail("operations", "row %d of output %s has %v in %s", i+1, port.Name, op, abi.ColumnOp)
			}
		}
	}
	if rows == 0 {
		x.notShown("operations", "no rows for an upsert output")
		return
	}
	x.ok("operations", "%d rows", rows)
}

// pointers looks whether an import was given an address outside memory, which would have ended the run.
func (x *exam) pointers(o *outcome) {
	for _, c := range o.calls {
		if s := c.status(); s == abi.OutOfBounds || s == abi.Misaligned {
			x.fail("pointers", "%s answers %d", c.name, s)
			return
		}
	}
	x.ok("pointers", "%d calls into the host", len(o.calls))
}

// largerBuffer looks for values that did not fit.
func (x *exam) largerBuffer(o *outcome) {
	again := 0
	for i, c := range o.calls {
		at, fills := capacity[c.name]
		room := uint64(uint32(c.params[at]))
		if !fills || c.module != abi.ImportModule || room == 0 || int64(c.result) <= int64(room) {
			continue
		}
		next := slices.IndexFunc(o.calls[i+1:], func(n call) bool { return n.module == c.module && n.name == c.name })
		if next < 0 || uint64(uint32(o.calls[i+1+next].params[at])) < c.result {
			x.fail("larger-buffer", "%s has %d bytes and was given room for %d; it was not asked again with more", c.name, c.result, room)
			return
		}
		again++
	}
	if again == 0 {
		x.notShown("larger-buffer", "no value was longer than its buffer")
		return
	}
	x.ok("larger-buffer", "%d times", again)
}
