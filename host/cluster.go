package host

import "time"

// Spec is the registration of a product with a mesh: which artifact runs and how it is controlled.
type Spec struct {
	Product    ProductID         `json:"product"`
	Artifact   Digest            `json:"artifact"`   // of the registry manifest
	Generation int64             `json:"generation"` // rises with every change of the spec
	Paused     bool              `json:"paused,omitempty"`
	Retired    bool              `json:"retired,omitempty"`
	Config     map[string]string `json:"config,omitempty"` // overrides of the product's settings
	// Sources overrides where file inputs and drivers lie, by name: a URI. Set when an artifact built elsewhere is run here.
	Sources map[string]string `json:"sources,omitempty"`
	Changed time.Time         `json:"changed"`
}

// Ownership is the right of one node to run a product. The commit of a head compares Revision, so that only the
// current owner can publish.
type Ownership struct {
	Product  ProductID `json:"product"`
	Node     string    `json:"node"`
	Epoch    Epoch     `json:"epoch"`
	Revision int64     `json:"-"` // etcd ModRevision of the own key
}
