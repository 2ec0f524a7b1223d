package registry

import (
	"cmp"
	"slices"
	"strings"

	"github.com/adp-host/adp/host"
)

// Find returns the products that match every word of text, best first; an empty text matches all, in the given order.
// A word matches, without regard to case, in the name, domain, tags, ports, columns and descriptions; matches in names
// weigh most.
func Find(products []host.ProductStatus, text string) []host.ProductStatus {
	words := strings.Fields(strings.ToLower(text))
	if len(words) == 0 {
		return products
	}
	type hit struct {
		p     host.ProductStatus
		score int
	}
	var hits []hit
	for _, p := range products {
		total := 0
		for _, w := range words {
			s := score(&p, w)
			if s == 0 {
				total = 0
				break
			}
			total += s
		}
		if total > 0 {
			hits = append(hits, hit{p, total})
		}
	}
	slices.SortStableFunc(hits, func(a, b hit) int { return cmp.Compare(b.score, a.score) })
	out := make([]host.ProductStatus, len(hits))
	for i, h := range hits {
		out[i] = h.p
	}
	return out
}

// score says how well one lower-case word fits a product; 0 not at all.
func score(p *host.ProductStatus, word string) int {
	best := 0
	see := func(text string, weight int) {
		text = strings.ToLower(text)
		switch {
		case text == word:
			best = max(best, 2*weight)
		case strings.Contains(text, word):
			best = max(best, weight)
		}
	}
	see(p.Product, 50)
	see(p.Domain+"/"+p.Product, 45)
	see(p.Domain, 30)
	for _, t := range p.Tags {
		see(t, 25)
	}
	for _, ports := range [][]host.PortStatus{p.Outputs, p.Inputs} {
		for _, port := range ports {
			see(port.Name, 20)
			seeFields(port.Fields, see)
		}
	}
	see(p.Description, 5)
	see(p.Language, 4)
	see(string(p.State), 4)
	return best
}

func seeFields(fields []host.Field, see func(string, int)) {
	for _, f := range fields {
		see(f.Name, 10)
		see(f.Description, 3)
		for _, t := range f.Tags {
			see(t, 8)
		}
		seeFields(f.Type.Fields, see)
	}
}

// Cycle reports products that would feed each other, directly or over others, with the path. nil: there are none.
func Cycle(products []*host.Product) error {
	byID := map[host.ProductID]*host.Product{}
	for _, p := range products {
		byID[p.ID] = p
	}
	done := map[host.ProductID]bool{}
	var path []host.ProductID
	var visit func(p *host.Product) error
	visit = func(p *host.Product) error {
		if at := slices.Index(path, p.ID); at >= 0 {
			names := make([]string, 0, len(path)-at+1)
			for _, id := range append(path[at:], p.ID) {
				names = append(names, id.Domain+"/"+id.Name)
			}
			return host.Errorf(host.CodeNodeCycle, "products would feed each other: %s", strings.Join(names, " ← ")).
				WithHint("a product may read others only if none of them reads it; let one of the inputs come from elsewhere")
		}
		if done[p.ID] {
			return nil
		}
		path = append(path, p.ID)
		for i := range p.Inputs {
			if up, _, ok := p.Inputs[i].Upstream(p.ID.Tenant); ok && byID[up] != nil {
				if err := visit(byID[up]); err != nil {
					return err
				}
			}
		}
		path = path[:len(path)-1]
		done[p.ID] = true
		return nil
	}
	for _, p := range products {
		if err := visit(p); err != nil {
			return err
		}
	}
	return nil
}
