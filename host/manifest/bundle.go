package manifest

import (
	"crypto/sha256"
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
// is wrong in any of them, also in how they fit together. Missing ids and versions are no problem: see Fill.
func LoadProduct(fsys fs.FS) (*Bundle, error) {
	b := &Bundle{contracts: map[string]*Document{}}
	src, err := readFile(fsys, ProductFile)
	if err != nil {
		e := host.Errorf(host.CodeManifestRef, "no %s: %w", ProductFile, err).WithHint("make a product with: adp new NAME --lang go")
		e.At.File = ProductFile
		return nil, e
	}
	if b.Product, err = Parse(ProductFile, src); err != nil {
		return nil, err
	}
	all := asProblems(b.checkProduct())
	all = append(all, b.readContracts(fsys)...)
	ups, err := fs.Glob(fsys, UpstreamDir+"/*.yaml")
	all = append(all, asProblems(err)...)
	for _, u := range ups {
		all = append(all, asProblems(b.read(fsys, u))...)
	}
	if b.lock, err = readFile(fsys, LockFile); err != nil && !errors.Is(err, fs.ErrNotExist) {
		all = append(all, asProblems(err)...)
	}
	if len(all) > 0 {
		return nil, b.andMore(all)
	}
	return b, nil
}

// andMore adds to the problems of single documents how they do not fit together, so that a person sees all at once.
func (b *Bundle) andMore(all Problems) Problems {
	told := map[host.Position]bool{}
	for _, e := range all {
		told[e.At] = true
	}
	if _, err := b.compile(host.LocalTenant, true); err != nil {
		for _, e := range asProblems(err) {
			if !told[e.At] {
				all = append(all, e)
			}
		}
	}
	return all.sorted()
}

// readFile reads a document; one that is larger than MaxDocument is not read to its end where its size can be asked for.
func readFile(fsys fs.FS, name string) ([]byte, error) {
	if info, err := fs.Stat(fsys, name); err == nil && info.Size() > MaxDocument {
		e := host.Errorf(host.CodeManifestSyntax, "the document is larger than %d bytes", MaxDocument).WithHint("split it, or move data out of it")
		e.At.File = name
		return nil, e
	}
	return fs.ReadFile(fsys, name)
}

// readContracts reads the contracts that ports and driver bindings name.
func (b *Bundle) readContracts(fsys fs.FS) Problems {
	s := &sink{doc: b.Product}
	var all Problems
	for _, n := range b.contractPaths(s) {
		err := b.read(fsys, n.Value)
		switch {
		case errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrInvalid):
			s.add(at(n), host.CodeManifestContract, "paths are relative to "+ProductFile+" and stay below it"+b.orDraft(n), "there is no contract %s", n.Value)
		case err != nil && asProblems(err)[0].At.File == "":
			s.add(at(n), host.CodeManifestContract, "", "the contract %s cannot be read: %v", n.Value, err)
		default:
			all = append(all, asProblems(err)...)
		}
	}
	return append(asProblems(s.err()), all...)
}

// orDraft is what else a person can do about the path of a contract that is not there.
func (b *Bundle) orDraft(path *yaml.Node) string {
	for _, p := range items(b.Product.root, "inputPorts") {
		s := b.inputSettings(text(p, "name"))
		if (custom(p, contractProp) == path || value(s, "contract") == path) && strings.HasPrefix(text(s, "from"), "file:") {
			return "; for an input that names neither a contract nor a contractId, adp build drafts one from the data"
		}
	}
	return ""
}

// contractPaths are the paths of contracts as the product names them.
func (b *Bundle) contractPaths(s *sink) []*yaml.Node {
	var out []*yaml.Node
	for _, ports := range []string{"inputPorts", "outputPorts"} {
		for _, p := range items(b.Product.root, ports) {
			switch c := custom(p, contractProp); {
			case c == nil:
			case c.Kind != yaml.ScalarNode || c.Value == "": // the standard allows any value, we do not
				s.add(at(c), host.CodeManifestType, "write the path of a contract", "contract is %s, it should be a path", describe(c))
			default:
				out = append(out, c)
			}
		}
	}
	for _, group := range []string{"inputs", "drivers"} {
		for _, f := range pairs(value(b.block, group)) {
			if c := value(f.value, "contract"); c != nil && c.Kind == yaml.ScalarNode {
				out = append(out, c)
			}
		}
	}
	return out
}

