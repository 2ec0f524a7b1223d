package placement

// Load is what a number of products take together.
type Load struct {
	Products int   `json:"products"`
	Memory   int64 `json:"memory_bytes"`
	Weight   int64 `json:"weight"`
}

func (l *Load) add(o Load) {
	l.Products += o.Products
	l.Memory += o.Memory
	l.Weight += o.Weight
}

func (l *Load) remove(o Load) {
	l.Products -= o.Products
	l.Memory -= o.Memory
	l.Weight -= o.Weight
}

// Usage is what is taken already of everything that a product would take its share of on one node. The product itself
// is not counted.
type Usage struct {
	Node         Load // by all products of the node
	TenantOnNode Load // by the products of the product's tenant on that node
	Tenant       Load // by the products of that tenant on all nodes
}

// Tally counts what nodes and tenants carry. A node that accepts claims keeps one up to date.
type Tally struct {
	nodes   map[string]Load
	tenants map[string]Load
	on      map[tenantNode]Load
}

type tenantNode struct{ tenant, node string }

// NewTally is the tally of nothing.
func NewTally() *Tally {
	return &Tally{nodes: map[string]Load{}, tenants: map[string]Load{}, on: map[tenantNode]Load{}}
}

// Owned counts each product on the node that owns it: what a node checks a claim against.
func (s State) Owned() *Tally { return s.tally(func(p *Product) string { return p.Owner }) }

// Wished counts each product on the node where the last plan wanted it: what Plan goes by.
func (s State) Wished() *Tally { return s.tally(func(p *Product) string { return p.Wish }) }

func (s State) tally(where func(*Product) string) *Tally {
	t := NewTally()
	for i := range s.Products {
		p := &s.Products[i]
		if node := where(p); node != "" {
			t.Add(*p, node)
		}
	}
	return t
}

// Add counts a product on a node.
func (t *Tally) Add(p Product, node string) { t.change(p, node, (*Load).add) }

// Remove takes back what Add counted.
func (t *Tally) Remove(p Product, node string) { t.change(p, node, (*Load).remove) }

func (t *Tally) change(p Product, node string, by func(*Load, Load)) {
	l, both := p.load(), tenantNode{p.ID.Tenant, node}
	n, ten, on := t.nodes[node], t.tenants[p.ID.Tenant], t.on[both]
	by(&n, l)
	by(&ten, l)
	by(&on, l)
	t.nodes[node], t.tenants[p.ID.Tenant], t.on[both] = n, ten, on
}

// Node is what a node carries.
func (t *Tally) Node(id string) Load { return t.nodes[id] }

// Tenant is what the products of a tenant take on all nodes.
func (t *Tally) Tenant(name string) Load { return t.tenants[name] }

// Usage is what p would find on a node. If the tally counts p itself, at says where; it is left out. Otherwise at is "".
func (t *Tally) Usage(p Product, node, at string) Usage {
	u := Usage{Node: t.nodes[node], TenantOnNode: t.on[tenantNode{p.ID.Tenant, node}], Tenant: t.tenants[p.ID.Tenant]}
	if at == "" {
		return u
	}
	l := p.load()
	u.Tenant.remove(l)
	if at == node {
		u.Node.remove(l)
		u.TenantOnNode.remove(l)
	}
	return u
}
