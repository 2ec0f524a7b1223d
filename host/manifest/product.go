package manifest

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/adp-host/adp/drivers/web/grant"
	"github.com/adp-host/adp/host"
)

// compiler turns documents into a host.Product and reports what does not fit together.
type compiler struct {
	*sink // of the product's document
	b     *Bundle
	all   Problems // of contracts
	// partial says that upstream contracts and drafts may be missing: the caller has not had a chance to set them yet.
	partial bool
}

// found takes over the problems of a contract.
func (c *compiler) found(s *sink) {
	if s.err() != nil {
		c.all = append(c.all, s.problems...)
	}
}

// Compile gives the product that the documents declare: names resolved, defaults applied, schemas and rules typed. The
// error is a Problems.
func (b *Bundle) Compile(tenant string) (*host.Product, error) {
	return b.compile(tenant, false)
}

func (b *Bundle) compile(tenant string, partial bool) (*host.Product, error) {
	c := &compiler{sink: &sink{doc: b.Product}, b: b, partial: partial}
	root := b.Product.root
	p := &host.Product{ID: b.ID(tenant), UUID: text(root, "id"), Version: text(root, "version"), Status: text(root, "status"), Tags: scalars(root, "tags")}
	c.identity(root)
	p.Description = strings.TrimSpace(text(value(root, "description"), "purpose"))
	p.Code = b.Code()
	if p.Code.Path == "" {
		p.Code.Path = "."
	}
	p.Inputs = c.inputs()
	p.Outputs = c.outputs()
	p.Bindings = c.bindings()
	c.statements(p)
	c.plugin(p)
	p.Schedule = c.schedule()
	p.Limits = c.limits()
	p.Placement = c.placement()
	if p.Compute() != nil && !slices.Contains(p.Placement.Features, compute) {
		p.Placement.Features = append(p.Placement.Features, compute)
	}
	p.Retention = c.retention()
	p.Config = settings(b.block, "config")
	if len(items(root, "outputPorts")) == 0 {
		c.add(at(root), host.CodeManifestMissing, "declare at least one in outputPorts", "the product has no output port")
	}
	c.unused("inputs", "inputPorts")
	c.unused("outputs", "outputPorts")
	if err := c.err(); err != nil || len(c.all) > 0 {
		return nil, append(asProblems(err), c.all...).sorted()
	}
	return p, nil
}

// Names of products, domains and ports are parts of URLs, keys and file names.
var nameForm = regexp.MustCompile(`^[a-z0-9]([a-z0-9._-]{0,61}[a-z0-9])?$`)

func isName(s string) bool { return nameForm.MatchString(s) && !strings.Contains(s, "..") }

var versionForm = regexp.MustCompile(`^v?(0|[1-9]\d{0,8})\.(0|[1-9]\d{0,8})\.(0|[1-9]\d{0,8})([-+][0-9A-Za-z.+-]*)?$`)

// major is the first number of a version, "" when it has none.
func major(version string) string {
	m, _, _ := strings.Cut(strings.TrimPrefix(version, "v"), ".")
	if _, err := strconv.ParseUint(m, 10, 32); err != nil {
		return ""
	}
	return m
}

// identity checks what the product's address is made of.
func (c *compiler) identity(root *yaml.Node) {
	for _, f := range []string{"name", "domain"} {
		if v := value(root, f); v == nil {
			c.add(at(root), host.CodeManifestMissing, "add "+f+": …", "%s is missing: it is part of the product's address", f)
		} else {
			c.name(v, f)
		}
	}
	if v := value(root, "version"); v != nil && !versionForm.MatchString(v.Value) {
		c.add(at(v), host.CodeManifestType, "write MAJOR.MINOR.PATCH, as in 1.0.0", "version is %s, it should be a semantic version", describe(v))
	}
}

// name reports a name that could not be part of an address.
func (c *compiler) name(v *yaml.Node, what string) {
	if !isName(v.Value) {
		c.add(at(v), host.CodeManifestType, "use lower-case letters, digits, - _ and ., at most 63, a letter or digit at both ends", "%s %s cannot be part of an address", what, describe(v))
	}
}

// declares reports whether the product has a port of a name.
func (c *compiler) declares(ports, name string) bool {
	for _, p := range items(c.b.Product.root, ports) {
		if text(p, "name") == name {
			return true
		}
	}
	return false
}

// unused reports settings for ports that are not declared.
func (c *compiler) unused(group, ports string) {
	var declared []string
	for _, p := range items(c.b.Product.root, ports) {
		declared = append(declared, text(p, "name"))
	}
	for _, f := range pairs(value(c.b.block, group)) {
		if name := f.key.Value; !slices.Contains(declared, name) {
			hint := didYouMean(name, declared)
			if hint == "" {
				hint = "declare it in " + ports + ", or delete it here"
			}
			c.add(at(f.key), host.CodeManifestField, hint, "adp.%s has settings for %q, which is not declared in %s", group, name, ports)
		}
	}
}