func (b *Bundle) read(fsys fs.FS, name string) error {
	if b.contracts[name] != nil {
		return nil
	}
	src, err := readFile(fsys, name)
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

// checkProduct checks the product document against its standard and finds the adp block.
func (b *Bundle) checkProduct() error {
	s := &sink{doc: b.Product}
	root := b.Product.root
	b.block = custom(root, blockProp)
	if s.version(b.Product, odps, "DataProduct") {
		walker{s, editionOf(b.Product, odps)}.object(root, "product", "")
		s.once(root, blockProp)
		for _, ports := range []string{"inputPorts", "outputPorts"} {
			for _, p := range items(root, ports) {
				s.once(p, contractProp)
			}
		}
	}
	if b.block == nil {
		s.add(at(root), host.CodeManifestMissing, "add to customProperties: {property: adp, value: {code: {language: go, path: .}, …}}",
			"customProperties has no property adp, so nothing says what runs")
		return s.err()
	}
	walker{s, edition{block, ""}}.object(b.block, "adp", "adp")
	return s.err()
}

// once reports a custom property of ours that is there twice: one of them would be ignored.
func (s *sink) once(m *yaml.Node, property string) {
	found := false
	for _, c := range items(m, "customProperties") {
		if text(c, "property") != property {
			continue
		}
		if found {
			s.add(at(c), host.CodeManifestField, "keep one of them", "customProperties has property %s twice", property)
		}
		found = true
	}
}

func checkContract(d *Document) error {
	s := &sink{doc: d}
	if s.version(d, odcs, "DataContract") {
		walker{s, editionOf(d, odcs)}.object(d.root, "contract", "")
	}
	return s.err()
}

// version checks apiVersion and kind, without which the rest of a document means nothing.
func (s *sink) version(d *Document, std *standard, kind string) bool {
	first, last := std.minors[0], std.minors[len(std.minors)-1]
	v := value(d.root, "apiVersion")
	switch {
	case v == nil:
		s.add(at(d.root), host.CodeManifestMissing, "add apiVersion: v"+std.written+".0", "apiVersion is missing")
		return false
	case !slices.Contains(std.minors, editionOf(d, std).minor) || !strings.HasPrefix(v.Value, "v"):
		s.add(at(v), host.CodeManifestVersion, "set apiVersion: v"+std.written+".0", "%s of apiVersion %s is not read here; v%s to v%s are", std.name, describe(v), first, last)
		return false
	}
	k := value(d.root, "kind")
	switch {
	case k == nil:
		s.add(at(d.root), host.CodeManifestMissing, "add kind: "+kind, "kind is missing")
		return false
	case k.Value != kind:
		s.add(at(k), host.CodeManifestType, "write kind: "+kind, "kind is %s, it should be %s", describe(k), kind)
		return false
	}
	return true
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

// Path is where the bundle keeps the upstream port's contract. Names hold no "~", so no two ports share a path.
func (u Upstream) Path() string {
	return path.Join(UpstreamDir, u.Domain+"~"+u.Product+"~"+u.Port+".yaml")
}

// Upstreams lists the inputs that read other products and have no contract of their own.
func (b *Bundle) Upstreams() []Upstream {
	var out []Upstream
	for _, p := range items(b.Product.root, "inputPorts") {
		name := text(p, "name")
		if b.inputContract(p) != "" {
			continue
		}
		if u, ok := parseUpstream(name, text(b.inputSettings(name), "from")); ok {
			out = append(out, u)
		}
	}
	return out
}

func parseUpstream(input, from string) (Upstream, bool) {
	a, err := host.ParseAddress(from)
	if err != nil || !strings.HasPrefix(from, "adp://") || !a.Local() || !isName(a.Domain) || !isName(a.Product) || !isName(a.Port) {
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

// AtInput gives an error about an input the place at which the product says where it comes from.
func (b *Bundle) AtInput(e *host.Error, input string) *host.Error {
	return b.at(e, value(b.inputSettings(input), "from"))
}

// AtDriver gives an error about a driver the place at which the product says where it is.
func (b *Bundle) AtDriver(e *host.Error, driver string) *host.Error {
	return b.at(e, value(value(value(b.block, "drivers"), driver), "uri"))
}

func (b *Bundle) at(e *host.Error, v *yaml.Node) *host.Error {
	if v != nil {
		e.At = host.Position{File: b.Product.Name, Line: v.Line, Column: v.Column}
		e.Excerpt = b.Product.excerpt(at(v))
	}
	return e
}

// inputSettings are an input's settings in the adp block, nil when there are none.
func (b *Bundle) inputSettings(name string) *yaml.Node { return value(value(b.block, "inputs"), name) }

// OutputMode is how what the code emits to a port becomes its table.
func (b *Bundle) OutputMode(port string) host.OutputMode {
	return host.OutputMode(word(value(value(b.block, "outputs"), port), "mode", string(host.Append)))
}

// Promises are the rules that the contract of an input holds its rows to: what its producer answers for, and the product may
// rely on. None for an input whose contract is not here.
func (b *Bundle) Promises(in host.Input) []host.Rule {
	i := slices.IndexFunc(items(b.Product.root, "inputPorts"), func(p *yaml.Node) bool { return text(p, "name") == in.Name })
	if i < 0 {
		return nil
	}
	name, object := b.inputContract(items(b.Product.root, "inputPorts")[i]), in.Name
	if u, ok := parseUpstream(in.Name, in.From); ok && name == "" {
		name, object = u.Path(), u.Port
	}
	d := b.contracts[name]
	if d == nil {
		return nil
	}
	t := (&compiler{sink: &sink{doc: b.Product}, b: b}).compileContract(d, object, true)
	return append(t.rules, t.implied...)
}

// inputContract is the path of an input's contract, "" when it is its upstream's.
func (b *Bundle) inputContract(port *yaml.Node) string {
	if c := custom(port, contractProp); c != nil {
		return c.Value
	}
	return text(b.inputSettings(text(port, "name")), "contract")
}

// digestOf is the content address of a document.
func digestOf(b []byte) host.Digest { return host.Digest(fmt.Sprintf("sha256:%x", sha256.Sum256(b))) }

// Digest is the content address of a compiled product: of its canonical JSON, so that it changes when what the documents
// mean changes, and not with their comments.
func Digest(p *host.Product) (host.Digest, error) {
	b, err := host.CanonicalJSON(p)
	if err != nil {
		return "", fmt.Errorf("product %s: %w", p.ID, err)
	}
	return digestOf(b), nil
}
