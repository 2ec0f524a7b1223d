package manifest

import (
	"github.com/adp-host/adp/abi"
	"github.com/adp-host/adp/host"
)

const (
	// sql is the language of products whose outputs are statements over their inputs, and compute the driver that answers them: its
	// scheme, and the feature of the nodes that have it.
	sql     = "sql"
	compute = "duckdb"
	// sqlMemory is what a run of such a product may have unless it says so: its inputs lie in memory while it computes.
	sqlMemory = 512 << 20
)

// StatementOf is the name of the file that has the statement of an output, and of the binding that answers it.
func StatementOf(output string) string { return output + ".sql" }

// statements gives a product in SQL what its guest asks: a binding for each output, in their order.
func (c *compiler) statements(p *host.Product) {
	if p.Code.Language != sql {
		return
	}
	if len(p.Bindings) > 0 {
		c.add(at(value(c.b.block, "drivers")), host.CodeManifestField, "delete them, or write the product in another language", "a product in SQL reads its inputs, and no drivers")
	}
	for i := range p.Inputs {
		c.plain(p.Inputs[i].Forms, "inputs", p.Inputs[i].Name)
	}
	for i := range p.Outputs {
		o := &p.Outputs[i]
		c.plain(o.Forms, "outputs", o.Name)
		b := host.Binding{Name: StatementOf(o.Name), URI: compute + ":inputs", Access: "read", Schema: o.Schema, Compute: true}
		if o.Mode == host.Upsert {
			b.Schema.Fields = append(b.Schema.Fields[:len(b.Schema.Fields):len(b.Schema.Fields)], host.Field{Name: abi.ColumnOp, Type: host.Type{Kind: host.String}})
		}
		p.Bindings = append(p.Bindings, b)
	}
}

// plain refuses forms: there is no code that could want them.
func (c *compiler) plain(f host.Forms, group, port string) {
	if len(f) > 0 {
		c.add(at(value(value(c.b.block, group), port)), host.CodeManifestField, "delete them", "%s.%s asks for forms, which mean nothing to %s", group, port, text(value(c.b.block, "code"), "language"))
	}
}
