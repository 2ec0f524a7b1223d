package host

// Effects says where in a product's history to find what it wrote to drivers. A product that never wrote has none.
type Effects struct {
	Total int64    `json:"total"`          // effects of this head and all before it
	Last  *HeadRef `json:"last,omitempty"` // the newest head before this one that has an outbox
}

// Delivered is how far the effects of a product have been delivered: all of the snapshots up to Seq, and the first
// Ordinal of snapshot Seq+1. The zero value is that of a product whose effects have not been delivered at all.
type Delivered struct {
	Seq     Seq   `json:"seq"`
	Ordinal int64 `json:"ordinal,omitempty"`
	Total   int64 `json:"total"` // how many effects that is; Effects.Total less this many are waiting
}

// Before reports whether d is less than o.
func (d Delivered) Before(o Delivered) bool {
	return d.Seq < o.Seq || d.Seq == o.Seq && d.Ordinal < o.Ordinal
}
