package file

import (
	"errors"
	"sync"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/adp-host/adp/drivers"
)

// setAside stands in the ledger instead of a file's hash when nothing of the file was taken. Such a file may change:
// it is then looked at like a new one, since none of its rows can be doubled.
var setAside contentHash

// unfit is why a file of an incremental source can be set aside; nil when it cannot: what went wrong may pass, or
// concerns more than the file, or rows of the file have been delivered already. A file that breaks off after such rows
// fails the read, and is remembered, so that the next read sets it aside before the first row.
func (r *reader) unfit(e entry, err error) *drivers.Error {
	var why *drivers.Error
	of := errors.Is(err, drivers.ErrFormat) || errors.Is(err, drivers.ErrSchema)
	if r.req.Mode != drivers.Incremental || !of || !errors.As(err, &why) {
		return nil
	}
	if r.delivered > 0 {
		r.d.damaged.put(r.l.root.Name(), e, why)
		return nil
	}
	return why
}

// wholeFile tells the receiver of a file that was set aside.
func wholeFile(schema *arrow.Schema, mem memory.Allocator, why *drivers.Error) drivers.Batch {
	said := *why
	said.Origin = ""
	none := array.NewRecordBuilder(mem, schema)
	defer none.Release()
	return drivers.Batch{Origin: why.Origin, Record: none.NewRecordBatch(), Rejected: []drivers.Rejected{{
		Origin: why.Origin, Line: max(why.Line, 1), Reason: "the whole file was set aside: " + said.Error(),
	}}}
}

// damagedFiles remembers files that broke off in the middle, by path, size and time.
type damagedFiles struct {
	mu sync.Mutex
	by map[cacheKey]*drivers.Error
}

// maxDamaged bounds what is remembered; forgetting costs another failed read.
const maxDamaged = 10_000

func (d *damagedFiles) put(dir string, e entry, why *drivers.Error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.by == nil || len(d.by) >= maxDamaged {
		d.by = map[cacheKey]*drivers.Error{}
	}
	d.by[keyOf(dir, e)] = why
}

// get returns nil for a file that is not known to be damaged.
func (d *damagedFiles) get(dir string, e entry) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if why := d.by[keyOf(dir, e)]; why != nil {
		return why
	}
	return nil
}