// settings are the names and values of a mapping, nil when it is empty.
func settings(m *yaml.Node, name string) map[string]string {
	var out map[string]string
	for _, f := range pairs(value(m, name)) {
		if out == nil {
			out = map[string]string{}
		}
		out[f.key.Value] = f.value.Value
	}
	return out
}

// word reads a field of a few words, which the tables have checked; fallback when it is missing.
func word(m *yaml.Node, name, fallback string) string {
	if w := text(m, name); w != "" {
		return w
	}
	return fallback
}

func (c *compiler) bindings() []host.Binding {
	var out []host.Binding
	for _, f := range pairs(value(c.b.block, "drivers")) {
		b := host.Binding{Name: f.key.Value, URI: text(f.value, "uri"), Access: text(f.value, "access"), Options: settings(f.value, "options")}
		c.name(f.key, "driver")
		for _, ports := range []string{"inputPorts", "outputPorts"} {
			if c.declares(ports, b.Name) {
				c.add(at(f.key), host.CodeManifestType, "give it a name of its own: guests, fixtures and --source find it by that", "driver %q has the name of a port", b.Name)
			}
		}
		if grant.Is(b.URI) {
			c.web(f, &b)
			out = append(out, b)
			continue
		}
		if value(f.value, "contract") == nil {
			c.add(at(f.key), host.CodeManifestMissing, "add contract: contracts/"+b.Name+".yaml", "driver %q has no contract, so its columns are not known", b.Name)
		}
		if uri := value(f.value, "uri"); uri != nil {
			if scheme, rest, ok := strings.Cut(b.URI, ":"); !ok || rest == "" || !isName(scheme) {
				c.add(at(uri), host.CodeManifestRef, "write file:PATH, or the URI of another driver", "driver %q cannot be at %s", b.Name, describe(uri))
			}
		}
		if d := c.b.contracts[text(f.value, "contract")]; d != nil {
			b.Schema = c.compileContract(d, b.Name, false).schema
			b.Forms = c.forms(f.value, b.Schema)
		}
		out = append(out, b)
	}
	return out
}

func (c *compiler) schedule() host.Schedule {
	run := value(c.b.block, "run")
	every := value(run, "every")
	if every == nil {
		return host.Schedule{OnInputs: true}
	}
	return host.Schedule{OnInputs: text(run, "on") == "inputs", Every: c.duration(every, "run.every", time.Second)}
}

// maxDuration is the longest time that a declaration may name: 90 days.
const maxDuration = 90 * 24 * time.Hour

func (c *compiler) duration(v *yaml.Node, what string, least time.Duration) time.Duration {
	d, err := time.ParseDuration(v.Value)
	if err != nil || d < least || d > maxDuration {
		c.add(at(v), host.CodeManifestType, "write a number and a unit: 500ms, 30s, 5m, 1h", "%s is %s, it should be a duration from %s to 90 days", what, describe(v), least)
		return 0
	}
	return d
}

func (c *compiler) limits() host.Limits {
	m := value(c.b.block, "limits")
	var l host.Limits
	for _, f := range []struct {
		name string
		to   *int64
		most int64 // 0: none
	}{
		{"memory", &l.Memory, 4 << 30}, // guests have 32-bit memory
		{"fuel", &l.Fuel, 0}, {"stack", &l.Stack, mostStack}, {"output", &l.Output, 0}, {"logs", &l.Logs, 0}, {"state", &l.State, 0},
	} {
		v := value(m, f.name)
		if v == nil {
			continue
		}
		var ok bool
		*f.to, ok = host.ParseSize(v.Value)
		switch {
		case !ok:
			c.add(at(v), host.CodeManifestType, "write a number, or one with KiB, MiB or GiB", "limits.%s is %s, it should be a positive size", f.name, describe(v))
		case f.most > 0 && *f.to > f.most:
			c.add(at(v), host.CodeManifestType, "write at most "+strconv.FormatInt(f.most>>20, 10)+"MiB", "limits.%s is %s, more than any guest can have", f.name, describe(v))
		}
	}
	if v := value(m, "deadline"); v != nil {
		l.Deadline = c.duration(v, "limits.deadline", time.Millisecond)
	}
	if l.Stack == 0 && slices.Contains(interpreted, text(value(c.b.block, "code"), "language")) {
		l.Stack = mostStack
	}
	if l.Memory == 0 && text(value(c.b.block, "code"), "language") == sql {
		l.Memory = sqlMemory
	}
	return l
}

// mostStack is what a guest may have of native stack.
const mostStack = 64 << 20

// interpreted are languages whose functions call each other through an interpreter: a call takes a hundred kilobytes of stack there,
// some thousand times what it takes in compiled code. They get what anybody may ask for.
var interpreted = []string{"javascript", "python"}
