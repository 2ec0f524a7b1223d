package placement

import (
	"slices"
	"strings"
)

// nowhere is the index of no node.
const nowhere = -1

// planner is a plan in the making: the state with indices instead of names, and where each product is put so far.
type planner struct {
	nodes   []Node // by id; behind those of the state, those that only products name
	known   int    // how many nodes the state has
	load    []Load // of each node
	slots   []int64
	hashes  []uint64 // of the nodes' ids
	tenants []tenant
	classes []class
	items   []item // by product id
	waiting []int32
}

// item is a product in the making of a plan.
type item struct {
	*Product
	load        Load
	hash        uint64 // of its id
	tenant      int
	class       int
	owner, wish int    // nodes
	at          int    // the node where the plan puts it; counted in the loads
	cause       string // why it does not stay where it was, in words; "" for none
	fit         int    // how many nodes fitted when it was put where it is
}

type tenant struct {
	quota Quota
	load  Load
	on    []Load // by node; nil without a quota for one node
}

// class is what all products have in common that ask for the same node, labels and features.
type class struct {
	open []int32 // the nodes that have it and take new products
}

func newPlanner(s State) *planner {
	p := &planner{nodes: slices.Clone(s.Nodes), items: make([]item, len(s.Products))}
	slices.SortStableFunc(p.nodes, func(a, b Node) int { return strings.Compare(a.ID, b.ID) })
	p.nodes = slices.CompactFunc(p.nodes, func(a, b Node) bool { return a.ID == b.ID })
	p.known = len(p.nodes)
	for i := range s.Products {
		p.items[i].Product = &s.Products[i]
	}
	slices.SortStableFunc(p.items, func(a, b item) int { return a.ID.Compare(b.ID) })
	p.items = slices.CompactFunc(p.items, func(a, b item) bool { return a.ID == b.ID })
	p.resolve()
	p.load = make([]Load, len(p.nodes))
	for i := range p.nodes {
		p.slots = append(p.slots, p.nodes[i].slots())
		p.hashes = append(p.hashes, hash(p.nodes[i].ID))
	}
	tenants, classes := map[string]int{}, map[string]int{}
	for i := range p.items {
		it := &p.items[i]
		it.load, it.hash, it.at = it.Product.load(), hash(it.ID.Tenant, it.ID.Domain, it.ID.Name), nowhere
		it.tenant = p.tenant(tenants, it.ID.Tenant, s.Quotas)
		it.class = p.class(classes, &it.Need)
	}
	return p
}

// resolve turns the ids of nodes that products name into indices. Ids that no node has become nodes that are dead.
func (p *planner) resolve() {
	index := make(map[string]int, len(p.nodes))
	for i := range p.nodes {
		index[p.nodes[i].ID] = i
	}
	find := func(id string) int {
		if id == "" {
			return nowhere
		}
		i, ok := index[id]
		if !ok {
			i = len(p.nodes)
			index[id] = i
			p.nodes = append(p.nodes, Node{ID: id})
		}
		return i
	}
	for i := range p.items {
		it := &p.items[i]
		it.owner, it.wish = find(it.Owner), find(it.Wish)
	}
}

func (p *planner) tenant(index map[string]int, name string, quotas map[string]Quota) int {
	if i, ok := index[name]; ok {
		return i
	}
	t := tenant{quota: quotas[name]}
	if t.quota.NodeProducts > 0 || t.quota.NodeMemory > 0 {
		t.on = make([]Load, len(p.nodes))
	}
	index[name] = len(p.tenants)
	p.tenants = append(p.tenants, t)
	return index[name]
}

func (p *planner) class(index map[string]int, need *Need) int {
	key := classKey(need)
	if i, ok := index[key]; ok {
		return i
	}
	var c class
	for n := range p.known {
		if closed(&p.nodes[n]) == "" && unsuited(need, &p.nodes[n]) == "" {
			c.open = append(c.open, int32(n))
		}
	}
	index[key] = len(p.classes)
	p.classes = append(p.classes, c)
	return index[key]
}

// classKey is equal for needs that unsuited cannot tell apart.
func classKey(need *Need) string {
	if need.Node == "" && len(need.Labels) == 0 && len(need.Features) == 0 {
		return ""
	}
	labels := make([]string, 0, len(need.Labels))
	for k, v := range need.Labels {
		labels = append(labels, k+"\x00"+v)
	}
	slices.Sort(labels)
	features := slices.Sorted(slices.Values(need.Features))
	return need.Node + "\x02" + strings.Join(labels, "\x01") + "\x02" + strings.Join(features, "\x01")
}

// usage is what it would find on node n, itself left out unless it is on n.
func (p *planner) usage(it *item, n int) Usage {
	t := &p.tenants[it.tenant]
	u := Usage{Node: p.load[n], Tenant: t.load}
	if t.on != nil {
		u.TenantOnNode = t.on[n]
	}
	if it.at != nowhere {
		u.Tenant.remove(it.load)
	}
	return u
}

// room says which limit keeps a product from a node that suits it.
func (p *planner) room(it *item, n int) Obstacle {
	u := p.usage(it, n)
	return full(&it.Need, it.load, &p.nodes[n], &p.tenants[it.tenant].quota, &u)
}

// put moves a product to a node, from where it is, in the plan.
func (p *planner) put(it *item, n int) {
	t := &p.tenants[it.tenant]
	if it.at != nowhere {
		p.load[it.at].remove(it.load)
		t.load.remove(it.load)
		if t.on != nil {
			t.on[it.at].remove(it.load)
		}
	}
	it.at = n
	p.load[n].add(it.load)
	t.load.add(it.load)
	if t.on != nil {
		t.on[n].add(it.load)
	}
}

// hash is FNV-1a over the parts and the ends of the parts.
func hash(parts ...string) uint64 {
	h := uint64(14695981039346656037)
	for _, s := range parts {
		for i := 0; i < len(s); i++ {
			h = (h ^ uint64(s[i])) * 1099511628211
		}
		h = (h ^ 0xff) * 1099511628211
	}
	return h
}

// mix spreads the bits of x (the finalizer of SplitMix64).
func mix(x uint64) uint64 {
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}
