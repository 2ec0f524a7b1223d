package placement

import "github.com/adp-host/adp/host"

// State is all that a plan depends on. Ids are unique; of two entries with one id, one is ignored. The order of the
// lists means nothing.
type State struct {
	Nodes    []Node
	Products []Product
	Quotas   map[string]Quota // by tenant; a tenant that is not there has no quota
}

// Node is a machine that runs products. Ids that products name and that are not in the State are nodes that are dead.
type Node struct {
	ID       string
	Labels   map[string]string
	Features []string // what its build can do, e.g. "duckdb"
	Capacity Capacity
	Alive    bool // its lease has not run out
	Cordoned bool // keeps what it has, gets nothing new
	Draining bool // gives away what fits elsewhere, gets nothing new
}

// Capacity is what a node offers. Zero means no limit, but for Slots.
type Capacity struct {
	Slots     int   // runs at a time; load is shared out in proportion; less than 1 counts as 1
	Products  int   // how many it may own
	Memory    int64 // bytes, of all it owns together
	RunMemory int64 // bytes that the guest of one run may have
}

// Product is a product, what it needs, and where it is.
type Product struct {
	ID      host.ProductID
	Need    Need
	Retired bool       // runs nowhere
	Owner   string     // id of the node that owns it; "" when none does
	Epoch   host.Epoch // of that ownership, or of the last one
	Wish    string     // id of the node where the last plan wanted it, "" for nowhere; if no plan had it yet, its Owner
}

// Need is what a product asks of the node that runs it. The zero Need runs anywhere.
type Need struct {
	Node      string            // id of the only node that may run it
	Labels    map[string]string // that the node must have, with these values
	Features  []string          // that the node must have
	Memory    int64             // bytes that it takes while it is owned (indexes, warm instances), running or not
	RunMemory int64             // bytes of its guest: host.Limits.Memory
	Weight    int64             // load, in any unit that is the same for all, 1 to 1,000,000; less counts as 1
}

// Quota limits the products of a tenant. Zero means no limit.
type Quota struct {
	Products     int   // in all
	Memory       int64 // bytes, in all
	NodeProducts int   // on one node
	NodeMemory   int64 // bytes, on one node
}

// Figures beyond these count as these, so that sums and products of any real mesh stay exact in 64 bits.
const (
	maxWeight = 1_000_000
	maxSlots  = 1_000
	maxMemory = 1 << 46 // 64 TiB
)

func (n *Node) slots() int64 { return int64(min(max(n.Capacity.Slots, 1), maxSlots)) }

func (p *Product) load() Load {
	return Load{
		Products: 1,
		Memory:   min(max(p.Need.Memory, 0), maxMemory),
		Weight:   min(max(p.Need.Weight, 1), maxWeight),
	}
}

// arriving reports whether the product is on its way to a node that does not own it.
func (p *Product) arriving() bool { return p.Wish != "" && p.Wish != p.Owner }
