package run

import (
	"github.com/apache/arrow-go/v18/arrow"

	"github.com/adp-host/adp/host"
	"github.com/adp-host/adp/host/columnar"
)

// crossing is a port between the run, which works with what is stored, and the guest, which may have asked for some
// columns in other forms.
type crossing struct {
	stored, guest *arrow.Schema // the same one where no column has another form
}

// walls are the crossings of a product's ports, by their order in it.
type walls struct{ inputs, outputs, bindings []crossing }

func newCrossing(stored *arrow.Schema, s host.Schema, forms host.Forms) (crossing, error) {
	guest, err := columnar.Crossing(stored, s.Fields, forms)
	return crossing{stored, guest}, err
}

// over is a batch as the guest gets it. The caller releases it.
func (c crossing) over(rec arrow.RecordBatch) (arrow.RecordBatch, error) { return c.as(rec, c.guest) }

// back is a batch of the guest as it is stored. The caller releases it.
func (c crossing) back(rec arrow.RecordBatch) (arrow.RecordBatch, error) { return c.as(rec, c.stored) }

func (c crossing) as(rec arrow.RecordBatch, want *arrow.Schema) (arrow.RecordBatch, error) {
	if c.stored == c.guest {
		rec.Retain()
		return rec, nil
	}
	return columnar.Convert(rec, want)
}
