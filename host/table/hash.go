package table

import (
	"hash/maphash"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/adp-host/adp/host/columnar"
)

// key is a hash of a row's values, wide enough to stand for them: among a billion rows two differing ones collide with a
// probability below 10⁻²⁰. The seeds are random and never leave the process, so nobody can make rows that collide.
type key [2]uint64

// hasher makes keys. The zero value is not usable.
type hasher struct {
	seeds [2]maphash.Seed
}

func newHasher() hasher { return hasher{[2]maphash.Seed{maphash.MakeSeed(), maphash.MakeSeed()}} }

func (h hasher) sum(b []byte) key {
	return key{maphash.Bytes(h.seeds[0], b), maphash.Bytes(h.seeds[1], b)}
}

// rows gives the keys of all rows of a batch over some of its columns; null reports rows with a null among them.
func (h hasher) rows(cols []arrow.Array, n int64, yield func(row int64, k key, null bool) error) error {
	var buf []byte
	for i := range n {
		var null bool
		buf, null = columnar.AppendKey(buf[:0], cols, int(i))
		if err := yield(i, h.sum(buf), null); err != nil {
			return err
		}
	}
	return nil
}

// columnsOf picks columns of a batch by position.
func columnsOf(rec arrow.RecordBatch, at []int) []arrow.Array {
	out := make([]arrow.Array, len(at))
	for i, c := range at {
		out[i] = rec.Column(c)
	}
	return out
}
