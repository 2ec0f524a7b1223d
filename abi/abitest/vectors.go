package abitest

import (
	"fmt"
	"strings"

	"github.com/adp-host/adp/abi"
)

// VectorBase is the address at which the bytes of a golden vector lie.
const VectorBase = 1 << 16

// Vector is an open block and a batch of its first input, as testdata has them: NAME.bin is memory from VectorBase on, NAME.txt
// says where in it what lies and what it means. SDKs read the bytes and must come to the same text.
type Vector struct {
	Name string
	Spec Spec
	Rows []Row // of the first input
	Skip int
}

// Vectors are the golden vectors.
func Vectors() []Vector {
	all := ProductSpec()
	changes := ProductSpec()
	changes.Inputs = changes.Inputs[InputChanges : InputChanges+1]
	changes.Rebuild = true
	one := Spec{Inputs: []Port{{"numbers", abi.ModeSnapshot, []Field{{Name: "n", Format: "l"}}}}}
	return []Vector{
		{Name: "empty", Spec: one},
		{Name: "numbers", Spec: one, Rows: []Row{{int64(1)}, {int64(-2)}, {int64(1) << 62}}},
		{Name: "types", Spec: all, Rows: RandomRows(AllFields(), 70, 0.3, 1)},
		{Name: "types-full", Spec: all, Rows: RandomRows(AllFields(), 9, 0, 2)},
		{Name: "types-null", Spec: all, Rows: RandomRows(AllFields(), 9, 1, 3)},
		{Name: "types-offset", Spec: all, Rows: RandomRows(AllFields(), 20, 0.3, 4), Skip: 5},
		{Name: "changes", Spec: changes, Rows: []Row{
			{"a", nil, abi.OpInsert, int64(7)}, {"a", nil, abi.OpUpdateBefore, int64(8)}, {"a", int64(1), abi.OpUpdateAfter, int64(8)}, {"b", int64(2), abi.OpDelete, int64(9)}}},
	}
}

// Encode lays the vector out.
func (v Vector) Encode() (bytes []byte, text string) {
	b := Block{Base: VectorBase, Skip: v.Skip}
	open := b.Open(v.Spec)
	batch := b.Batch(v.Spec.Inputs[0].Fields, v.Rows)
	var s strings.Builder
	fmt.Fprintf(&s, "block %d\narray %d\nrebuild %v\n", open, batch, v.Spec.Rebuild)
	for _, t := range []struct {
		what  string
		ports []Port
	}{{"input", v.Spec.Inputs}, {"output", v.Spec.Outputs}, {"binding", v.Spec.Bindings}} {
		for _, p := range t.ports {
			s.WriteString(t.what + " " + SchemaText(p))
		}
	}
	fmt.Fprintf(&s, "rows %d\n%s", len(v.Rows), Text(v.Rows))
	return b.Bytes, s.String()
}
