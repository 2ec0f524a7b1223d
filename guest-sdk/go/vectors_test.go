package adp

import (
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/adp-host/adp/guest-sdk/go/internal/abi"
	"github.com/adp-host/adp/guest-sdk/go/internal/bridge"
)

// TestVectors: the SDK reads the project's golden vectors as their texts say.
func TestVectors(t *testing.T) {
	files, _ := filepath.Glob("../../abi/abitest/testdata/*.bin")
	if len(files) == 0 {
		t.Skip("NOT CHECKED: the golden vectors are in the project's repository, not here")
	}
	for _, f := range files {
		want, err := os.ReadFile(strings.TrimSuffix(f, ".bin") + ".txt")
		if err != nil {
			t.Fatal(err)
		}
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		if got := readVector(t, b, string(want)); got != string(want) {
			t.Errorf("%s:\n%s\nwant\n%s", f, got, want)
		}
	}
}

func readVector(t *testing.T, b []byte, text string) string {
	var block, array uint32
	if _, err := fmt.Sscanf(text, "block %d\narray %d", &block, &array); err != nil {
		t.Fatal(err)
	}
	m := memory{new(bridge.Memory)}
	m.Map(1<<16, append(make([]byte, 0, len(b)+64), b...))
	open := m.view(block, abi.OpenSize)
	var s strings.Builder
	fmt.Fprintf(&s, "block %d\narray %d\nrebuild %v\n", block, array, u32(open, abi.OpenFlags)&abi.OpenRebuild != 0)
	inputs := readPorts(m, "input", u32(open, abi.OpenNInputs), u32(open, abi.OpenInputs))
	for _, p := range inputs {
		writePort(&s, p)
	}
	for _, p := range readPorts(m, "output", u32(open, abi.OpenNOutputs), u32(open, abi.OpenOutputs)) {
		writePort(&s, p)
	}
	for _, p := range readPorts(m, "binding", u32(open, abi.OpenNBindings), u32(open, abi.OpenBindings)) {
		writePort(&s, p)
	}
	batch := Batch{port: inputs[0]}
	batch.read(m, array)
	fmt.Fprintf(&s, "rows %d\n", batch.Len())
	for i := range batch.Len() {
		for j := range batch.columns {
			if j > 0 {
				s.WriteString(", ")
			}
			writeValue(&s, &batch.columns[j], i)
		}
		s.WriteByte('\n')
	}
	return s.String()
}

func writePort(s *strings.Builder, p *port) {
	fmt.Fprintf(s, "%s %s\n", p, p.mode)
	writeFields(s, p.fields, "  ")
}

func writeFields(s *strings.Builder, fields []Field, indent string) {
	for i := range fields {
		null := ""
		if fields[i].Nullable {
			null = "?"
		}
		fmt.Fprintf(s, "%s%s %s%s\n", indent, fields[i].Name, format(&fields[i]), null)
		writeFields(s, fields[i].Fields, indent+"  ")
	}
}

// writeValue is the notation of the vectors.
func writeValue(s *strings.Builder, c *Column, i int) {
	if c.IsNull(i) {
		s.WriteString("null")
		return
	}
	switch c.Field().Kind {
	case KindBool:
		fmt.Fprint(s, c.Bools().At(i))
	case KindInt32:
		fmt.Fprint(s, c.Int32s()[i])
	case KindInt64:
		fmt.Fprint(s, c.Int64s()[i])
	case KindFloat32:
		fmt.Fprintf(s, "f%08x", fixed[uint32](c, KindFloat32)[i])
	case KindFloat64:
		fmt.Fprintf(s, "f%016x", fixed[uint64](c, KindFloat64)[i])
	case KindDecimal:
		d := c.Decimals()[i]
		n := new(big.Int).Lsh(big.NewInt(d.Hi), 64)
		fmt.Fprint(s, n.Add(n, new(big.Int).SetUint64(d.Lo)))
	case KindDate:
		fmt.Fprint(s, int32(c.Dates()[i]))
	case KindTime:
		fmt.Fprint(s, int64(c.Times()[i]))
	case KindTimestamp, KindTimestampTZ:
		fmt.Fprint(s, int64(c.Timestamps()[i]))
	case KindString:
		s.WriteString(quote(c.Strings().At(i)))
	case KindBinary:
		fmt.Fprintf(s, "x'%x'", c.Binaries().At(i))
	case KindList:
		from, to := c.Lists().At(i)
		s.WriteByte('[')
		for j := from; j < to; j++ {
			if j > from {
				s.WriteString(", ")
			}
			writeValue(s, c.Lists().Elem(), j)
		}
		s.WriteByte(']')
	case KindStruct:
		s.WriteByte('[')
		for j := range c.children {
			if j > 0 {
				s.WriteString(", ")
			}
			writeValue(s, c.Member(c.children[j].field.Name), i)
		}
		s.WriteByte(']')
	}
}
