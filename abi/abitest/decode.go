package abitest

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"unicode/utf8"

	"github.com/adp-host/adp/abi"
)

// Decode reads the ArrowArray of a port's struct at addr of a guest's memory and checks all that the specification asks of
// emitted arrays. Its errors say which column breaks which rule. Nothing that it reads can make it fail otherwise.
func Decode(memory []byte, fields []Field, addr uint32) ([]Row, error) {
	d := decoder{memory: memory}
	root, err := d.array(Field{Name: "batch", Format: "+s", Children: fields}, addr, -1, 0)
	if err != nil {
		return nil, err
	}
	rows := make([]Row, len(root))
	for i, r := range root {
		rows[i] = r.([]any)
	}
	return rows, nil
}

type decoder struct {
	memory []byte
	cells  int // read so far, against arrays that share memory to claim more than they have
}

const maxCells = 1 << 22

var errBounds = errors.New("leaves memory")

func (d *decoder) bytes(addr uint32, n int64, align uint32) ([]byte, error) {
	switch {
	case n == 0:
		return nil, nil
	case n < 0 || int64(addr)+n > int64(len(d.memory)) || n > int64(len(d.memory)):
		return nil, errBounds
	case addr%align != 0:
		return nil, fmt.Errorf("address %d is not aligned to %d", addr, align)
	}
	return d.memory[addr : int64(addr)+n], nil
}

// header is an ArrowArray without its content.
type header struct {
	length, nulls, offset int64
	buffers, children     []uint32
}

func (d *decoder) header(addr uint32, nBuffers, nChildren int) (h header, err error) {
	b, err := d.bytes(addr, abi.ArraySize, 8)
	if err != nil {
		return h, err
	}
	get := func(at int) int64 { return int64(binary.LittleEndian.Uint64(b[at:])) }
	h.length, h.nulls, h.offset = get(abi.ArrayLength), get(abi.ArrayNullCount), get(abi.ArrayOffset)
	switch {
	case h.length < 0 || h.length > math.MaxInt32 || h.offset < 0 || h.offset > math.MaxInt32:
		return h, fmt.Errorf("length %d, offset %d", h.length, h.offset)
	case h.nulls < -1 || h.nulls > h.length:
		return h, fmt.Errorf("null count %d of %d rows", h.nulls, h.length)
	case get(abi.ArrayNBuffers) != int64(nBuffers) || get(abi.ArrayNChildren) != int64(nChildren):
		return h, fmt.Errorf("%d buffers and %d children where the schema has %d and %d", get(abi.ArrayNBuffers), get(abi.ArrayNChildren), nBuffers, nChildren)
	case binary.LittleEndian.Uint32(b[abi.ArrayDictionary:]) != 0:
		return h, errors.New("has a dictionary")
	}
	if h.buffers, err = d.words(binary.LittleEndian.Uint32(b[abi.ArrayBuffers:]), nBuffers); err == nil {
		h.children, err = d.words(binary.LittleEndian.Uint32(b[abi.ArrayChildren:]), nChildren)
	}
	return h, err
}

func (d *decoder) words(addr uint32, n int) ([]uint32, error) {
	b, err := d.bytes(addr, int64(n)*4, 4)
	var out []uint32
	for i := 0; i+4 <= len(b); i += 4 {
		out = append(out, binary.LittleEndian.Uint32(b[i:]))
	}
	return out, err
}

// array reads rows [skip, skip+n) of the array; n < 0: all of them, and the array must have no rows beyond those.
func (d *decoder) array(f Field, addr uint32, n, skip int64) ([]any, error) {
	h, err := d.header(addr, bufferCount(f.Format), len(f.Children))
	if err == nil && n >= 0 && h.length < skip+n {
		err = fmt.Errorf("%d rows where its parent needs %d", h.length, skip+n)
	}
	if n < 0 {
		n = h.length - skip
	}
	if d.cells += int(max(n, 0)); err == nil && d.cells > maxCells {
		err = errors.New("too many values")
	}
	var out []any
	if err == nil {
		out, err = d.values(f, h, h.offset+skip, n)
	}
	if err == nil {
		err = d.blank(f, h, h.offset+skip, out)
	}
	if err == nil && f.Format == "+s" {
		err = required(f, out)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", f.Name, err)
	}
	return out, nil
}

// required checks members of structs that are there.
func required(f Field, structs []any) error {
	for i, s := range structs {
		for j, c := range f.Children {
			if s != nil && s.([]any)[j] == nil && !c.Nullable {
				return fmt.Errorf("member %s is required and null in row %d", c.Name, i)
			}
		}
	}
	return nil
}

