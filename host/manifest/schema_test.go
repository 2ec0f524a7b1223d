package manifest

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v3"
)

func compiledSchema(t *testing.T, name string) *jsonschema.Schema {
	t.Helper()
	text, ok := Schema(name)
	if !ok {
		t.Fatalf("no schema %s", name)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource(name, doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile(name)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// asJSON is a document as editors see it: dates are text.
func asJSON(n *yaml.Node) any {
	switch n = follow(n); n.Kind {
	case yaml.MappingNode:
		m := map[string]any{}
		for _, f := range pairs(n) {
			m[f.key.Value] = asJSON(f.value)
		}
		return m
	case yaml.SequenceNode:
		l := []any{}
		for _, c := range n.Content {
			l = append(l, asJSON(c))
		}
		return l
	}
	switch n.Tag {
	case "!!null":
		return nil
	case "!!bool":
		return strings.EqualFold(n.Value, "true")
	case "!!int", "!!float":
		if f, err := strconv.ParseFloat(n.Value, 64); err == nil {
			return f
		}
	}
	return n.Value
}

// structure is what Read finds wrong with one document by itself.
func structure(d *Document, name string) error {
	if name == "contract" {
		return checkContract(d)
	}
	s := &sink{doc: d}
	if s.version(d, odps, "DataProduct") {
		walker{s, editionOf(d, odps)}.object(d.root, "product", "")
	}
	b := custom(d.root, blockProp)
	if b == nil {
		return errors.New("no adp block")
	}
	walker{s, edition{block, ""}}.object(b, "adp", "adp")
	return s.err()
}

// documents are the products and contracts of the repository and of the tests of this package, good and bad.
func documents(t *testing.T) map[string][]string {
	t.Helper()
	out := map[string][]string{}
	keep := func(text string) {
		switch {
		case strings.Contains(text, "kind: DataProduct"):
			out["product"] = append(out["product"], text)
		case strings.Contains(text, "kind: DataContract"):
			out["contract"] = append(out["contract"], text)
		}
	}
	for _, root := range []string{"testdata", "../../samples", "../../guest-sdk"} {
		err := filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
			if err != nil || e.IsDir() {
				if err == nil && (e.Name() == "node_modules" || e.Name() == "target") {
					return filepath.SkipDir
				}
				return err
			}
			switch filepath.Ext(path) {
			case ".yaml", ".txtar":
				b, err := os.ReadFile(path)
				if err != nil {
					return err
				}
				for part := range strings.SplitSeq(string(b), "\n-- ") {
					if _, body, ok := strings.Cut(part, " --\n"); ok && filepath.Ext(path) == ".txtar" {
						part = body
					}
					keep(part)
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return out
}

// breakOnce does one thing to a document that a person might do.
func breakOnce(r *rand.Rand, root *yaml.Node) {
	var all []*yaml.Node
	var walk func(n *yaml.Node)
	walk = func(n *yaml.Node) {
		all = append(all, n)
		for _, c := range n.Content {
			walk(c)
		}
	}
	walk(root)
	n := all[r.IntN(len(all))]
	scalars := []yaml.Node{{Kind: yaml.ScalarNode, Tag: "!!str", Value: "word"}, {Kind: yaml.ScalarNode, Tag: "!!int", Value: "7"}, {Kind: yaml.ScalarNode, Tag: "!!float", Value: "0.5"},
		{Kind: yaml.ScalarNode, Tag: "!!bool", Value: "true"}, {Kind: yaml.ScalarNode, Tag: "!!null"}, {Kind: yaml.MappingNode, Tag: "!!map"}, {Kind: yaml.SequenceNode, Tag: "!!seq"}}
	switch {
	case n.Kind == yaml.MappingNode && len(n.Content) > 0 && r.IntN(3) > 0:
		i := 2 * r.IntN(len(n.Content)/2)
		switch r.IntN(4) {
		case 0: // forgotten
			n.Content = append(n.Content[:i:i], n.Content[i+2:]...)
		case 1: // misspelt
			key := *n.Content[i]
			key.Value += "s"
			n.Content[i] = &key
		case 2: // of elsewhere
			words := []string{"workgroup", "location", "id", "description", "tags", "deprecated", "context", "items", "properties", "enum", "synonyms", "logicalType", "type", "map"}
			n.Content = append(n.Content, &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: words[r.IntN(len(words))]}, &scalars[r.IntN(len(scalars))])
		default:
			n.Content[i+1] = &scalars[r.IntN(len(scalars))]
		}
	case n.Kind == yaml.SequenceNode:
		n.Content = append(n.Content, &scalars[r.IntN(len(scalars))])
	case n.Kind == yaml.ScalarNode && strings.HasPrefix(n.Value, "v"):
		n.Value = []string{"v1.0.0", "v1.1.0", "v3.0.2", "v3.1.0", "v3.2.0", "v9.0.0"}[r.IntN(6)]
	case n.Kind == yaml.ScalarNode:
		*n = scalars[r.IntN(len(scalars))]
	}
}

// TestSchema: an editor and adp agree about what a document may look like, for good ones and for broken ones.
func TestSchema(t *testing.T) {
	const breaks = 60
	r := rand.New(rand.NewPCG(1, 2))
	for name, texts := range documents(t) {
		schema := compiledSchema(t, name)
		good, bad := 0, 0
		for _, text := range texts {
			for k := range breaks {
				d, err := Parse("doc.yaml", []byte(text))
				if err != nil {
					break // no YAML
				}
				if k > 0 {
					breakOnce(r, d.root)
					for r.IntN(4) == 0 {
						breakOnce(r, d.root)
					}
				}
				if twice(d.root) {
					continue // a key twice is no JSON
				}
				ours, theirs := structure(d, name), schema.Validate(asJSON(d.root))
				if (ours == nil) != (theirs == nil) {
					b, _ := yaml.Marshal(d.root)
					t.Fatalf("adp says %v, the schema says %v of\n%s", ours, theirs, b)
				}
				if ours == nil {
					good++
				} else {
					bad++
				}
			}
		}
		if good < 100 || bad < 100 {
			t.Errorf("%s: %d good, %d bad documents", name, good, bad)
		}
		t.Logf("%s: %d good, %d bad documents", name, good, bad)
	}
}

func twice(n *yaml.Node) bool {
	seen := map[string]bool{}
	if n.Kind == yaml.MappingNode {
		for _, f := range pairs(n) {
			if seen[f.key.Value] {
				return true
			}
			seen[f.key.Value] = true
		}
	}
	for _, c := range n.Content {
		if twice(c) {
			return true
		}
	}
	return false
}

// TestMeanings: every field has a meaning, and every meaning a field.
func TestMeanings(t *testing.T) {
	used := map[string]bool{}
	look := func(std *standard, object, field string) {
		if meaning(std, object, field) == "" {
			t.Errorf("nothing is said of %s.%s of %s", object, field, std.name)
		}
		used[object+"."+field], used[field] = true, true
	}
	for _, std := range []*standard{odps, odcs, block} {
		for object, s := range std.shapes {
			for field := range s.fields {
				look(std, object, field)
			}
		}
	}
	for _, table := range []map[string]shape{servers, logicalTypes} {
		for object, s := range table {
			for field := range s.fields {
				look(odcs, object, field)
			}
		}
	}
	for name := range meanings {
		if !used[name] {
			t.Errorf("no field is called %s", name)
		}
	}
	if _, ok := Schema("other"); ok {
		t.Error("there is a schema of something else")
	}
	for _, name := range SchemaNames() {
		text, _ := Schema(name)
		if n := strings.Count(string(text), `"description": ""`); n > 0 {
			t.Errorf("%s: %s", name, fmt.Sprint(n, " fields without a word"))
		}
	}
}
