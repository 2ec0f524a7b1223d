package adp

import (
	"errors"
	"iter"
	"reflect"
	"unsafe"
)

// decodeRows is how many rows are decoded at once: few enough to stay in the processor's cache.
const decodeRows = 256

// encodeRows is how many rows are encoded at once: enough to be fast, few enough to hold large texts.
const encodeRows = 64

// OnRow handles the rows of an input, one after another. T is a struct whose fields stand for columns: the name in the
// field's adp tag, else its own name in snake_case; columns without a field are not read. A field of a nullable column is a
// pointer, a [Null] or a slice, or has the tag option zero: `adp:"cost,zero"`; another fails the run when a null comes.
//
// The row is overwritten after handle returns: copy it (*row) to keep it. What it holds (strings, slices, pointers) may be kept.
func OnRow[T any](p *Product, input string, handle func(row *T) error) {
	port := p.find("input", p.inputs, input)
	if port == nil {
		return
	}
	d, err := newRowDecoder(reflect.TypeFor[T](), port.fields, port.String())
	if err != nil {
		p.Fail(err)
		return
	}
	rows := make([]T, decodeRows)
	p.OnBatch(input, func(b *Batch) error { return each(b, d, rows, handle) })
}

func each[T any](b *Batch, d *rowDecoder, rows []T, handle func(*T) error) error {
	for from := 0; from < b.n; from += decodeRows {
		n := min(decodeRows, b.n-from)
		if err := d.decode(b.columns, from, n, unsafe.Pointer(unsafe.SliceData(rows)), unsafe.Sizeof(rows[0])); err != nil {
			return err
		}
		for i := range n {
			if err := handle(&rows[i]); err != nil {
				return err
			}
		}
	}
	return nil
}

// Rows are the rows of a batch as structs, as [OnRow] gives them. A struct that does not fit the columns fails the run.
func Rows[T any](b *Batch) iter.Seq[*T] {
	return func(yield func(*T) bool) {
		d, err := newRowDecoder(reflect.TypeFor[T](), b.port.fields, b.port.String())
		if err == nil {
			err = each(b, d, make([]T, min(decodeRows, b.n)), func(row *T) error {
				if !yield(row) {
					return errStop
				}
				return nil
			})
		}
		if err != errStop {
			b.product.Fail(err)
		}
	}
}

var errStop error = Status(-1) // of a loop that has been left

// RowWriter takes the rows of an output as structs.
//
// Rows are kept for a moment and encoded column by column, which is several times faster than one by one. Rows that hold pointers or
// slices are encoded at once, since the author may change what they point to after Emit.
type RowWriter[T any] struct {
	w    *Writer
	e    *rowEncoder
	rows []T // not yet encoded
}

// Output is the writer of the named output, or of the binding with write access when there is no such output. Every
// column needs a field of T, by the rules of [OnRow]; nil pointers, Nulls and slices become null.
func Output[T any](p *Product, name string) *RowWriter[T] {
	r := &RowWriter[T]{w: p.writer(name)}
	if p.err != nil {
		return r
	}
	e, err := newRowEncoder(reflect.TypeFor[T](), r.w.port.fields, r.w.port.String())
	if err != nil {
		p.Fail(err)
		return r
	}
	r.e = e
	n := encodeRows
	if e.shared {
		n = 1
	}
	r.rows = make([]T, 0, n)
	r.w.pending = append(r.w.pending, r.drain)
	return r
}

// Emit adds a row. On an upsert output it replaces the row with the same key, or is added when there is none.
func (r *RowWriter[T]) Emit(row T) {
	if r.e == nil { // the run has failed
		return
	}
	if len(r.rows) == 0 && len(r.w.pending) > 1 {
		r.w.drain() // rows of another type came before
	}
	r.rows = append(r.rows, row)
	if len(r.rows) == cap(r.rows) || r.w.columns {
		r.drain()
	}
}

// Delete removes the row with the same key from an upsert output; other columns of row do not matter.
func (r *RowWriter[T]) Delete(row T) {
	switch {
	case r.e == nil:
	case r.w.op == nil:
		r.w.p.Fail(errors.New(r.w.port.String() + " is no upsert output: rows cannot be deleted from it"))
	case r.e.op:
		r.w.p.Fail(errors.New("rows of " + r.w.port.String() + " have their own " + columnOp + ": emit them instead"))
	default:
		r.w.drain()
		r.w.fillOp()
		r.w.op.String(string(OpDelete))
		r.rows = append(r.rows, row)
		r.drain()
	}
}

// drain encodes what is kept.
func (r *RowWriter[T]) drain() {
	n := len(r.rows)
	if n == 0 {
		return
	}
	if r.w.p.err == nil {
		r.e.encode(r.w.root.children, unsafe.Pointer(unsafe.SliceData(r.rows)), unsafe.Sizeof(r.rows[0]), n)
	}
	clear(r.rows)
	r.rows = r.rows[:0]
	if r.w.columns {
		r.w.fillOp()
	}
	r.w.emitFull()
}
