package manifest

import (
	"maps"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Versions of what is new.
const (
	firstProduct  = "0.1.0"
	firstContract = "1.0.0" // and of its port: they share their major
)

// Fill writes the ids and versions that the standards want and nobody likes to write: of the product, of its contracts,
// and version and contractId of every port. What is there stays, byte for byte. newID is called once for each id that is
// written, in the order of the documents' paths, the product last. Fill reports whether anything changed; copies of
// upstream contracts never do.
func (b *Bundle) Fill(newID func() string) (changed bool, err error) {
	for _, name := range slices.Sorted(maps.Keys(b.contracts)) {
		if strings.HasPrefix(name, UpstreamDir+"/") {
			continue
		}
		did, err := b.contracts[name].fillContract(newID)
		changed = changed || did
		if err != nil {
			return changed, err
		}
	}
	for {
		did, err := b.fillOne(newID)
		b.block = custom(b.Product.root, blockProp) // an edit makes a new tree
		changed = changed || did
		if err != nil || !did {
			return changed, err
		}
	}
}

func (d *Document) fillContract(newID func() string) (changed bool, err error) {
	if text(d.root, "id") == "" {
		if err := d.insert(d.root, "kind", "id", newID()); err != nil {
			return false, err
		}
		changed = true
	}
	if text(d.root, "version") == "" {
		if err := d.insert(d.root, "id", "version", firstContract); err != nil {
			return changed, err
		}
		changed = true
	}
	return changed, nil
}

// fillOne makes the first missing insertion into the product's document; positions are read anew after each.
func (b *Bundle) fillOne(newID func() string) (bool, error) {
	root := b.Product.root
	switch {
	case text(root, "id") == "":
		err := b.Product.insert(root, "kind", "id", newID())
		return err == nil, err
	case text(root, "version") == "":
		err := b.Product.insert(root, "name", "version", firstProduct)
		return err == nil, err
	}
	for _, group := range []string{"inputPorts", "outputPorts"} {
		for _, p := range items(root, group) {
			id, version := b.promised(p, group)
			switch {
			case p.Kind != yaml.MappingNode:
			case text(p, "version") == "":
				err := b.Product.insert(p, "name", "version", version)
				return err == nil, err
			case text(p, "contractId") == "" && id != "":
				err := b.Product.insert(p, "version", "contractId", id)
				return err == nil, err
			}
		}
	}
	return false, nil
}

// promised are the id and the version of the contract that a port refers to; id "" while the contract is not known.
func (b *Bundle) promised(port *yaml.Node, group string) (id, version string) {
	path := ""
	if c := custom(port, contractProp); c != nil {
		path = c.Value
	}
	if group == "inputPorts" {
		if path = b.inputContract(port); path == "" {
			name := text(port, "name")
			if u, ok := parseUpstream(name, text(b.inputSettings(name), "from")); ok {
				path = u.Path()
			}
		}
	}
	d := b.contracts[path]
	if d == nil {
		return "", firstContract
	}
	if version = text(d.root, "version"); major(version) == "" {
		version = firstContract
	}
	return text(d.root, "id"), version
}
