package abitest

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"

	"github.com/adp-host/adp/abi"
)

// Block is memory that is being laid out, to be placed at address Base. It is the reference for hosts: plain, not fast.
type Block struct {
	Base  uint32 // 64-byte aligned
	Bytes []byte
	// Skip lays every column of a batch down with so many rows before the first one, hidden by the array's offset.
	Skip int
	// Lead puts so many bytes, or elements, before those of the first row of strings, binaries and lists: offsets begin there.
	Lead int
	// Gap leaves so many bytes of 0xa5 between all that is laid down.
	Gap int
	// Bitmaps lays validity bitmaps down also where nothing is null.
	Bitmaps bool
}

// take reserves n bytes at the next multiple of 64 and returns their address.
func (b *Block) take(n int) uint32 {
	if len(b.Bytes) > 0 {
		b.Bytes = append(b.Bytes, bytes.Repeat([]byte{0xa5}, b.Gap)...)
	}
	for len(b.Bytes)%abi.Alignment != 0 {
		b.Bytes = append(b.Bytes, 0)
	}
	addr := b.Base + uint32(len(b.Bytes))
	b.Bytes = append(b.Bytes, make([]byte, (n+abi.Alignment-1)/abi.Alignment*abi.Alignment)...)
	return addr
}

func (b *Block) at(addr uint32) []byte { return b.Bytes[addr-b.Base:] }

func (b *Block) put32(addr uint32, offset int, v uint32) {
	binary.LittleEndian.PutUint32(b.at(addr)[offset:], v)
}

func (b *Block) put64(addr uint32, offset int, v int64) {
	binary.LittleEndian.PutUint64(b.at(addr)[offset:], uint64(v))
}

// place puts bytes down; nothing has the address 0.
func (b *Block) place(p []byte) uint32 {
	if len(p) == 0 {
		return 0
	}
	addr := b.take(len(p))
	copy(b.at(addr), p)
	return addr
}

func (b *Block) pointers(addrs []uint32) uint32 {
	var p []byte
	for _, a := range addrs {
		p = binary.LittleEndian.AppendUint32(p, a)
	}
	return b.place(p)
}

// Open lays the open block down and returns its address.
func (b *Block) Open(s Spec) uint32 {
	addr := b.take(abi.OpenSize)
	b.put32(addr, abi.OpenVersion, abi.Version)
	if s.Rebuild {
		b.put32(addr, abi.OpenFlags, abi.OpenRebuild)
	}
	for _, t := range []struct {
		ports    []Port
		n, table int
	}{{s.Inputs, abi.OpenNInputs, abi.OpenInputs}, {s.Outputs, abi.OpenNOutputs, abi.OpenOutputs}, {s.Bindings, abi.OpenNBindings, abi.OpenBindings}} {
		b.put32(addr, t.n, uint32(len(t.ports)))
		b.put32(addr, t.table, b.ports(t.ports))
	}
	return addr
}

func (b *Block) ports(ports []Port) uint32 {
	if len(ports) == 0 {
		return 0
	}
	table := b.take(len(ports) * abi.PortSize)
	for i, p := range ports {
		entry := table + uint32(i*abi.PortSize)
		b.put32(entry, abi.PortName, b.place([]byte(p.Name)))
		b.put32(entry, abi.PortNameLen, uint32(len(p.Name)))
		b.put32(entry, abi.PortMode, p.Mode)
		b.put32(entry, abi.PortSchema, b.Schema(Field{Format: "+s", Children: p.Fields}))
	}
	return table
}

// Schema lays an ArrowSchema down and returns its address.
func (b *Block) Schema(f Field) uint32 {
	addr := b.take(abi.SchemaSize)
	b.put32(addr, abi.SchemaFormat, b.place([]byte(f.Format+"\x00")))
	b.put32(addr, abi.SchemaName, b.place([]byte(f.Name+"\x00")))
	if f.Nullable {
		b.put64(addr, abi.SchemaFlags, abi.FlagNullable)
	}
	var children []uint32
	for _, c := range f.Children {
		children = append(children, b.Schema(c))
	}
	b.put64(addr, abi.SchemaNChildren, int64(len(children)))
	b.put32(addr, abi.SchemaChildren, b.pointers(children))
	return addr
}

// Batch lays rows down as the ArrowArray of a port's struct and returns its address: the block's next multiple of 64.
func (b *Block) Batch(fields []Field, rows []Row) uint32 {
	values := make([]any, len(rows))
	for i, r := range rows {
		values[i] = []any(r)
	}
	root := Field{Format: "+s", Children: fields}
	addr := b.take(abi.ArraySize)
	b.put64(addr, abi.ArrayLength, int64(len(rows)))
	b.put64(addr, abi.ArrayNBuffers, 1)
	b.put32(addr, abi.ArrayBuffers, b.pointers([]uint32{0}))
	b.members(addr, root, values)
	return addr
}

