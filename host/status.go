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
