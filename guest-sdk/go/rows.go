package adp

import (
	"iter"
	"reflect"
	"unsafe"
)

// decodeRows is how many rows are decoded at once: few enough to stay in the processor's cache.
const decodeRows = 256

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
type RowWriter[T any] struct {
	w   *Writer
	e   *rowEncoder
	row T // a copy to take the address of: arguments of Emit need no allocation then
}

// Output is the writer of the named output, or of the binding with write access when there is no such output. Every
// column needs a field of T, by the rules of [OnRow]; nil pointers, Nulls and slices become null.
func Output[T any](p *Product, name string) *RowWriter[T] {
	r := &RowWriter[T]{w: p.Writer(name)}
	if p.err != nil {
		return r
	}
	e, err := newRowEncoder(reflect.TypeFor[T](), r.w.port.fields, r.w.port.String())
	if err != nil {
		p.Fail(err)
		return r
	}
	r.e = e
	return r
}

// Emit adds a row. On an upsert output it replaces the row with the same key, or is added when there is none.
func (r *RowWriter[T]) Emit(row T) { r.add(&row, "") }

// Delete removes the row with the same key from an upsert output; other columns of row do not matter.
func (r *RowWriter[T]) Delete(row T) {
	if r.w.op == nil {
		r.w.p.Fail(errNoDelete(r.w.port.String()))
		return
	}
	r.add(&row, OpDelete)
}

type errNoDelete string

func (e errNoDelete) Error() string {
	return string(e) + " is no upsert output: rows cannot be deleted from it"
}

func (r *RowWriter[T]) add(row *T, op Op) {
	if r.e == nil || r.w.p.err != nil { // the run has failed
		return
	}
	r.row = *row
	w := r.w
	r.e.encode(w.root.children, unsafe.Pointer(&r.row))
	if w.op != nil && !r.e.op {
		if op == "" {
			w.op.absent()
		} else {
			w.op.String(string(op))
		}
	}
	if n := w.root.children[0].n; n&255 == 0 {
		w.emitFull()
	}
}
