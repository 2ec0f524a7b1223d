package registry

import (
	"fmt"
	"strings"
	"testing"

	"github.com/adp-host/adp/host"
)

// mesh reads lines "to: from/port …" into products of the domain d.
func mesh(lines ...string) []*host.Product {
	var out []*host.Product
	for _, line := range lines {
		name, inputs, _ := strings.Cut(line, ":")
		p := &host.Product{ID: host.ProductID{Tenant: host.LocalTenant, Domain: "d", Name: name}}
		for i, from := range strings.Fields(inputs) {
			if !strings.Contains(from, ":") {
				from = "adp://./d/" + from
			}
			p.Inputs = append(p.Inputs, host.Input{Name: fmt.Sprintf("in%d", i), From: from, Mode: host.Incremental})
		}
		out = append(out, p)
	}
	return out
}

func edges(es []Edge) string {
	var out []string
	for _, e := range es {
		out = append(out, fmt.Sprintf("%s/%s>%s", e.From.Name, e.Port, e.To.Name))
	}
	return strings.Join(out, " ")
}

func TestLineage(t *testing.T) {
	l := NewLineage(mesh("strikes:file:/data/strikes", "airports:file:/data/airports", "risk:strikes/out airports/out", "report:risk/out strikes/out", "lost:gone/out"))
	id := func(name string) host.ProductID {
		return host.ProductID{Tenant: host.LocalTenant, Domain: "d", Name: name}
	}
	for _, c := range []struct{ what, got, want string }{
		{"up", edges(l.Upstream(id("report"), 0)), "risk/out>report strikes/out>report airports/out>risk strikes/out>risk"},
		{"up 1", edges(l.Upstream(id("report"), 1)), "risk/out>report strikes/out>report"},
		{"down", edges(l.Downstream(id("strikes"), 0)), "strikes/out>report strikes/out>risk risk/out>report"},
		{"of a source", edges(l.Upstream(id("strikes"), 0)), ""},
		{"unknown", edges(l.Downstream(id("nobody"), 0)), ""},
		{"missing", edges(l.Missing()), "gone/out>lost"},
	} {
		if c.got != c.want {
			t.Errorf("%s: %s, want %s", c.what, c.got, c.want)
		}
	}
}

func TestCyclePath(t *testing.T) {
	for _, c := range []struct {
		mesh []*host.Product
		want string
	}{
		{mesh("a:", "b:a/o", "c:a/o b/o", "x:missing/o"), ""},
		{mesh("a:a/o"), "d/a → d/a"},
		{mesh("a:c/o", "b:a/o", "c:b/o", "d:a/o"), "d/a → d/b → d/c → d/a"},
		{mesh("x:b/o", "a:b/o", "b:a/o"), "d/a → d/b → d/a"}, // x hangs on the cycle and is not part of it
	} {
		err := Cycle(c.mesh)
		if c.want == "" {
			if err != nil {
				t.Error(err)
			}
			continue
		}
		if host.CodeOf(err) != host.CodeNodeCycle || !strings.Contains(err.Error(), ": "+c.want+" [") {
			t.Errorf("%v, want %s", err, c.want)
		}
		l := NewLineage(c.mesh)
		if got := l.Downstream(c.mesh[0].ID, 0); len(got) > 2*len(c.mesh) { // walks end
			t.Errorf("%d edges", len(got))
		}
	}
}

func TestFindRanks(t *testing.T) {
	ps := []host.ProductStatus{
		{Domain: "x", Product: "about", Description: "everything about risk"},
		{Domain: "x", Product: "asterisk"},
		{Domain: "x", Product: "risky"},
		{Domain: "x", Product: "strike-risk"},
		{Domain: "x", Product: "risk"},
		{Domain: "x", Product: "nested", Outputs: []host.PortStatus{{Name: "o", Fields: []host.Field{{Name: "l",
			Type: host.Type{Kind: host.List, Elem: &host.Field{Name: "item", Type: host.Type{Kind: host.Struct, Fields: []host.Field{{Name: "risk_level"}}}}}}}}}},
	}
	var got []string
	for _, p := range Find(ps, "Risk") {
		got = append(got, p.Product)
	}
	if want := "risk strike-risk risky asterisk nested about"; strings.Join(got, " ") != want {
		t.Errorf("%v, want %s", got, want)
	}
}
