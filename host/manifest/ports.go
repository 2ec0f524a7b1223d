package manifest

import (
	"errors"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/adp-host/adp/host"
)

// declared are the ports of a kind with a name, each once.
func (c *compiler) declared(group, what string) []*yaml.Node {
	var out []*yaml.Node
	seen := map[string]bool{}
	for _, p := range items(c.b.Product.root, group) {
		name := value(p, "name")
		switch {
		case name == nil: // reported by the table
		case seen[name.Value]:
			c.add(at(name), host.CodeManifestField, "a port has one version at a time; rename one of them", "two %ss are called %q", what, name.Value)
		default:
			c.name(name, what)
			seen[name.Value] = true
			out = append(out, p)
		}
	}
	return out
}

func (c *compiler) inputs() []host.Input {
	out := []host.Input{}
	for _, p := range c.declared("inputPorts", "input port") {
		in := host.Input{Name: text(p, "name"), ContractID: text(p, "contractId"), Version: text(p, "version")}
		s := c.b.inputSettings(in.Name)
		if s == nil {
			c.add(at(value(p, "name")), host.CodeManifestMissing, "add adp.inputs."+in.Name+": {from: …, mode: incremental}", "nothing says where input %q comes from", in.Name)
			continue
		}
		c.inputSettings(&in, s)
		c.inputContract(&in, p, s)
		in.Forms = c.forms(s, in.Schema)
		out = append(out, in)
	}
	return out
}

func (c *compiler) inputSettings(in *host.Input, s *yaml.Node) {
	in.From = text(s, "from")
	c.from(in, value(s, "from"))
	in.Mode = host.InputMode(word(s, "mode", string(host.Incremental)))
	in.OnChange = host.OnChange(text(s, "onChange"))
	switch {
	case in.Mode == host.Snapshot && in.OnChange == "":
		in.OnChange = host.Rebuild
	case in.Mode == host.Incremental && in.OnChange != "":
		key, _ := field(s, "onChange")
		c.add(at(key), host.CodeManifestField, "delete it, or set mode: snapshot", "onChange says what a changed snapshot does, input %q is incremental", in.Name)
	}
	in.Options = settings(s, "options")
}

// from checks where an input comes from.
func (c *compiler) from(in *host.Input, from *yaml.Node) {
	if from == nil {
		return // reported by the table
	}
	if path, isFile := strings.CutPrefix(in.From, "file:"); isFile {
		if path == "" {
			c.add(at(from), host.CodeManifestRef, "write file:PATH", "input %q reads a file without a path", in.Name)
		}
		return
	}
	const forms = "write adp://./domain/product/port or file:PATH"
	a, err := host.ParseAddress(in.From)
	switch {
	case err != nil || !strings.HasPrefix(in.From, "adp://"):
		c.add(at(from), host.CodeManifestRef, forms, "input %q cannot come from %s", in.Name, describe(from))
	case !a.Local():
		c.add(at(from), host.CodeManifestRef, "write adp://./… for this mesh", "input %q reads another mesh, %q; that is not possible yet", in.Name, a.Mesh)
	case a.Version != "" || len(a.Query) > 0:
		c.add(at(from), host.CodeManifestRef, "delete it: an input follows its upstream, from the version that its contract allows", "input %q pins a version or snapshot of its upstream", in.Name)
	case a.Port == "":
		c.add(at(from), host.CodeManifestRef, "add the port: "+strings.TrimSuffix(in.From, "/")+"/PORT", "input %q does not say which port of %s/%s it reads", in.Name, a.Domain, a.Product)
	case !isName(a.Domain) || !isName(a.Product) || !isName(a.Port):
		c.add(at(from), host.CodeManifestRef, forms, "input %q cannot come from %s: a product of that name cannot exist", in.Name, describe(from))
	case a.ID("") == c.b.ID(""):
		c.add(at(from), host.CodeManifestRef, "keep what a run should remember in its state", "input %q reads the product itself", in.Name)
	}
}

// inputContract gives an input its columns: from a contract of its own, else from its upstream's.
func (c *compiler) inputContract(in *host.Input, port, settings *yaml.Node) {
	name, schemaName := c.b.inputContract(port), in.Name
	from := value(settings, "from")
	if name == "" {
		u, ok := parseUpstream(in.Name, in.From)
		switch {
		case !ok && strings.HasPrefix(in.From, "file:") && c.partial && in.ContractID == "":
			return
		case !ok && strings.HasPrefix(in.From, "file:"):
			hint := "add customProperties: [{property: contract, value: contracts/" + in.Name + ".yaml}] to the port"
			if in.ContractID != "" {
				hint += "; without contractId adp build drafts one from the data"
			}
			c.add(at(value(port, "name")), host.CodeManifestContract, hint,
				"input %q has no contract, so its columns are not known", in.Name)
			return
		case !ok || u.Domain == c.b.ID("").Domain && u.Product == c.b.ID("").Name:
			return // reported by from
		}
		name, schemaName = u.Path(), u.Port
		if c.b.contracts[name] == nil {
			if !c.partial {
				c.add(at(from), host.CodeManifestContract, "run or build adp://./"+u.Domain+"/"+u.Product+" first, or give the input a contract of its own",
					"the contract of %s is not known", in.From)
			}
			return
		}
	}
	d := c.b.contracts[name]
	if d == nil {
		return // reported when it was read
	}
	t := c.compileContract(d, schemaName, false)
	in.Schema = t.schema
	in.ContractDigest = digestOf(d.Bytes())
	c.promise(port, d, &in.ContractID)
}

