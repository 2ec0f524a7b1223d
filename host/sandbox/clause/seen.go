package clause

import (
	"slices"

	"github.com/adp-host/adp/abi"
	"github.com/adp-host/adp/abi/abitest"
)

// What a plain run shows of clauses by itself.

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
	x.ok("pointers", "%d calls into the host", o.made)
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
