package manifest

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/adp-host/adp/host"
)

// compiler turns documents into a host.Product and reports what does not fit together.
type compiler struct {
	*sink
	b   *Bundle
	all Problems
}

// Names of products, domains and ports are parts of URLs, keys and file names.
var nameForm = regexp.MustCompile(`^[a-z0-9]([a-z0-9._-]{0,61}[a-z0-9])?$`)

// Compile gives the product that the documents declare. The error is a Problems.
func (b *Bundle) Compile(tenant string) (*host.Product, error) {
	c := &compiler{sink: &sink{doc: b.Product}, b: b}
	root := b.Product.root
	p := &host.Product{ID: b.ID(tenant), UUID: text(root, "id"), Version: text(root, "version"), Status: text(root, "status")}
	for _, f := range []string{"name", "domain"} {
		if _, v := field(root, f); v == nil {
			c.add(at(root), host.CodeManifestMissing, "add "+f+": …", "%s is missing: it is part of the product's address", f)
		} else {
			c.name(v, f)
		}
	}
	_, words := field(root, "description")
	p.Description = text(words, "purpose")
	for _, t := range items(root, "tags") {
		p.Tags = append(p.Tags, t.Value)
	}
	_, code := field(b.block, "code")
	p.Code = host.Code{Language: text(code, "language"), Path: text(code, "path")}
	if p.Code.Path == "" {
		p.Code.Path = "."
	}
	p.Inputs = c.inputs()
	p.Outputs = c.outputs()
	p.Bindings = c.bindings()
	p.Schedule = c.schedule()
	p.Limits = c.limits()
	p.Config = stringMap(b.block, "config")
	if len(p.Outputs) == 0 && len(c.problems) == 0 {
		c.add(at(root), host.CodeManifestMissing, "declare at least one in outputPorts", "the product has no output port")
	}
	c.unused("inputs", func(name string) bool { _, in := p.Input(name); return in != nil })
	c.unused("outputs", func(name string) bool { _, o := p.Output(name); return o != nil })
	if all := append(c.problems, c.all...); len(all) > 0 {
		return nil, all
	}
	return p, nil
}

// name reports a name that could not be part of an address.
func (c *compiler) name(v *yaml.Node, what string) {
	if !nameForm.MatchString(v.Value) || strings.Contains(v.Value, "..") {
		c.add(at(v), host.CodeManifestType, "use lower-case letters, digits, - _ and ., at most 63", "%s %q cannot be part of an address", what, v.Value)
	}
}

// unused reports settings for ports that are not declared.
func (c *compiler) unused(group string, declared func(string) bool) {
	_, m := field(c.b.block, group)
	for i := 0; m != nil && m.Kind == yaml.MappingNode && i+1 < len(m.Content); i += 2 {
		if k := m.Content[i]; !declared(k.Value) {
			c.add(at(k), host.CodeManifestField, "declare it in "+strings.TrimSuffix(group, "s")+"Ports, or delete it here", "adp.%s names %q, which is not declared", group, k.Value)
		}
	}
}

func (c *compiler) inputs() []host.Input {
	var out []host.Input
	_, settings := field(c.b.block, "inputs")
	for _, p := range items(c.b.Product.root, "inputPorts") {
		in := host.Input{Name: text(p, "name"), ContractID: text(p, "contractId"), Version: text(p, "version")}
		key, name := field(p, "name")
		if name != nil {
			c.name(name, "input port")
		}
		if slices.ContainsFunc(out, func(o host.Input) bool { return o.Name == in.Name }) {
			c.add(at(name), host.CodeManifestField, "rename one of them", "two input ports are called %q", in.Name)
			continue
		}
		_, s := field(settings, in.Name)
		if s == nil {
			c.add(at(key), host.CodeManifestMissing, "add adp.inputs."+in.Name+": {from: …, mode: incremental}", "nothing says where input %q comes from", in.Name)
			continue
		}
		c.inputSettings(&in, s)
		c.inputSchema(&in, p, s)
		out = append(out, in)
	}
	return out
}