// promise takes over the id of a port's contract, and checks that both are of one major version. The id is the contract's:
// what a port says of it may be stale, and nobody should have to copy a UUID.
func (c *compiler) promise(port *yaml.Node, d *Document, id *string) {
	if own := text(d.root, "id"); own != "" {
		*id = own
	}
	v, theirs := value(port, "version"), text(d.root, "version")
	if v == nil || theirs == "" {
		return
	}
	if mine, other := major(v.Value), major(theirs); mine == "" {
		c.add(at(v), host.CodeManifestType, "write MAJOR.MINOR.PATCH, as in 1.0.0", "version of port %q is %s", text(port, "name"), describe(v))
	} else if mine != other {
		c.add(at(v), host.CodeManifestContract, "a contract and its port share their major version", "port %q is of version %s, but %s is of version %s", text(port, "name"), v.Value, d.Name, theirs)
	}
}

func (c *compiler) outputs() []host.Output {
	out := []host.Output{}
	for _, p := range c.declared("outputPorts", "output port") {
		o := host.Output{Name: text(p, "name"), Description: text(p, "description"), ContractID: text(p, "contractId"), Version: text(p, "version")}
		if o.Name == "changes" {
			c.add(at(value(p, "name")), host.CodeManifestField, "rename it", `"changes" is the address of the change feed`)
		}
		s := value(value(c.b.block, "outputs"), o.Name)
		o.Mode = c.b.OutputMode(o.Name)
		o.Key = scalars(s, "key")
		if custom(p, contractProp) == nil {
			c.add(at(value(p, "name")), host.CodeManifestContract, "add customProperties: [{property: contract, value: contracts/"+o.Name+".yaml}]", "output %q has no contract", o.Name)
			continue
		}
		if d := c.b.contracts[custom(p, contractProp).Value]; d != nil {
			c.outputContract(&o, p, s, d)
			o.Forms = c.forms(s, o.Schema)
		}
		out = append(out, o)
	}
	return out
}

func (c *compiler) outputContract(o *host.Output, port, settings *yaml.Node, d *Document) {
	t := c.compileContract(d, o.Name, true)
	c.promise(port, d, &o.ContractID)
	o.Schema, o.Rules = t.schema, t.rules
	if len(o.Key) == 0 && o.Mode == host.Upsert {
		o.Key = t.key
	}
	for _, r := range t.implied {
		if !byConstruction(r, o) {
			o.Rules = append(o.Rules, r)
		}
	}
	c.key(o, settings, port)
}

// forms are the columns of a port that cross in another form than that of their kind.
func (c *compiler) forms(settings *yaml.Node, s host.Schema) host.Forms {
	if len(s.Fields) == 0 {
		return nil // its contract was refused, or is not known yet
	}
	var out host.Forms
	for _, f := range pairs(value(settings, "forms")) {
		i := s.Index(f.key.Value)
		if i < 0 {
			c.add(at(f.key), host.CodeManifestColumn, didYouMean(f.key.Value, names(s)), "forms name column %q, which is not in the contract", f.key.Value)
			continue
		}
		_, err := host.ParseForm(s.Fields[i].Type, f.value.Value)
		if e, ok := errors.AsType[*host.Error](err); ok {
			c.add(at(f.value), e.Code, e.Hint, "column %q: %s", f.key.Value, e.Message)
			continue
		}
		if out == nil {
			out = host.Forms{}
		}
		out[f.key.Value] = f.value.Value
	}
	return out
}

// key checks that the key of an output names required columns that a key can be made of.
func (c *compiler) key(o *host.Output, settings, port *yaml.Node) {
	n := value(settings, "key")
	if n == nil {
		n = value(port, "name")
	}
	if o.Mode == host.Upsert && len(o.Key) == 0 {
		c.add(at(n), host.CodeManifestMissing, "add key: [COLUMN] to adp.outputs."+o.Name+", or primaryKey: true to columns of the contract", "output %q is an upsert without a key", o.Name)
	}
	if o.Mode == host.Append && len(o.Key) > 0 {
		c.add(at(n), host.CodeManifestField, "use mode: upsert, or delete the key", "output %q appends rows, a key means nothing to it", o.Name)
	}
	seen := map[string]bool{}
	for i, k := range o.Key {
		where := n
		if n.Kind == yaml.SequenceNode && i < len(n.Content) {
			where = n.Content[i]
		}
		c.keyColumn(o, k, where)
		if seen[k] {
			c.add(at(where), host.CodeManifestColumn, "delete it", "key of output %q names column %q twice", o.Name, k)
		}
		seen[k] = true
	}
}

func (c *compiler) keyColumn(o *host.Output, name string, where *yaml.Node) {
	i := o.Schema.Index(name)
	switch {
	case len(o.Schema.Fields) == 0: // the contract was refused
	case i < 0:
		c.add(at(where), host.CodeManifestColumn, didYouMean(name, names(o.Schema)), "key column %q of output %q is not in its contract", name, o.Name)
	case !o.Schema.Fields[i].Required:
		c.add(at(where), host.CodeManifestColumn, "set required: true on it in the contract", "key column %q of output %q may be null", name, o.Name)
	case o.Schema.Fields[i].Type.Kind == host.List || o.Schema.Fields[i].Type.Kind == host.Struct:
		c.add(at(where), host.CodeManifestColumn, "use columns of single values", "key column %q of output %q is of type %s", name, o.Name, o.Schema.Fields[i].Type)
	}
}