// blank replaces the values of null rows by nil.
func (d *decoder) blank(f Field, h header, from int64, values []any) error {
	if h.buffers[0] == 0 {
		if h.nulls > 0 {
			return errors.New("counts nulls but has no validity")
		}
		return nil
	}
	bits, err := d.bytes(h.buffers[0], (from+int64(len(values))+7)/8, 1)
	if err != nil {
		return err
	}
	nulls := int64(0)
	for i := range values {
		at := from + int64(i)
		if bits[at/8]>>(at%8)&1 == 0 {
			values[i] = nil
			nulls++
		}
	}
	switch {
	case nulls > 0 && !f.Nullable:
		return errors.New("is required and has nulls")
	case from == h.offset && int64(len(values)) == h.length && h.nulls >= 0 && h.nulls != nulls:
		return fmt.Errorf("null count %d, there are %d", h.nulls, nulls)
	}
	return nil
}

func bufferCount(format string) int {
	switch format {
	case "u", "z":
		return 3
	case "+s":
		return 1
	}
	return 2
}

func (d *decoder) values(f Field, h header, from, n int64) ([]any, error) {
	switch f.Format {
	case "u", "z":
		return d.texts(f, h, from, n)
	case "+l":
		return d.lists(f, h, from, n)
	case "+s":
		return d.structs(f, h, from, n)
	case "b":
		b, err := d.bytes(h.buffers[1], (from+n+7)/8, 1)
		if err != nil || n == 0 {
			return nil, err
		}
		out := make([]any, n)
		for i := range out {
			at := from + int64(i)
			out[i] = b[at/8]>>(at%8)&1 == 1
		}
		return out, nil
	}
	w := int64(width(f.Format))
	if w <= 0 {
		return nil, fmt.Errorf("format %q is outside the type table", f.Format)
	}
	if n == 0 {
		return nil, nil
	}
	b, err := d.bytes(h.buffers[1], (from+n)*w, uint32(min(w, 8)))
	if err != nil {
		return nil, err
	}
	b = b[from*w:]
	out := make([]any, n)
	for i := range out {
		out[i] = scalar(f.Format, b[int64(i)*w:])
	}
	return out, nil
}

func scalar(format string, b []byte) any {
	switch format {
	case "i", "tdD":
		return int32(binary.LittleEndian.Uint32(b))
	case "f":
		return math.Float32frombits(binary.LittleEndian.Uint32(b))
	case "g":
		return math.Float64frombits(binary.LittleEndian.Uint64(b))
	case "l", "ttu", "tsu:", "tsu:UTC":
		return int64(binary.LittleEndian.Uint64(b))
	}
	return Decimal{binary.LittleEndian.Uint64(b), int64(binary.LittleEndian.Uint64(b[8:]))}
}

// offsets reads n+1 offsets and checks that they do not fall.
func (d *decoder) offsets(addr uint32, from, n int64) ([]int64, error) {
	if n == 0 {
		return []int64{0}, nil
	}
	b, err := d.bytes(addr, (from+n+1)*4, 4)
	if err != nil {
		return nil, err
	}
	out := make([]int64, n+1)
	for i := range out {
		out[i] = int64(int32(binary.LittleEndian.Uint32(b[(from+int64(i))*4:])))
		if out[i] < 0 || i > 0 && out[i] < out[i-1] {
			return nil, fmt.Errorf("offset %d is %d", i, out[i])
		}
	}
	return out, nil
}

func (d *decoder) texts(f Field, h header, from, n int64) ([]any, error) {
	o, err := d.offsets(h.buffers[1], from, n)
	if err != nil {
		return nil, err
	}
	b, err := d.bytes(h.buffers[2], o[n], 1)
	if err != nil {
		return nil, err
	}
	out := make([]any, n)
	for i := range out {
		v := b[o[i]:o[i+1]]
		if f.Format == "z" {
			out[i] = append([]byte{}, v...)
			continue
		}
		if !utf8.Valid(v) {
			return nil, fmt.Errorf("row %d is not UTF-8", i)
		}
		out[i] = string(v)
	}
	return out, nil
}

func (d *decoder) lists(f Field, h header, from, n int64) ([]any, error) {
	o, err := d.offsets(h.buffers[1], from, n)
	if err != nil {
		return nil, err
	}
	elems, err := d.array(f.Children[0], h.children[0], o[n]-o[0], o[0])
	if err != nil {
		return nil, err
	}
	out := make([]any, n)
	for i := range out {
		out[i] = append([]any{}, elems[o[i]-o[0]:o[i+1]-o[0]]...)
	}
	return out, nil
}

// structs reads the members first, so that a length without rows behind it costs nothing.
func (d *decoder) structs(f Field, h header, from, n int64) ([]any, error) {
	members := make([][]any, len(f.Children))
	for j, c := range f.Children {
		if h.nulls != 0 && h.buffers[0] != 0 {
			c.Nullable = true // rows of members under a null mean nothing
		}
		var err error
		if members[j], err = d.array(c, h.children[j], n, from); err != nil {
			return nil, err
		}
	}
	out := make([]any, n)
	for i := range out {
		row := make([]any, len(members))
		for j := range members {
			row[j] = members[j][i]
		}
		out[i] = row
	}
	return out, nil
}
