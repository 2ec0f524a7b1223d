package host

import (
	"cmp"
	"fmt"
	"strings"
	"time"
)

// LocalTenant is the tenant of a node that nobody shares.
const LocalTenant = "local"

// ProductID names a product within a mesh.
type ProductID struct {
	Tenant string `json:"tenant"`
	Domain string `json:"domain"`
	Name   string `json:"name"`
}

// String is the path form tenant/domain/name, which is also the tail of its etcd keys.
func (id ProductID) String() string { return id.Tenant + "/" + id.Domain + "/" + id.Name }

// URL is the product's address in the current mesh: adp://./domain/name.
func (id ProductID) URL() string { return "adp://./" + id.Domain + "/" + id.Name }

// Compare orders ids by tenant, domain and name.
func (id ProductID) Compare(o ProductID) int {
	return cmp.Or(strings.Compare(id.Tenant, o.Tenant), strings.Compare(id.Domain, o.Domain), strings.Compare(id.Name, o.Name))
}

// ParseProductID reads the form of String.
func ParseProductID(s string) (ProductID, error) {
	p := strings.Split(s, "/")
	if len(p) != 3 || p[0] == "" || p[1] == "" || p[2] == "" {
		return ProductID{}, fmt.Errorf("product id %q is not tenant/domain/name", s)
	}
	return ProductID{Tenant: p[0], Domain: p[1], Name: p[2]}, nil
}

// Digest is a content address, "sha256:" and 64 lower-case hex digits.
type Digest string

// Epoch is the fencing number of one ownership of a product; it rises with every claim and is never reused.
type Epoch int64

// Seq numbers the heads of a product from 1, without gaps.
type Seq int64

// Product is a product as its documents declare it, compiled: names resolved, defaults applied, schemas typed.
type Product struct {
	ID          ProductID         `json:"id"`
	UUID        string            `json:"uuid"`    // ODPS id
	Version     string            `json:"version"` // of the artifact, semantic
	Status      string            `json:"status"`
	Description string            `json:"description,omitempty"`
	Tags        []string          `json:"tags,omitempty"`
	Code        Code              `json:"code"`
	Inputs      []Input           `json:"inputs"`
	Outputs     []Output          `json:"outputs"`
	Bindings    []Binding         `json:"bindings,omitempty"`
	Schedule    Schedule          `json:"schedule"`
	Limits      Limits            `json:"limits"`
	Placement   Placement         `json:"placement,omitzero"`
	Retention   Retention         `json:"retention,omitzero"`
	Config      map[string]string `json:"config,omitempty"`
}

// Input returns the index and declaration of the named input; index -1 when there is none.
func (p *Product) Input(name string) (int, *Input) {
	for i := range p.Inputs {
		if p.Inputs[i].Name == name {
			return i, &p.Inputs[i]
		}
	}
	return -1, nil
}

// Output returns the index and declaration of the named output; index -1 when there is none.
func (p *Product) Output(name string) (int, *Output) {
	for i := range p.Outputs {
		if p.Outputs[i].Name == name {
			return i, &p.Outputs[i]
		}
	}
	return -1, nil
}

// Code says what language the logic is written in and where its source lies, relative to the documents.
type Code struct {
	Language string `json:"language"` // go, rust, c, …; shown to people
	Path     string `json:"path"`     // folder of the source, or a .wasm file
	// NaNs is CanonicalNaNs for code that looks at the bits of NaNs, "" for all other.
	NaNs string `json:"nans,omitempty"`
	// Function is what an Extism plug-in exports for the batches of its input, "" for all other code.
	Function string `json:"function,omitempty"`
	// Encoding is how an Extism plug-in reads and writes batches: one of Encodings, "" for all other code.
	Encoding string `json:"encoding,omitempty"`
}

// Extism is the language of products whose code is an Extism plug-in, whatever that is written in.
const Extism = "extism"

// Encodings of batches for Extism plug-ins.
const (
	NDJSON  = "ndjson"  // an object a line
	JSON    = "json"    // an array of objects
	Columns = "columns" // the structs of abi/SPEC.md §6, addresses counted from the beginning of the batch
)

// CanonicalNaNs makes every NaN that arithmetic gives the canonical one, on every engine and machine.
const CanonicalNaNs = "canonical"

// InputMode says what of its upstream an input delivers to a run.
type InputMode string

const (
	// Incremental delivers what is new since the cursor; over upsert and replace ports, changes with their op.
	Incremental InputMode = "incremental"
	// Snapshot delivers the whole current table, before any incremental input.
	Snapshot InputMode = "snapshot"
)

// OnChange says what a changed snapshot input does to a product that has other inputs.
type OnChange string

const (
	// Rebuild recomputes everything from the beginning of all inputs. It is the default.
	Rebuild OnChange = "rebuild"
	// Lookup runs nothing: rows that arrive later see the new table.
	Lookup OnChange = "lookup"
)

