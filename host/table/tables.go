package table

import (
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/adp-host/adp/drivers"
)

// Options tune Tables. The zero value is usable.
type Options struct {
	// BufferBytes is how many bytes of rows a stage holds in memory before it starts writing data files. 0: 32 MiB.
	BufferBytes int64
	// IndexRows bounds the rows that all in-memory indexes together hold between commits. The index of the port that
	// committed longest ago is dropped first, and built again by a scan when it is needed. 0: 16 Mi (about 40 bytes each).
	IndexRows int64
	// Allocator of Arrow memory. nil: memory.DefaultAllocator.
	Allocator memory.Allocator
}

func (o Options) withDefaults() Options {
	if o.BufferBytes == 0 {
		o.BufferBytes = 32 << 20
	}
	if o.IndexRows == 0 {
		o.IndexRows = 16 << 20
	}
	if o.Allocator == nil {
		o.Allocator = memory.DefaultAllocator
	}
	return o
}

// Tables stages and reads ports as Iceberg tables. It is safe for concurrent use; a port has one Stage at a time.
type Tables struct {
	store   drivers.Store
	opts    Options
	sizes   sizes
	hash    hasher
	states  states
	indexes indexCache
}

// New keeps tables in store.
func New(store drivers.Store, o Options) *Tables {
	return &Tables{store: store, opts: o.withDefaults(), sizes: defaultSizes, hash: newHasher()}
}
