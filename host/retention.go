package host

import "time"

// Retention says how much of a product's history stays readable: the newest Snapshots heads, everything that was the
// newest at some moment of the last For, and always the snapshot that was published last. Zero values mean
// DefaultRetention's.
type Retention struct {
	Snapshots int           `json:"snapshots,omitempty"`
	For       time.Duration `json:"for_ns,omitempty"`
}

// DefaultRetention is that of a product which says nothing.
var DefaultRetention = Retention{Snapshots: 100, For: 7 * 24 * time.Hour}

// WithDefaults replaces each zero by the default.
func (r Retention) WithDefaults() Retention {
	if r.Snapshots == 0 {
		r.Snapshots = DefaultRetention.Snapshots
	}
	if r.For == 0 {
		r.For = DefaultRetention.For
	}
	return r
}

// Kept says how far back the history of a product reaches. What is older is not readable any more, and its files go.
type Kept struct {
	From Seq `json:"from"` // the oldest snapshot that is kept; 0: all are
	// Undecided are heads that nobody knows to be committed or not, since etcd was lost: their files stay until a person
	// has decided.
	Undecided []HeadRef `json:"undecided,omitempty"`
}
