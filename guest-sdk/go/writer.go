package adp

import "errors"

// Rows are emitted when this many have come together, or this many bytes.
const (
	batchRows  = 8192
	batchBytes = 4 << 20
)

// Writer takes the rows of an output, or of a binding with write access, as columns: one call to each column's [Builder] for
// each row. Full batches are emitted between handlers and the rest at the end of the run; [Writer.Flush] does it at once.
type Writer struct {
	p    *Product
	port *port
	root Builder
	op   *Builder // _op of upsert outputs
	buf  []byte   // of ArrowArrays

	pending []func() // encode rows that a RowWriter still keeps
	columns bool     // columns are written too: rows are not kept, so that all come in order
}

// Writer is the writer of the named output, or of the binding when there is no such output. There is one for each.
func (p *Product) Writer(name string) *Writer {
	w := p.writer(name)
	w.drain()
	w.fillOp()
	w.columns = true
	return w
}

func (p *Product) writer(name string) *Writer {
	for _, w := range p.writers {
		if w.port.name == name {
			return w
		}
	}
	var at *port
	for _, b := range p.bindings {
		if b.name == name && b.mode == WriteAccess {
			at = b
		}
	}
	for _, o := range p.outputs {
		if o.name == name {
			at = o
		}
	}
	if at == nil {
		at = p.find("output", p.outputs, name)
	}
	w := &Writer{p: p, port: at}
	if at == nil { // the run has failed; what follows goes nowhere
		w.port = &port{what: "output", name: name, root: Field{Kind: KindStruct}}
		return w
	}
	w.root.init(&at.root)
	if last := len(at.fields) - 1; at.mode == Upsert && last >= 0 && at.fields[last].Name == columnOp {
		w.op = &w.root.children[last]
	}
	p.writers = append(p.writers, w)
	return w
}

// Column is the builder of the named column. On upsert outputs it need not be given values for _op: rows without are upserts.
func (w *Writer) Column(name string) *Builder {
	for i := range w.root.children {
		if b := &w.root.children[i]; b.field.Name == name {
			return b
		}
	}
	if w.p.err != nil { // the port is unknown, and that is said already
		b := new(Builder)
		b.init(&Field{Name: name})
		return b
	}
	panic("adp: " + w.port.String() + " has no column " + name + didYouMean(name, w.port.fields))
}

// Columns are the builders of all columns in the contract's order, without _op.
func (w *Writer) Columns() []*Builder {
	var out []*Builder
	for i := range w.root.children {
		if b := &w.root.children[i]; b != w.op {
			out = append(out, b)
		}
	}
	return out
}

// Op is the builder of _op on upsert outputs, nil on others.
func (w *Writer) Op() *Builder { return w.op }

// Len is the number of rows that have not been emitted yet.
func (w *Writer) Len() int {
	if len(w.root.children) == 0 {
		return 0
	}
	return w.root.children[0].n
}

// drain encodes the rows that are kept.
func (w *Writer) drain() {
	for _, f := range w.pending {
		f()
	}
}

// fillOp makes upserts of the rows without an op.
func (w *Writer) fillOp() {
	if w.op == nil {
		return
	}
	for n := w.Len(); w.op.n < n; {
		w.op.absent()
	}
}

// Flush emits the rows that have come together. Columns of different length fail the run.
func (w *Writer) Flush() {
	w.drain()
	n := w.Len()
	if n == 0 && w.even(n) {
		return
	}
	w.fillOp()
	if !w.even(n) {
		w.p.Fail(errors.New(w.port.String() + " got columns of different length: " + w.lengths()))
		return
	}
	w.root.n = n
	w.emit()
	w.root.reset()
}

// emitFull emits when there is enough and rows are complete.
func (w *Writer) emitFull() {
	n := w.Len()
	if n > 0 && (n >= batchRows || w.root.bytes() >= batchBytes) && w.even(n) {
		w.Flush()
	}
}

func (w *Writer) even(n int) bool {
	for i := range w.root.children {
		if b := &w.root.children[i]; b.n != n && (b != w.op || b.n > n) {
			return false
		}
	}
	return true
}

func (w *Writer) lengths() string {
	s := ""
	for i := range w.root.children {
		b := &w.root.children[i]
		if i > 0 {
			s += ", "
		}
		s += b.field.Name + " " + text(b.n)
	}
	return s
}

// emit hands the rows over. Nothing is emitted any more once the run has failed.
func (w *Writer) emit() {
	if w.p.err != nil {
		return
	}
	size := blockSize(&w.root)
	if cap(w.buf) < size {
		w.buf = make([]byte, max(size, 64))
	}
	m := newMemory()
	l := layout{m: m, block: w.buf[:cap(w.buf)]}
	l.base = m.addr(l.block)
	array := l.array(&w.root)
	if w.port.what == "output" {
		w.p.refused(w.p.sys.emit(w.port.index, m, array), "emit to "+w.port.String())
	} else {
		w.p.refused(w.p.sys.driverWrite(w.port.index, m, array), "write to "+w.port.String())
	}
}
