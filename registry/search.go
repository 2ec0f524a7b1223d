package registry

import (
	"cmp"
	"slices"
	"strings"
	"unicode"

	"github.com/adp-host/adp/host"
)

// Find returns the products that match every word of text, best first; products that match equally well, and all of
// them when text is empty, stay in the given order.
//
// A word matches, whatever its case, in names, domains, tags, ports, columns and descriptions. What it matches weighs
// by where it stands (see score), and more the more of a word it is: the whole, the beginning, a part.
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
	for i := range products {
		if total := scoreAll(&products[i], words); total > 0 {
			hits = append(hits, hit{products[i], total})
		}
	}
	slices.SortStableFunc(hits, func(a, b hit) int { return cmp.Compare(b.score, a.score) })
	out := make([]host.ProductStatus, len(hits))
	for i, h := range hits {
		out[i] = h.p
	}
	return out
}

func scoreAll(p *host.ProductStatus, words []string) int {
	total := 0
	for _, w := range words {
		s := score(p, w)
		if s == 0 {
			return 0
		}
		total += s
	}
	return total
}

// score says how well one lower-case word fits a product; 0 not at all.
func score(p *host.ProductStatus, word string) int {
	best := 0
	see := func(text string, weight int) { best = max(best, weight*fit(text, word)) }
	see(p.Product, 50)
	see(p.Domain+"/"+p.Product, 45)
	see(p.URL, 40)
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
		if f.Type.Elem != nil {
			seeFields([]host.Field{*f.Type.Elem}, see)
		}
	}
}

// fit is how much of text a lower-case word is: 5 the text, 4 a word of it, 3 the beginning of a word, 1 a part.
func fit(text, word string) int {
	text = strings.ToLower(text)
	switch {
	case text == word:
		return 5
	case !strings.Contains(text, word):
		return 0
	}
	best := 1
	for w := range strings.FieldsFuncSeq(text, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) }) {
		switch {
		case w == word:
			return 4
		case strings.HasPrefix(w, word):
			best = 3
		}
	}
	return best
}
