package adp

import (
	"encoding/binary"
	"errors"
	"iter"

	"github.com/adp-host/adp/guest-sdk/go/internal/abi"
)

// State is a product's memory from run to run: keys of 1 to 1,024 bytes, values of up to 16 MiB. It is committed with the outputs
// of the run, or not at all.
type State struct{ p *Product }

// Get is the value of a key, and whether there is one.
func (s State) Get(key string) (value []byte, ok bool) {
	return s.p.fill("state get "+key, make([]byte, 256), func(buf []byte) int64 { return s.p.sys.stateGet(key, buf) })
}

// Put sets the value of a key.
func (s State) Put(key string, value []byte) {
	s.p.refused(s.p.sys.statePut(key, value), "state put "+key)
}

// Delete removes a key; it is no mistake when there is none.
func (s State) Delete(key string) {
	if st := s.p.sys.stateDelete(key); st != statusNotFound {
		s.p.refused(st, "state delete "+key)
	}
}

// Int64 is the number that PutInt64 or Add left under a key, 0 when there is none.
func (s State) Int64(key string) int64 {
	b, ok := s.Get(key)
	if !ok {
		return 0
	}
	if len(b) != 8 {
		s.p.Fail(errors.New("state " + key + " is not a number: it has " + text(len(b)) + " bytes"))
		return 0
	}
	return int64(binary.LittleEndian.Uint64(b))
}

// PutInt64 sets a key to a number: eight bytes, little endian.
func (s State) PutInt64(key string, v int64) {
	s.Put(key, binary.LittleEndian.AppendUint64(nil, uint64(v)))
}

// Add adds to the number under a key and returns the sum.
func (s State) Add(key string, delta int64) int64 {
	v := s.Int64(key) + delta
	s.PutInt64(key, v)
	return v
}

// Scan yields the keys with a prefix and their values, in the order of their bytes. The state may change meanwhile: keys before
// the current one do not come back.
func (s State) Scan(prefix string) iter.Seq2[string, []byte] {
	return func(yield func(string, []byte) bool) {
		buf := make([]byte, 32<<10)
		for after := ""; ; {
			n := s.p.sys.stateScan(prefix, after, buf)
			switch {
			case n < 0:
				s.p.refused(Status(-n), "state scan "+prefix)
				return
			case n == 0:
				return
			case n > int64(len(buf)):
				buf = make([]byte, n)
				continue
			}
			for b := buf[:n]; len(b) >= abi.ScanHeader; {
				k, v := u32(b, abi.ScanKeyLen), u32(b, abi.ScanValueLen)
				b = b[abi.ScanHeader:]
				after = string(b[:k])
				value := append([]byte(nil), b[k:k+v]...)
				b = b[k+v:]
				if !yield(after, value) {
					return
				}
			}
		}
	}
}

// fill calls a function of the host that fills a buffer, with a larger one when it asks for it.
func (p *Product) fill(doing string, buf []byte, call func([]byte) int64) (value []byte, ok bool) {
	for {
		n := call(buf)
		switch {
		case n == -int64(statusNotFound):
			return nil, false
		case n < 0:
			p.refused(Status(-n), doing)
			return nil, false
		case n <= int64(len(buf)):
			return buf[:n:n], true
		}
		buf = make([]byte, n)
	}
}
