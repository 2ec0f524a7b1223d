package manifest

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/adp-host/adp/host"
)

// Names of the documents of a product's folder.
const (
	ProductFile  = "product.yaml"
	LockFile     = "adp.lock"
	UpstreamDir  = "upstream" // contracts of upstream ports, copied in by the build so that an artifact stands alone
	contractProp = "contract" // customProperties of a port: path of its contract
	blockProp    = "adp"      // customProperties of a product: our block
)

// Bundle is a product's document and its contracts.
type Bundle struct {
	Product   *Document
	contracts map[string]*Document // by path
	block     *yaml.Node           // the adp block, nil when there is none
	lock      []byte
}

// LoadProduct reads product.yaml and the contracts that it names by path. The error is a Problems with everything that
// is wrong in any of them. Missing ids and versions are no problem: see Fill.
func LoadProduct(fsys fs.FS) (*Bundle, error) {
	b := &Bundle{contracts: map[string]*Document{}}
	var all Problems
	keep := func(err error) {
		var p Problems
		var one *host.Error
		switch {
		case errors.As(err, &p):
			all = append(all, p...)
		case errors.As(err, &one):
			all = append(all, one)
		case err != nil:
			all = append(all, host.Errorf(host.CodeManifestRef, "%w", err))
		}
	}
	src, err := fs.ReadFile(fsys, ProductFile)
	if err != nil {
		return nil, host.Errorf(host.CodeManifestRef, "no %s: %w", ProductFile, err).WithHint("make a product with: adp new NAME --lang go")
	}
	if b.Product, err = Parse(ProductFile, src); err != nil {
		return nil, err
	}
	keep(b.checkProduct())
	for _, p := range b.paths() {
		if err := b.read(fsys, p.path); err != nil {
			s := &sink{doc: b.Product}
			if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrInvalid) {
				s.add(p.at, host.CodeManifestContract, "paths are relative to "+ProductFile+" and stay below it", "there is no contract %s", p.path)
				err = s.err()
			}
			keep(err)
		}
	}
	ups, err := fs.Glob(fsys, UpstreamDir+"/*.yaml")
	keep(err)
	for _, u := range ups {
		keep(b.read(fsys, u))
	}
	if b.lock, err = fs.ReadFile(fsys, LockFile); err != nil && !errors.Is(err, fs.ErrNotExist) {
		keep(err)
	}
	if len(all) > 0 {
		return nil, all
	}
	return b, nil
}

func (b *Bundle) read(fsys fs.FS, name string) error {
	if b.contracts[name] != nil {
		return nil
	}
	src, err := fs.ReadFile(fsys, name)
	if err != nil {
		return err
	}
	d, err := Parse(name, src)
	if err != nil {
		return err
	}
	b.contracts[name] = d
	return checkContract(d)
}

type contractPath struct {
	path string
	at   place
}

// paths are the contracts that ports and driver bindings name.
func (b *Bundle) paths() []contractPath {
	var out []contractPath
	add := func(n *yaml.Node) {
		if n != nil && n.Kind == yaml.ScalarNode && n.Value != "" {
			out = append(out, contractPath{n.Value, at(n)})
		}
	}
	for _, ports := range []string{"inputPorts", "outputPorts"} {
		for _, p := range items(b.Product.root, ports) {
			add(custom(p, contractProp))
		}
	}
	for _, group := range []string{"inputs", "drivers"} {
		_, m := field(b.block, group)
		for i := 0; m != nil && m.Kind == yaml.MappingNode && i+1 < len(m.Content); i += 2 {
			_, c := field(m.Content[i+1], "contract")
			add(c)
		}
	}
	return out
}

// checkProduct checks the product document against its standard.
func (b *Bundle) checkProduct() error {
	s := &sink{doc: b.Product}
	root := b.Product.root
	std, ok := s.version(root, "ODPS", "DataProduct", []string{"1.0", "1.1"}, "1.0")
	if !ok {
		return s.err()
	}
	s.walk(std, root, "product", "")
	b.block = custom(root, blockProp)
	if b.block == nil {
		s.add(at(root), host.CodeManifestMissing, "add to customProperties: {property: adp, value: {code: {language: go, path: .}, …}}",
			"customProperties has no property adp, so nothing says what runs")
		return s.err()
	}
	s.walk(standard{name: "adp"}, b.block, "adp", "adp")
	return s.err()
}

