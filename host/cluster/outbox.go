package cluster

import (
	"context"

	"github.com/adp-host/adp/host"
)

// Delivered is how far the effects of a product have been delivered; the zero value when none have been.
func (c *Cluster) Delivered(ctx context.Context, id host.ProductID) (host.Delivered, error) {
	return recordOf[host.Delivered](ctx, c, id, outKey(id), "what is delivered")
}

// Acknowledge records that the effects of a product are delivered up to to, if own is still the ownership and from is
// what was recorded before.
//
// It fails with R005 when the ownership or the record has moved: whoever moved it has delivered, or will. It fails with
// an error that wraps ErrUnknown when ctx ended before the result was known.
func (c *Cluster) Acknowledge(ctx context.Context, own host.Ownership, from, to host.Delivered) error {
	if err := checkID(own.Product); err != nil {
		return err
	}
	if !from.Before(to) {
		return host.Errorf(host.CodeNodeConflict, "the effects of %s are delivered up to %d+%d; that is not taken back to %d+%d",
			own.Product.URL(), from.Seq, from.Ordinal, to.Seq, to.Ordinal)
	}
	other, err := replaceRecord(ctx, c, own, outKey(own.Product), "acknowledging effects", from, to)
	if err != nil || other == nil {
		return err
	}
	return host.Errorf(host.CodeRunLostOwner, "the effects of %s are not delivered up to %d+%d any more, but to %s",
		own.Product.URL(), from.Seq, from.Ordinal, other)
}
