package adp

import (
	"iter"
)

// Read asks a binding with read access for rows. The request means what its driver says; nil asks for everything. Batches are
// valid until the next one. What was read is recorded with the run, so that a replay sees it again.
func (p *Product) Read(binding string, request []byte) iter.Seq[*Batch] {
	return func(yield func(*Batch) bool) {
		port := p.find("binding", p.bindings, binding)
		if port == nil {
			return
		}
		r := p.sys.driverOpen(port.index, request)
		if r < 0 {
			p.refused(Status(-r), "open "+port.String())
			return
		}
		reader := uint32(r)
		defer func() { p.refused(p.sys.driverClose(reader), "close "+port.String()) }()
		b := Batch{product: p, port: port}
		buf := []byte(nil)
		for {
			m, array, s := p.sys.driverNext(reader, &buf)
			if s != 0 {
				p.refused(s, "read "+port.String())
				return
			}
			if array == 0 {
				return
			}
			b.read(m, array)
			if !yield(&b) {
				return
			}
		}
	}
}

// Read is [Product.Read] as structs, by the rules of [OnRow].
func Read[T any](p *Product, binding string, request []byte) iter.Seq[*T] {
	return func(yield func(*T) bool) {
		for b := range p.Read(binding, request) {
			for row := range Rows[T](b) {
				if !yield(row) {
					return
				}
			}
			if p.err != nil {
				return
			}
		}
	}
}