// Input is a declared input port.
type Input struct {
	Name           string    `json:"name"`
	From           string    `json:"from"` // adp://./domain/product/port or file:PATH
	Mode           InputMode `json:"mode"`
	OnChange       OnChange  `json:"on_change,omitempty"` // snapshot inputs only
	Schema         Schema    `json:"schema"`              // what the guest sees, without reserved columns
	ContractID     string    `json:"contract_id"`
	Version        string    `json:"version"`
	ContractDigest Digest    `json:"contract_digest,omitempty"` // pinned in adp.lock
	Options        Options   `json:"options,omitempty"`         // for the driver: format, delimiter, …
	Forms          Forms     `json:"forms,omitempty"`
}

// Options are settings of one driver use, by name.
type Options map[string]string

// Upstream returns the product and port that the input reads, and false for inputs that are not products.
func (in *Input) Upstream(tenant string) (ProductID, string, bool) {
	rest, ok := strings.CutPrefix(in.From, "adp://./")
	if !ok {
		return ProductID{}, "", false
	}
	p := strings.Split(rest, "/")
	if len(p) != 3 {
		return ProductID{}, "", false
	}
	return ProductID{Tenant: tenant, Domain: p[0], Name: p[1]}, p[2], true
}

// OutputMode says how emitted rows change the table of an output port.
type OutputMode string

const (
	Append  OutputMode = "append"  // rows are added
	Upsert  OutputMode = "upsert"  // rows replace those with the same key; _op "delete" removes them
	Replace OutputMode = "replace" // the rows of a run are the whole new table
)

// Output is a declared output port.
type Output struct {
	Name        string     `json:"name"`
	Description string     `json:"description,omitempty"`
	Mode        OutputMode `json:"mode"`
	Key         []string   `json:"key,omitempty"` // upsert: column names, at least one, all required
	Schema      Schema     `json:"schema"`
	Rules       []Rule     `json:"rules,omitempty"`
	ContractID  string     `json:"contract_id"`
	Version     string     `json:"version"`
	Forms       Forms      `json:"forms,omitempty"`
}

// Binding is a driver the guest may read from or write to by name, beside its inputs and outputs.
type Binding struct {
	Name    string  `json:"name"`
	URI     string  `json:"uri"`    // file:PATH, …
	Access  string  `json:"access"` // read, write
	Schema  Schema  `json:"schema"`
	Options Options `json:"options,omitempty"`
	Forms   Forms   `json:"forms,omitempty"`
	// Compute says that the driver answers statements over the inputs of the run, a Statement each time it is opened. The inputs of
	// a product that has such a binding go there, and not to its guest.
	Compute bool `json:"compute,omitempty"`
}

// Statement is what a guest asks a compute driver, as JSON the request of driver_open.
type Statement struct {
	Text string `json:"text"`
	File string `json:"file,omitempty"` // that it stands in, for errors
}

// Compute is the product's first binding to a compute driver, nil when it has none.
func (p *Product) Compute() *Binding {
	for i := range p.Bindings {
		if p.Bindings[i].Compute {
			return &p.Bindings[i]
		}
	}
	return nil
}

// Schedule says when a product runs beside when it is triggered.
type Schedule struct {
	OnInputs bool          `json:"on_inputs"`
	Every    time.Duration `json:"every,omitempty"` // nanoseconds; 0: never by time
}

// Placement is what a product asks of the node that owns it. The zero Placement runs anywhere.
type Placement struct {
	Node     string            `json:"node,omitempty"`     // the only node that may own it
	Labels   map[string]string `json:"labels,omitempty"`   // that the node must have, with these values
	Features []string          `json:"features,omitempty"` // that the node must have, e.g. a compute driver
	Memory   int64             `json:"memory,omitempty"`   // bytes that it takes on its node while it is owned, running or not
	Weight   int64             `json:"weight,omitempty"`   // load, compared with that of others; 0: 1
}

// Limits bound one run of a product. Zero values mean the node's defaults (DefaultLimits).
type Limits struct {
	Memory   int64         `json:"memory_bytes"`
	Deadline time.Duration `json:"deadline_ns"`
	Fuel     int64         `json:"fuel"`         // units of the cost table in host/wasm
	Stack    int64         `json:"stack_bytes"`  // native stack of guest frames
	Output   int64         `json:"output_bytes"` // logical, expanded
	Logs     int64         `json:"log_bytes"`
	State    int64         `json:"state_bytes"`
}

// DefaultLimits are what a product gets that asks for nothing.
var DefaultLimits = Limits{
	Memory:   64 << 20,
	Deadline: 30 * time.Second,
	Fuel:     200_000_000_000,
	Stack:    8 << 20, // a thousand frames of Go or of a JSON decoder need 3 MiB
	Output:   4 << 30,
	Logs:     256 << 10,
	State:    256 << 20,
}

// WithDefaults replaces each zero by the default.
func (l Limits) WithDefaults() Limits {
	d := DefaultLimits
	set := func(p *int64, v int64) {
		if *p == 0 {
			*p = v
		}
	}
	set(&l.Memory, d.Memory)
	set((*int64)(&l.Deadline), int64(d.Deadline))
	set(&l.Fuel, d.Fuel)
	set(&l.Stack, d.Stack)
	set(&l.Output, d.Output)
	set(&l.Logs, d.Logs)
	set(&l.State, d.State)
	return l
}
