package cluster

import (
	"context"

	"github.com/adp-host/adp/host"
)

// Kept is how far back the history of a product reaches; the zero value when all of it does.
func (c *Cluster) Kept(ctx context.Context, id host.ProductID) (host.Kept, error) {
	return recordOf[host.Kept](ctx, c, id, keptKey(id), "what is kept")
}

// Keep records how far back the history of a product reaches, if own is still the ownership and from is what was
// recorded before. It never reaches back further than it did.
//
// It fails with R005 when the ownership or the record has moved.
func (c *Cluster) Keep(ctx context.Context, own host.Ownership, from, to host.Kept) error {
	if err := checkID(own.Product); err != nil {
		return err
	}
	if to.From < from.From {
		return host.Errorf(host.CodeNodeConflict, "the history of %s begins at snapshot %d; what was before is gone", own.Product.URL(), from.From)
	}
	other, err := replaceRecord(ctx, c, own, keptKey(own.Product), "expiring snapshots", from, to)
	if err != nil || other == nil {
		return err
	}
	return host.Errorf(host.CodeRunLostOwner, "the history of %s does not begin at snapshot %d any more", own.Product.URL(), from.From)
}
