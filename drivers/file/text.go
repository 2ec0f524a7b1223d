package file

import (
	"bytes"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/adp-host/adp/drivers"
)

// ReadRows reads one JSON object a line, as of a file, into a batch of the schema; empty lines are none. The text may be anybody's: what
// becomes of it takes no more than most bytes, else the error wraps drivers.ErrExceeded. A row that does not fit the schema, or has a
// member that is no column of it, gives a drivers.Error of kind ErrFormat with the line, 1-based.
func ReadRows(schema *arrow.Schema, text []byte, most int64) (arrow.RecordBatch, error) {
	r, err := newRows("", schema, &options{})
	if err != nil {
		return nil, err
	}
	s := &ndjsonScan{rows: r, strict: true, names: map[string]int{}}
	for i, f := range s.fields {
		s.names[f.Name] = i
	}
	row, grows := expansion(schema)
	var room, line int64 = most, 0
	for len(text) > 0 {
		raw, rest, _ := bytes.Cut(text, []byte{'\n'})
		text, line = rest, line+1
		v := trimSpace(raw)
		if len(v) == 0 {
			continue
		}
		if room -= row + int64(len(v))*grows; room < 0 {
			return nil, &drivers.Error{Kind: drivers.ErrExceeded, Line: line, Message: "takes more than there is room for"}
		}
		if bad := s.append(v); bad.text != "" {
			e := &drivers.Error{Kind: drivers.ErrFormat, Line: line, Message: bad.text}
			if bad.column != "" {
				e.Message = "column " + bad.column + " " + bad.text
			}
			return nil, e
		}
		s.accept(line, len(raw))
	}
	b := s.take()
	return b.Record, nil
}

// expansion bounds what rows take in memory: so many bytes each, whatever is in them, and so many for each byte of their text. The shortest
// element of a list and the comma behind it are two bytes.
func expansion(schema *arrow.Schema) (row, grows int64) {
	grows = 1
	for _, f := range schema.Fields() {
		row += width(f.Type, &grows)
	}
	return row, grows
}

// width is what a value of a type takes beside text, in bytes, validity included. Elements of lists raise grows to what a byte of their
// text may take.
func width(t arrow.DataType, grows *int64) (bytes int64) {
	switch t := t.(type) {
	case *arrow.ListType:
		elem := width(t.Elem(), grows)
		*grows = max(*grows, 1+(elem+1)/2)
		return 5
	case *arrow.StructType:
		for _, f := range t.Fields() {
			bytes += width(f.Type, grows)
		}
		return bytes + 1
	case arrow.FixedWidthDataType:
		return int64(t.BitWidth()+7)/8 + 1
	}
	return 5 // text: its offset
}