func (c *compiler) inputSettings(in *host.Input, s *yaml.Node) {
	_, from := field(s, "from")
	in.From = text(s, "from")
	_, isUpstream := parseUpstream(in.Name, in.From)
	path, isFile := strings.CutPrefix(in.From, "file:")
	switch {
	case from == nil:
	case isFile && path == "":
		c.add(at(from), host.CodeManifestRef, "write file:PATH", "input %q reads a file without a path", in.Name)
	case !isUpstream && !isFile:
		c.add(at(from), host.CodeManifestRef, "write adp://./domain/product/port or file:PATH", "input %q cannot come from %q", in.Name, in.From)
	}
	in.Mode = host.InputMode(c.oneOf(s, "mode", string(host.Incremental), string(host.Incremental), string(host.Snapshot)))
	in.OnChange = host.OnChange(c.oneOf(s, "onChange", "", string(host.Rebuild), string(host.Lookup)))
	_, oc := field(s, "onChange")
	switch {
	case in.Mode == host.Snapshot && in.OnChange == "":
		in.OnChange = host.Rebuild
	case in.Mode == host.Incremental && in.OnChange != "":
		c.add(at(oc), host.CodeManifestField, "delete it, or set mode: snapshot", "onChange says what a changed snapshot does, input %q is incremental", in.Name)
	}
	in.Options = stringMap(s, "options")
}

