package abitest

import (
	"fmt"
	"math"
	"math/big"
	"strconv"
	"strings"

	"github.com/adp-host/adp/abi"
)

// Field is a column, list element or struct member; Format is that of the Arrow C Data Interface (abi/SPEC.md §10).
type Field struct {
	Name     string
	Format   string
	Nullable bool
	Children []Field
}

// Port is a port of the open block.
type Port struct {
	Name   string
	Mode   uint32
	Fields []Field
}

// Row holds one value for each column: nil, bool, int32 (also dates), int64 (also times and timestamps), float32, float64,
// string, []byte, Decimal, or []any for lists and for the members of structs.
type Row []any

// Decimal is the unscaled value of a decimal, as its memory has it.
type Decimal struct {
	Lo uint64
	Hi int64
}

// Text is the rows, one a line, in the notation of the golden vectors: integers as they are (decimals unscaled), floats by
// their bits in hexadecimal, text in JSON's quotes, binary as x'…', lists in brackets, structs in braces.
func Text(rows []Row) string {
	var b strings.Builder
	for _, r := range rows {
		for i, v := range r {
			if i > 0 {
				b.WriteString(", ")
			}
			writeValue(&b, v)
		}
		b.WriteByte('\n')
	}
	return b.String()
}

func writeValue(b *strings.Builder, v any) {
	switch v := v.(type) {
	case nil:
		b.WriteString("null")
	case float32:
		if v != v {
			v = float32(math.NaN())
		}
		fmt.Fprintf(b, "f%08x", math.Float32bits(v))
	case float64:
		if v != v {
			v = math.NaN()
		}
		fmt.Fprintf(b, "f%016x", math.Float64bits(v))
	case string:
		quote(b, v)
	case []byte:
		fmt.Fprintf(b, "x'%x'", v)
	case Decimal:
		n := new(big.Int).Lsh(big.NewInt(v.Hi), 64)
		b.WriteString(n.Add(n, new(big.Int).SetUint64(v.Lo)).String())
	case []any:
		b.WriteByte('[')
		for i, e := range v {
			if i > 0 {
				b.WriteString(", ")
			}
			writeValue(b, e)
		}
		b.WriteByte(']')
	default:
		fmt.Fprint(b, v)
	}
}

func quote(b *strings.Builder, s string) {
	b.WriteByte('"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r < ' ':
			fmt.Fprintf(b, `\u%04x`, r)
		default:
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
}

// SchemaText is a port in the notation of the golden vectors: its name and mode, then a line for each column, indented.
func SchemaText(p Port) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s\n", p.Name, ModeName(p.Mode))
	writeFields(&b, p.Fields, "  ")
	return b.String()
}

func writeFields(b *strings.Builder, fields []Field, indent string) {
	for _, f := range fields {
		b.WriteString(indent + f.Name + " " + f.Format)
		if f.Nullable {
			b.WriteByte('?')
		}
		b.WriteByte('\n')
		writeFields(b, f.Children, indent+"  ")
	}
}

// ModeName is the word for a mode.
func ModeName(m uint32) string {
	names := []string{abi.ModeIncremental: "incremental", abi.ModeSnapshot: "snapshot", abi.ModeAppend: "append",
		abi.ModeUpsert: "upsert", abi.ModeReplace: "replace", abi.ModeRead: "read", abi.ModeWrite: "write"}
	if int(m) < len(names) {
		return names[m]
	}
	return "mode " + strconv.Itoa(int(m))
}