func checkContract(d *Document) error {
	s := &sink{doc: d}
	std, ok := s.version(d.root, "ODCS", "DataContract", []string{"3.0", "3.1", "3.2"}, "3.2")
	if ok {
		s.walk(std, d.root, "contract", "")
	}
	return s.err()
}

// version reads apiVersion and kind, and reports those that are not read here.
func (s *sink) version(root *yaml.Node, name, kind string, minors []string, newest string) (standard, bool) {
	std := standard{name: name, newest: newest}
	key, v := field(root, "apiVersion")
	if v == nil {
		s.add(at(root), host.CodeManifestMissing, fmt.Sprintf("add apiVersion: v%s.0", minors[0]), "apiVersion is missing")
		return std, false
	}
	parts := strings.Split(strings.TrimPrefix(v.Value, "v"), ".")
	if len(parts) >= 2 {
		std.minor = parts[0] + "." + parts[1]
	}
	if !slices.Contains(minors, std.minor) {
		s.add(at(v), host.CodeManifestVersion, "set apiVersion: v"+newest+".0", "%s %q is not read here, %s to %s are", name, v.Value, minors[0], minors[len(minors)-1])
		return std, false
	}
	_ = key
	if k := text(root, "kind"); k != kind {
		_, at_ := field(root, "kind")
		s.add(at(at_), host.CodeManifestType, "write kind: "+kind, "kind is %q, not %s", k, kind)
		return std, false
	}
	return std, true
}

// Files are the documents by path, as they are now.
func (b *Bundle) Files() map[string][]byte {
	out := map[string][]byte{ProductFile: b.Product.Bytes()}
	for name, d := range b.contracts {
		out[name] = d.Bytes()
	}
	if b.lock != nil {
		out[LockFile] = b.lock
	}
	return out
}

// Upstream is an input that reads another product.
type Upstream struct {
	Input, Domain, Product, Port string
}

// Path is where the bundle keeps the upstream port's contract.
func (u Upstream) Path() string {
	return path.Join(UpstreamDir, u.Domain+"."+u.Product+"."+u.Port+".yaml")
}

// Upstreams lists the inputs that read other products and have no contract of their own.
func (b *Bundle) Upstreams() []Upstream {
	var out []Upstream
	for _, p := range items(b.Product.root, "inputPorts") {
		name := text(p, "name")
		if b.inputContract(p) != "" {
			continue
		}
		_, in := field(b.block, "inputs")
		_, settings := field(in, name)
		if u, ok := parseUpstream(name, text(settings, "from")); ok {
			out = append(out, u)
		}
	}
	return out
}

func parseUpstream(input, from string) (Upstream, bool) {
	a, err := host.ParseAddress(from)
	if err != nil || a.Scheme != "adp" || !a.Local() || a.Port == "" {
		return Upstream{}, false
	}
	return Upstream{Input: input, Domain: a.Domain, Product: a.Product, Port: a.Port}, true
}

// SetUpstream keeps a copy of an upstream port's contract in the bundle.
func (b *Bundle) SetUpstream(u Upstream, contract []byte) error {
	d, err := Parse(u.Path(), contract)
	if err != nil {
		return err
	}
	b.contracts[u.Path()] = d
	return checkContract(d)
}

// OutputContract is the contract document of an output port, for others that read it; nil when there is no such port.
func (b *Bundle) OutputContract(port string) []byte {
	for _, p := range items(b.Product.root, "outputPorts") {
		if text(p, "name") != port {
			continue
		}
		if c := custom(p, contractProp); c != nil && b.contracts[c.Value] != nil {
			return b.contracts[c.Value].Bytes()
		}
	}
	return nil
}

// ID is the product's id, without a compiled contract.
func (b *Bundle) ID(tenant string) host.ProductID {
	return host.ProductID{Tenant: tenant, Domain: text(b.Product.root, "domain"), Name: text(b.Product.root, "name")}
}

// inputContract is the path of an input's contract, "" when it is its upstream's.
func (b *Bundle) inputContract(port *yaml.Node) string {
	if c := custom(port, contractProp); c != nil {
		return c.Value
	}
	_, in := field(b.block, "inputs")
	_, settings := field(in, text(port, "name"))
	return text(settings, "contract")
}
