package host

import "time"

// ProductStatus is a product as lists show it. The first ten JSON keys are fixed.
type ProductStatus struct {
	Domain       string `json:"domain"`
	Product      string `json:"product"`
	Version      string `json:"version"`
	Language     string `json:"language"`
	Rows         int64  `json:"rows"`     // over all outputs
	Snapshot     Seq    `json:"snapshot"` // newest seq that published; 0: none yet
	ChecksPassed int    `json:"checks_passed"`
	ChecksFailed int    `json:"checks_failed"`
	State        State  `json:"state"`
	Reason       string `json:"reason"` // why it is held, failed or paused; "" else

	Hint        string       `json:"hint,omitempty"` // what to do about the reason
	Node        string       `json:"node,omitempty"` // that owns it
	URL         string       `json:"url"`            // adp://./domain/product
	Description string       `json:"description,omitempty"`
	Tags        []string     `json:"tags,omitempty"`
	Artifact    Digest       `json:"artifact,omitempty"`
	Inputs      []PortStatus `json:"inputs,omitempty"`
	Outputs     []PortStatus `json:"outputs,omitempty"`
	Checks      []Check      `json:"checks,omitempty"` // of the newest snapshot, a held one included; details of one product only

	Effects *EffectStatus `json:"effects,omitempty"` // nil when it has never written to a driver
}

// EffectStatus counts what a product has written to drivers, and says why some of it waits.
type EffectStatus struct {
	Delivered int64  `json:"delivered"`
	Waiting   int64  `json:"waiting"`
	Error     string `json:"error,omitempty"` // of the last delivery; "" when it succeeded or none was tried yet
	Hint      string `json:"hint,omitempty"`  // what to do about it
}

// PortStatus is a port as lists show it.
type PortStatus struct {
	Name    string   `json:"name"`
	Mode    string   `json:"mode"`
	From    string   `json:"from,omitempty"` // inputs
	Rows    int64    `json:"rows"`           // outputs
	Changed Seq      `json:"changed,omitempty"`
	Key     []string `json:"key,omitempty"`
	Fields  []Field  `json:"fields,omitempty"`
}

// RunStatus is a run as lists show it: committed, held and failed ones.
type RunStatus struct {
	Domain  string `json:"domain,omitempty"` // set in lists that cross products
	Product string `json:"product,omitempty"`
	RunRecord
	Seq      Seq       `json:"seq,omitempty"` // of the head it committed; 0: none
	State    RunState  `json:"state"`
	Error    string    `json:"error,omitempty"`
	Code     ErrorCode `json:"code,omitempty"`
	Checks   []Check   `json:"checks,omitempty"`
	Finished time.Time `json:"finished"`
}

// NodeStatus is a node as lists show it.
type NodeStatus struct {
	Node     string            `json:"node"`
	State    string            `json:"state"` // ready, cordoned, draining, drained, lost
	Products int               `json:"products"`
	Slots    int               `json:"slots,omitempty"`
	Leader   bool              `json:"leader"`           // it places products
	Member   string            `json:"member,omitempty"` // of etcd: voter, learner; "" when it carries none
	URL      string            `json:"url,omitempty"`
	Version  string            `json:"version,omitempty"`
	Labels   map[string]string `json:"labels,omitempty"`
	Features []string          `json:"features,omitempty"`
	Memory   int64             `json:"memory,omitempty"` // bytes that products may ask for together
	Boot     string            `json:"boot,omitempty"`   // changes with every start
	Started  time.Time         `json:"started,omitzero"`

	Owns []PlacementStatus `json:"owns,omitempty"` // details of one node only
}

// PlacementStatus says why a product is where it is.
type PlacementStatus struct {
	Product string `json:"product"` // its URL
	Node    string `json:"node,omitempty"`
	Epoch   Epoch  `json:"epoch,omitempty"`
	Why     string `json:"why"`
	// Nodes is what each node would say to the product, by name.
	Nodes map[string]string `json:"nodes,omitempty"`
}

// FleetStatus is all nodes, and what the mesh survives.
type FleetStatus struct {
	Nodes     []NodeStatus `json:"nodes"`
	Tolerance string       `json:"tolerance"` // how many failures are tolerated now, in words
}
