package drivers

import (
	"cmp"
	"context"
	"errors"

	"github.com/apache/arrow-go/v18/arrow"
)

// Key names one effect, and is what makes its delivery idempotent.
type Key struct {
	Product string // who wrote it, as one opaque name; not empty
	Seq     int64  // of the commit that it belongs to, from 1
	Ordinal int64  // within the commit, from 1, over all targets that it writes to
}

// Compare orders the effects of one product as they were written.
func (k Key) Compare(o Key) int {
	return cmp.Or(cmp.Compare(k.Seq, o.Seq), cmp.Compare(k.Ordinal, o.Ordinal))
}

// Delivery is one effect on its way to a target.
type Delivery struct {
	URI     string // of the target: scheme:rest, e.g. file:/data/alerts
	Options map[string]string
	Key     Key
	Epoch   int64 // of the owner that delivers; it rises when another takes over
	// Record is what was written, its schema that of the product's declaration. It may have zero rows. It stays the caller's.
	Record arrow.RecordBatch
}

// Sink takes effects. It is safe for concurrent use.
type Sink interface {
	// Deliver returns nil when the effect is at the target, durable, and there once.
	//
	// The effects of a product come in rising order of their keys, the next one only after the one before it was
	// delivered, wherever that was. A key that has arrived before, or is below one that has, is a repetition: nothing is
	// written, and the answer is nil.
	//
	// A delivery whose epoch is lower than one the target has seen for the product comes from an owner that has been
	// replaced: nothing is written, and the error wraps ErrFenced, whatever the key is. From the first delivery of an
	// epoch on, returned or not, none of a lower epoch may begin to write.
	//
	// After any other error, and after a crash, nobody knows whether the effect has arrived. The host delivers the same
	// key with the same record again, perhaps from another process and in a higher epoch, until it is told nil. Errors
	// that a person can do something about are of type *Error.
	Deliver(ctx context.Context, d Delivery) error
}

// ErrFenced is wrapped by errors that say: a later owner of the product has delivered here. The caller is to stop.
var ErrFenced = errors.New("delivered by an owner that has been replaced")