func (b *Block) members(addr uint32, f Field, values []any) {
	var children []uint32
	for i, c := range f.Children {
		member := make([]any, len(values))
		for j, v := range values {
			if v != nil {
				member[j] = v.([]any)[i]
			}
		}
		children = append(children, b.array(c, member))
	}
	b.put64(addr, abi.ArrayNChildren, int64(len(children)))
	b.put32(addr, abi.ArrayChildren, b.pointers(children))
}

// array lays one column down. Skipped rows before the first are copies of it.
func (b *Block) array(f Field, values []any) uint32 {
	length := len(values)
	if b.Skip > 0 && length > 0 {
		all := make([]any, 0, b.Skip+length)
		for range b.Skip {
			all = append(all, values[0])
		}
		values = append(all, values...)
	}
	addr := b.take(abi.ArraySize)
	nulls, validity := 0, make([]byte, (len(values)+7)/8)
	for i, v := range values {
		if v != nil {
			validity[i/8] |= 1 << (i % 8)
		} else if i >= len(values)-length {
			nulls++
		}
	}
	b.put64(addr, abi.ArrayLength, int64(length))
	b.put64(addr, abi.ArrayNullCount, int64(nulls))
	b.put64(addr, abi.ArrayOffset, int64(len(values)-length))
	buffers := []uint32{0}
	if nulls > 0 || b.Bitmaps {
		buffers[0] = b.place(validity)
	}
	switch f.Format {
	case "u", "z":
		data := bytes.Repeat([]byte{0xa5}, b.Lead)
		offsets := binary.LittleEndian.AppendUint32(nil, uint32(len(data)))
		for _, v := range values {
			switch v := v.(type) {
			case string:
				data = append(data, v...)
			case []byte:
				data = append(data, v...)
			}
			offsets = binary.LittleEndian.AppendUint32(offsets, uint32(len(data)))
		}
		buffers = append(buffers, b.place(offsets), b.place(data))
	case "+l":
		elems := b.before(values)
		offsets := binary.LittleEndian.AppendUint32(nil, uint32(len(elems)))
		for _, v := range values {
			if v != nil {
				elems = append(elems, v.([]any)...)
			}
			offsets = binary.LittleEndian.AppendUint32(offsets, uint32(len(elems)))
		}
		buffers = append(buffers, b.place(offsets))
		b.put64(addr, abi.ArrayNChildren, 1)
		b.put32(addr, abi.ArrayChildren, b.pointers([]uint32{b.array(f.Children[0], elems)}))
	case "+s":
		skip := b.Skip
		b.Skip = 0 // the struct's own offset moves its members already
		b.members(addr, f, values)
		b.Skip = skip
	default:
		buffers = append(buffers, b.place(fixed(f, values)))
	}
	b.put64(addr, abi.ArrayNBuffers, int64(len(buffers)))
	b.put32(addr, abi.ArrayBuffers, b.pointers(buffers))
	return addr
}

// before are Lead copies of the first element of lists; none where there is no element to copy.
func (b *Block) before(lists []any) []any {
	for _, v := range lists {
		if elems, _ := v.([]any); len(elems) > 0 {
			return slices.Repeat(elems[:1], b.Lead)
		}
	}
	return []any{}
}

// fixed is the values buffer of a column of fixed width. What lies under a null is 0xa5, so that a guest that looks there
// is found out.
func fixed(f Field, values []any) []byte {
	w := width(f.Format)
	if w == 0 {
		bits := make([]byte, (len(values)+7)/8)
		for i, v := range values {
			if v == nil || v.(bool) {
				bits[i/8] |= 1 << (i % 8)
			}
		}
		return bits
	}
	var out []byte
	for _, v := range values {
		if v == nil {
			for range w {
				out = append(out, 0xa5)
			}
			continue
		}
		if d, ok := v.(Decimal); ok {
			out = binary.LittleEndian.AppendUint64(out, d.Lo)
			v = d.Hi
		}
		var err error
		if out, err = binary.Append(out, binary.LittleEndian, v); err != nil {
			panic(fmt.Sprintf("abitest: column %s: %v", f.Name, err))
		}
	}
	return out
}

// width is the bytes of a value, 0 for booleans, −1 for formats without a fixed width or outside the type table.
func width(format string) int {
	switch format {
	case "b":
		return 0
	case "i", "f", "tdD":
		return 4
	case "l", "g", "ttu", "tsu:", "tsu:UTC":
		return 8
	}
	if strings.HasPrefix(format, "d:") {
		return 16
	}
	return -1
}
