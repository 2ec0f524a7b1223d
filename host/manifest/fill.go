package manifest

import (
	"slices"

	"go.yaml.in/yaml/v3"
)

// Fill writes the ids and versions that the standards want and nobody likes to write: ids of the product and of its
// contracts, contractId and version of every port. What is there stays. It reports whether anything changed.
func (b *Bundle) Fill(newID func() string) (changed bool, err error) {
	for _, name := range sortedNames(b.contracts) {
		d := b.contracts[name]
		for _, f := range []struct{ after, name, value string }{{"kind", "id", newID()}, {"id", "version", "1.0.0"}} {
			if text(d.root, f.name) != "" {
				continue
			}
			if err := d.insert(d.root, f.after, f.name, f.value); err != nil {
				return changed, err
			}
			changed = true
		}
	}
	for {
		did, err := b.fillOne(newID)
		if err != nil || !did {
			b.block = custom(b.Product.root, blockProp)
			return changed, err
		}
		changed = true
	}
}

// fillOne makes the first missing insertion into the product's document; positions are read anew after each.
func (b *Bundle) fillOne(newID func() string) (bool, error) {
	root := b.Product.root
	switch {
	case text(root, "id") == "":
		return true, b.Product.insert(root, "kind", "id", newID())
	case text(root, "version") == "":
		return true, b.Product.insert(root, "name", "version", "0.1.0")
	}
	b.block = custom(root, blockProp)
	for _, group := range []string{"inputPorts", "outputPorts"} {
		for _, p := range items(root, group) {
			switch {
			case text(p, "version") == "":
				return true, b.Product.insert(p, "name", "version", "1.0.0")
			case text(p, "contractId") == "":
				if id := b.contractID(p, group); id != "" {
					return true, b.Product.insert(p, "version", "contractId", id)
				}
			}
		}
	}
	return false, nil
}

// contractID is the id of the contract that a port refers to, "" while it is not known.
func (b *Bundle) contractID(port *yaml.Node, group string) string {
	path := ""
	if c := custom(port, contractProp); c != nil {
		path = c.Value
	}
	if group == "inputPorts" {
		if path = b.inputContract(port); path == "" {
			_, in := field(b.block, "inputs")
			_, settings := field(in, text(port, "name"))
			if u, ok := parseUpstream(text(port, "name"), text(settings, "from")); ok {
				path = u.Path()
			}
		}
	}
	if d := b.contracts[path]; d != nil {
		return text(d.root, "id")
	}
	return ""
}

func sortedNames(m map[string]*Document) []string {
	out := make([]string, 0, len(m))
	for name := range m {
		out = append(out, name)
	}
	slices.Sort(out)
	return out
}
