package file

import (
	"encoding/base64"
	"strings"
	"unicode/utf8"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/memory"
)

// stringColumn is a column of text, or of bytes that are written as base64.
type stringColumn struct {
	validity
	dt      arrow.DataType
	binary  bool
	trim    bool
	offsets []int32 // one more than values
	data    []byte
}

func (c *stringColumn) text(b []byte) string {
	if c.binary {
		return c.base64(trimSpace(b))
	}
	if !utf8.Valid(b) {
		return "is not UTF-8 text"
	}
	if c.trim {
		b = trimSpace(b)
	}
	c.data = append(c.data, b...)
	c.end()
	return ""
}

func (c *stringColumn) base64(b []byte) string {
	enc := base64.RawStdEncoding
	raw := strings.TrimRight(string(b), "=")
	if strings.ContainsAny(raw, "-_") {
		enc = base64.RawURLEncoding
	}
	out, err := enc.AppendDecode(c.data, []byte(raw))
	if err != nil {
		return notA(b, "base64")
	}
	c.data = out
	c.end()
	return ""
}

// json takes scalars of any type as text: what a draft calls text because its values differ in type is text.
func (c *stringColumn) json(v []byte) string {
	switch v[0] {
	case '"':
		if c.binary {
			return c.base64(unquote(nil, v))
		}
		c.data = unquote(c.data, v)
		c.end()
		return ""
	case '{', '[':
		return notA(v, "text")
	}
	return c.text(v)
}

func (c *stringColumn) end() {
	c.offsets = append(c.offsets, int32(len(c.data)))
	c.append(true)
}

func (c *stringColumn) null() {
	c.offsets = append(c.offsets, int32(len(c.data)))
	c.append(false)
}

func (c *stringColumn) drop() {
	c.validity.drop()
	c.offsets = c.offsets[:c.n+1]
	c.data = c.data[:c.offsets[c.n]]
}

func (c *stringColumn) array() arrow.Array {
	valid, n, nulls := c.take()
	offsets, data := c.offsets, c.data
	c.offsets = append(make([]int32, 0, cap(offsets)), 0)
	c.data = make([]byte, 0, cap(data))
	return arrayOf(c.dt, n, nulls, []*memory.Buffer{valid, memory.NewBufferBytes(bytesOf(offsets)), memory.NewBufferBytes(data)})
}

// listColumn is a column of JSON arrays.
type listColumn struct {
	validity
	dt      *arrow.ListType
	elem    column
	offsets []int32
}

func (c *listColumn) text(b []byte) string { return jsonText(c, b) }

func (c *listColumn) json(v []byte) string {
	if v[0] != '[' {
		return notA(v, "an array")
	}
	before := c.elem.len()
	reason := ""
	eachElement(v, func(e []byte) bool {
		reason = appendJSON(c.elem, c.dt.ElemField(), e)
		return reason == ""
	})
	if reason != "" {
		for c.elem.len() > before {
			c.elem.drop()
		}
		return reason
	}
	c.offsets = append(c.offsets, int32(c.elem.len()))
	c.append(true)
	return ""
}

func (c *listColumn) null() {
	c.offsets = append(c.offsets, int32(c.elem.len()))
	c.append(false)
}

func (c *listColumn) drop() {
	c.validity.drop()
	c.offsets = c.offsets[:c.n+1]
	for c.elem.len() > int(c.offsets[c.n]) {
		c.elem.drop()
	}
}

func (c *listColumn) array() arrow.Array {
	valid, n, nulls := c.take()
	offsets := c.offsets
	c.offsets = append(make([]int32, 0, cap(offsets)), 0)
	elem := c.elem.array()
	defer elem.Release()
	return arrayOf(c.dt, n, nulls, []*memory.Buffer{valid, memory.NewBufferBytes(bytesOf(offsets))}, elem.Data())
}

// structColumn is a column of JSON objects.
type structColumn struct {
	validity
	dt     *arrow.StructType
	fields []column
	seen   []bool
}

func newStructColumn(t *arrow.StructType, f timeFormat, trim bool) (column, error) {
	c := &structColumn{dt: t, seen: make([]bool, t.NumFields())}
	for _, field := range t.Fields() {
		child, err := newColumn(field, f, trim)
		if err != nil {
			return nil, err
		}
		c.fields = append(c.fields, child)
	}
	return c, nil
}

func (c *structColumn) text(b []byte) string { return jsonText(c, b) }

func (c *structColumn) json(v []byte) string {
	if v[0] != '{' {
		return notA(v, "an object")
	}
	reason := appendObject(v, c.dt.Fields(), c.fields, c.seen, c.index, false)
	if reason.text == "" {
		c.append(true)
		return ""
	}
	if reason.column == "" {
		return reason.text
	}
	return reason.column + " " + reason.text
}

func (c *structColumn) index(key []byte) int {
	if i, ok := c.dt.FieldIdx(string(key)); ok {
		return i
	}
	return -1
}

func (c *structColumn) null() {
	for _, f := range c.fields {
		f.null()
	}
	c.append(false)
}

func (c *structColumn) drop() {
	c.validity.drop()
	for _, f := range c.fields {
		f.drop()
	}
}

func (c *structColumn) array() arrow.Array {
	valid, n, nulls := c.take()
	var children []arrow.ArrayData
	for _, f := range c.fields {
		a := f.array()
		defer a.Release()
		children = append(children, a.Data())
	}
	return arrayOf(c.dt, n, nulls, []*memory.Buffer{valid}, children...)
}

// jsonText appends a value of a nested type that stands as JSON in a CSV field.
func jsonText(c column, b []byte) string {
	b = trimSpace(b)
	if !validJSON(b) {
		return notA(b, "JSON")
	}
	return c.json(b)
}
