package build

import (
	"fmt"
	"slices"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/adp-host/adp/host"
)

// PortChange is how an output differs from what is published of it.
type PortChange struct {
	Port     string   `json:"port"`
	State    string   `json:"state"` // new, gone or changed
	Columns  []string `json:"columns,omitempty"`
	Breaking bool     `json:"breaking"` // whoever reads it may fail
}

// ComparePorts holds the outputs of a product against those that are published, and tells those that differ.
func ComparePorts(published []host.PortStatus, p *host.Product) []PortChange {
	out := []PortChange{}
	for _, was := range published {
		_, now := p.Output(was.Name)
		if now == nil {
			out = append(out, PortChange{Port: was.Name, State: "gone", Breaking: true})
			continue
		}
		c := PortChange{Port: was.Name, State: "changed"}
		for _, f := range was.Fields {
			c.column(f, now.Schema)
		}
		for _, f := range now.Schema.Fields {
			if !slices.ContainsFunc(was.Fields, func(w host.Field) bool { return w.Name == f.Name }) {
				c.Columns = append(c.Columns, "+ "+described(f))
			}
		}
		if was.Mode != string(now.Mode) {
			c.Columns = append(c.Columns, fmt.Sprintf("mode %s, was %s", now.Mode, was.Mode))
			c.Breaking = true
		}
		if len(c.Columns) > 0 {
			out = append(out, c)
		}
	}
	for _, o := range p.Outputs {
		if !slices.ContainsFunc(published, func(w host.PortStatus) bool { return w.Name == o.Name }) {
			out = append(out, PortChange{Port: o.Name, State: "new"})
		}
	}
	return out
}

// column says what became of a published column.
func (c *PortChange) column(was host.Field, now host.Schema) {
	i := now.Index(was.Name)
	if i < 0 {
		c.Columns, c.Breaking = append(c.Columns, "- "+described(was)), true
		return
	}
	if is := now.Fields[i]; described(is) != described(was) {
		c.Columns = append(c.Columns, described(is)+", was "+described(was))
		c.Breaking = c.Breaking || is.Type.String() != was.Type.String() || was.Required
	}
}

func described(f host.Field) string {
	if f.Required {
		return f.Name + " " + f.Type.String() + ", required"
	}
	return f.Name + " " + f.Type.String()
}

// CompareVersions holds the rows of two versions of a product against each other, output by output, where both have the same
// columns. Expected are those of the first.
func CompareVersions(p *host.Product, before, after map[string][]arrow.RecordBatch) []Difference {
	out := []Difference{}
	for i := range p.Outputs {
		o := &p.Outputs[i]
		if was := before[o.Name]; len(was) == 0 || len(after[o.Name]) == 0 || was[0].Schema().Equal(after[o.Name][0].Schema()) {
			out = append(out, compareRows(o, textRows(was), textRows(after[o.Name])))
		}
	}
	return out
}

// Reader is a product that reads what is about to change.
type Reader struct {
	Product string `json:"product"` // adp://./domain/product
	Input   string `json:"input"`
	Port    string `json:"port"` // that it reads
	Effect  string `json:"effect"`
}

// Readers names the products that read ports which change, and says how that may show.
func Readers(all []host.ProductStatus, p *host.Product, ports []PortChange, rows []Difference) []Reader {
	out := []Reader{}
	for _, st := range all {
		for _, in := range st.Inputs {
			from := host.Input{Name: in.Name, From: in.From}
			id, port, ok := from.Upstream(p.ID.Tenant)
			if !ok || id != p.ID {
				continue
			}
			r := Reader{Product: st.URL, Input: in.Name, Port: port}
			if i := slices.IndexFunc(ports, func(c PortChange) bool { return c.Port == port }); i >= 0 && ports[i].Breaking {
				r.Effect = "its contract breaks"
			} else if i >= 0 {
				r.Effect = "its contract changes"
			} else if j := slices.IndexFunc(rows, func(d Difference) bool { return d.Port == port && !d.Equal() }); j >= 0 {
				r.Effect = fmt.Sprintf("%d rows of the sample go, %d come", len(rows[j].Missing), len(rows[j].Unexpected))
			} else {
				continue
			}
			out = append(out, r)
		}
	}
	return out
}