func (c *compiler) inputSchema(in *host.Input, port, settings *yaml.Node) {
	name := c.b.inputContract(port)
	schemaName := in.Name
	if name == "" {
		u, ok := parseUpstream(in.Name, in.From)
		if !ok {
			_, from := field(settings, "from")
			c.add(at(from), host.CodeManifestContract, "add customProperties: [{property: contract, value: contracts/"+in.Name+".yaml}] to the port",
				"input %q has no contract, so its columns are not known", in.Name)
			return
		}
		name, schemaName = u.Path(), u.Port
		if c.b.contracts[name] == nil {
			_, from := field(settings, "from")
			c.add(at(from), host.CodeManifestContract, "run or build adp://./"+u.Domain+"/"+u.Product+" first, or give the input a contract of its own",
				"the contract of %s is not known", in.From)
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
	if in.ContractID == "" {
		in.ContractID = text(d.root, "id")
	}
}

func (c *compiler) outputs() []host.Output {
	var out []host.Output
	_, settings := field(c.b.block, "outputs")
	for _, p := range items(c.b.Product.root, "outputPorts") {
		o := host.Output{Name: text(p, "name"), Description: text(p, "description"), ContractID: text(p, "contractId"), Version: text(p, "version")}
		_, name := field(p, "name")
		if name != nil {
			c.name(name, "output port")
			if name.Value == "changes" {
				c.add(at(name), host.CodeManifestField, "rename it", "\"changes\" is the address of the change feed")
			}
		}
		if slices.ContainsFunc(out, func(x host.Output) bool { return x.Name == o.Name }) {
			c.add(at(name), host.CodeManifestField, "a port has one version at a time; rename one of them", "two output ports are called %q", o.Name)
			continue
		}
		_, s := field(settings, o.Name)
		o.Mode = host.OutputMode(c.oneOf(s, "mode", string(host.Append), string(host.Append), string(host.Upsert), string(host.Replace)))
		for _, k := range items(s, "key") {
			o.Key = append(o.Key, k.Value)
		}
		path := custom(p, contractProp)
		if path == nil {
			c.add(at(p), host.CodeManifestContract, "add customProperties: [{property: contract, value: contracts/"+o.Name+".yaml}]", "output %q has no contract", o.Name)
			continue
		}
		if d := c.b.contracts[path.Value]; d != nil {
			t := c.compileContract(d, o.Name, true)
			o.Schema, o.Rules = t.schema, t.rules
			if len(o.Key) == 0 && o.Mode == host.Upsert {
				o.Key = t.key
			}
			if o.ContractID == "" {
				o.ContractID = text(d.root, "id")
			}
		}
		c.key(&o, s, p)
		out = append(out, o)
	}
	return out
}

// key checks that the key of an output names required columns.
func (c *compiler) key(o *host.Output, settings, port *yaml.Node) {
	_, n := field(settings, "key")
	if n == nil {
		n = port
	}
	if o.Mode == host.Upsert && len(o.Key) == 0 {
		c.add(at(n), host.CodeManifestMissing, "add key: [COLUMN] to adp.outputs."+o.Name, "output %q is an upsert without a key", o.Name)
	}
	if o.Mode == host.Append && len(o.Key) > 0 {
		c.add(at(n), host.CodeManifestField, "use mode: upsert, or delete the key", "output %q appends rows, a key means nothing to it", o.Name)
	}
	for _, k := range o.Key {
		i := o.Schema.Index(k)
		switch {
		case len(o.Schema.Fields) == 0: // the contract was refused
		case i < 0:
			var names []string
			for _, f := range o.Schema.Fields {
				names = append(names, f.Name)
			}
			c.add(at(n), host.CodeManifestColumn, didYouMean(k, names), "key column %q of output %q is not in its contract", k, o.Name)
		case !o.Schema.Fields[i].Required:
			c.add(at(n), host.CodeManifestColumn, "set required: true on it in the contract", "key column %q of output %q may be null", k, o.Name)
		}
	}
}

func (c *compiler) bindings() []host.Binding {
	_, m := field(c.b.block, "drivers")
	var out []host.Binding
	for i := 0; m != nil && m.Kind == yaml.MappingNode && i+1 < len(m.Content); i += 2 {
		s := follow(m.Content[i+1])
		b := host.Binding{Name: m.Content[i].Value, URI: text(s, "uri"), Options: stringMap(s, "options"), Access: c.oneOf(s, "access", "", "read", "write")}
		c.name(m.Content[i], "driver")
		if d := c.b.contracts[text(s, "contract")]; d != nil {
			b.Schema = c.compileContract(d, b.Name, false).schema
		}
		out = append(out, b)
	}
	return out
}

// oneOf reads a field whose values are listed; fallback when it is missing.
func (c *compiler) oneOf(m *yaml.Node, name, fallback string, values ...string) string {
	_, v := field(m, name)
	if v == nil || v.Value == "" {
		return fallback
	}
	if !slices.Contains(values, v.Value) {
		hint := didYouMean(v.Value, values)
		if hint == "" {
			hint = "write one of " + strings.Join(values, ", ")
		}
		c.add(at(v), host.CodeManifestType, hint, "%s is %q, it can be %s", name, v.Value, strings.Join(values, ", "))
		return fallback
	}
	return v.Value
}

func stringMap(m *yaml.Node, name string) map[string]string {
	_, v := field(m, name)
	if v == nil || v.Kind != yaml.MappingNode || len(v.Content) == 0 {
		return nil
	}
	out := map[string]string{}
	for i := 0; i+1 < len(v.Content); i += 2 {
		out[v.Content[i].Value] = follow(v.Content[i+1]).Value
	}
	return out
}

func (c *compiler) schedule() host.Schedule {
	_, m := field(c.b.block, "run")
	s := host.Schedule{OnInputs: true}
	if m == nil {
		return s
	}
	on := c.oneOf(m, "on", "", "inputs")
	if _, every := field(m, "every"); every != nil {
		s.OnInputs = on == "inputs"
		s.Every = c.duration(every, "run.every", time.Second)
	}
	return s
}

func (c *compiler) duration(v *yaml.Node, what string, least time.Duration) time.Duration {
	d, err := time.ParseDuration(v.Value)
	if err != nil || d < least {
		c.add(at(v), host.CodeManifestType, "write a number and a unit: 500ms, 30s, 5m, 1h", "%s is %q, it should be a duration of at least %s", what, v.Value, least)
		return 0
	}
	return d
}

func (c *compiler) limits() host.Limits {
	_, m := field(c.b.block, "limits")
	var l host.Limits
	for name, p := range map[string]*int64{"memory": &l.Memory, "fuel": &l.Fuel, "stack": &l.Stack, "output": &l.Output, "logs": &l.Logs, "state": &l.State} {
		if _, v := field(m, name); v != nil {
			n, ok := parseSize(v.Value)
			if !ok {
				c.add(at(v), host.CodeManifestType, "write a number, or one with KiB, MiB or GiB", "limits.%s is %q, it should be a positive size", name, v.Value)
			}
			*p = n
		}
	}
	if _, v := field(m, "deadline"); v != nil {
		l.Deadline = c.duration(v, "limits.deadline", time.Millisecond)
	}
	if l.Memory > 4<<30 {
		_, v := field(m, "memory")
		c.add(at(v), host.CodeManifestType, "write at most 4GiB", "a guest has 32-bit memory")
	}
	return l
}

// parseSize reads 65536, 64KiB, 64MiB, 1GiB and their decimal forms.
func parseSize(s string) (int64, bool) {
	unit := int64(1)
	for _, u := range []struct {
		suffix string
		bytes  int64
	}{{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"kB", 1e3}, {"MB", 1e6}, {"GB", 1e9}} {
		if n, ok := strings.CutSuffix(s, u.suffix); ok {
			s, unit = strings.TrimSpace(n), u.bytes
			break
		}
	}
	n, err := strconv.ParseInt(strings.ReplaceAll(s, "_", ""), 10, 64)
	if err != nil || n <= 0 || n > (1<<62)/unit {
		return 0, false
	}
	return n * unit, true
}
