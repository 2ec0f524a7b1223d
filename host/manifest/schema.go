package manifest

import (
	_ "embed"
	"encoding/json"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// SchemaNames are the documents that Schema describes.
func SchemaNames() []string { return []string{"contract", "product"} }

// Schema is the JSON Schema (draft-07) of a document that adp reads, for editors: "product" of product.yaml, "contract" of
// what describes a port. It is made from the tables that Read checks by, so it refuses nothing that Read takes. What
// spans several places, such as a port without a contract, only Read knows. ok is false for any other name.
func Schema(name string) (doc []byte, ok bool) {
	var root object
	switch name {
	case "product":
		root = schemaOf(odps, "product", "Product", "DataProduct")
	case "contract":
		root = schemaOf(odcs, "contract", "Data contract", "DataContract")
	default:
		return nil, false
	}
	doc, err := json.MarshalIndent(root, "", " ")
	if err != nil {
		panic(err) // maps, slices and strings
	}
	return append(doc, '\n'), true
}

// object is a part of a schema.
type object = map[string]any

// schemaOf describes a document in each version of its standard. The document's apiVersion chooses.
func schemaOf(std *standard, name, title, kind string) object {
	definitions := object{}
	var choice []any
	for _, minor := range std.minors {
		s := schemaWriter{edition{std, minor}, definitions}
		choice = append(choice, object{
			"if":   object{"properties": object{"apiVersion": object{"pattern": "^v" + regexp.QuoteMeta(minor) + `(\.|$)`}}, "required": []string{"apiVersion"}},
			"then": s.object(name),
		})
	}
	fields := object{"apiVersion": object{"type": "string", "pattern": `^v(` + strings.ReplaceAll(strings.Join(std.minors, "|"), ".", `\.`) + `)(\.|$)`}, "kind": object{"const": kind}}
	for field, f := range fields {
		f.(object)["description"] = meaning(std, name, field)
	}
	return object{"$schema": "http://json-schema.org/draft-07/schema#", "title": title + " (" + std.name + ") as adp reads it", "type": "object",
		"required": []string{"apiVersion", "kind"}, "properties": fields, "allOf": choice, "definitions": definitions}
}

// schemaWriter writes the objects of an edition as definitions.
type schemaWriter struct {
	edition
	definitions object
}

// object refers to the definition of an object, and writes it unless it is there.
func (s schemaWriter) object(name string) object {
	key := name + "-" + s.minor
	if s.standard == block {
		key = "adp-" + name
	}
	if _, ok := s.definitions[key]; !ok {
		s.definitions[key] = nil // it may contain itself
		s.definitions[key] = s.define(name)
	}
	return object{"$ref": "#/definitions/" + key}
}

// The custom properties among which adp looks for its own.
const (
	productCustom = "productSetting"
	portCustom    = "portSetting"
)

// define describes an object; what depends on what the object says it is, case by case.
func (s schemaWriter) define(name string) object {
	sh := s.shapes[name]
	switch {
	case s.standard == odcs && name == "server":
		return s.cases(name, sh, "type", servers, func(server string) (map[string]fieldShape, object) { return servers[server].fields, nil })
	case s.standard == odcs && (name == "property" || name == "item"):
		common := shape{fields: maps.Clone(sh.fields), openUntil: sh.openUntil}
		delete(common.fields, "items")
		delete(common.fields, "properties")
		return s.cases(name, common, "logicalType", logicalTypes, func(logical string) (map[string]fieldShape, object) {
			own := map[string]fieldShape{}
			if logical == "array" || logical == "" {
				own["items"] = sh.fields["items"]
			}
			if logical == "array" || logical == "object" || logical == "" {
				own["properties"] = sh.fields["properties"]
			}
			if logical == "" {
				return own, nil
			}
			return own, object{"logicalTypeOptions": orNull(s.options(logical))}
		})
	case name == productCustom:
		d := s.shape("custom", s.shapes["custom"])
		d["allOf"] = []any{when("property", blockProp, object{"properties": object{"value": schemaWriter{edition{block, ""}, s.definitions}.object("adp")}})}
		return d
	case name == portCustom:
		d := s.shape("custom", s.shapes["custom"])
		d["allOf"] = []any{when("property", contractProp, object{"properties": object{"value": object{"description": "path of the contract that describes the port, relative to product.yaml"}}})}
		return d
	}
	return s.shape(name, sh)
}

func when(field, value string, then object) object {
	return object{"if": object{"properties": object{field: object{"const": value}}, "required": []string{field}}, "then": then}
}

// options refers to what logicalTypeOptions may hold for a logical type.
func (s schemaWriter) options(logical string) object {
	key := logical + "Options-" + s.minor
	if _, ok := s.definitions[key]; !ok {
		s.definitions[key] = s.shape(logical, logicalTypes[logical])
	}
	return object{"$ref": "#/definitions/" + key}
}

// cases describes an object that has, beside what all such objects have, fields of its own for each word that one of its
// fields may be; "" is that field's absence. What own gives beside the fields narrows those that all have.
func (s schemaWriter) cases(name string, common shape, field string, words map[string]shape, own func(word string) (map[string]fieldShape, object)) object {
	d := s.shape(name, common)
	closed := d["additionalProperties"] == false
	known := slices.Sorted(maps.Keys(words))
	some := map[string]bool{}
	for _, w := range append(known, "") {
		fields, _ := own(w)
		for f := range fields {
			some[f] = true
		}
	}
	properties := d["properties"].(object)
	for f := range some {
		properties[f] = object{"description": meaning(s.standard, name, f)}
	}
	then := func(word string) object {
		fields, narrower := own(word)
		of := s.shape(word, shape{fields: fields, openUntil: "*"})
		delete(of, "type")
		may := of["properties"].(object)
		maps.Copy(may, narrower)
		for f := range some {
			if of, ok := fields[f]; closed && (!ok || before(s.minor, of.since)) {
				may[f] = false
			}
		}
		return of
	}
	var choice []any
	for _, w := range known {
		choice = append(choice, when(field, w, then(w)))
	}
	none := object{"properties": object{field: object{"enum": []any{"", nil}}}} // or not there
	d["allOf"] = append(choice, object{"if": none, "then": then("")})
	if !s.lenient() {
		properties[field].(object)["enum"] = append(anys(known), "", nil)
	}
	return d
}

func anys(words []string) (out []any) {
	for _, w := range words {
		out = append(out, w)
	}
	return out
}

// shape describes an object with these fields.
func (s schemaWriter) shape(name string, sh shape) object {
	properties := object{}
	required := []string{}
	for _, field := range sh.names() {
		f := sh.fields[field]
		if !sh.open(s.edition) && before(s.minor, f.since) {
			continue
		}
		of := s.kind(f.kind)
		switch {
		case s.standard != odps || field != "customProperties":
		case name == "product":
			of = s.kind("[" + productCustom + "]")
			of["contains"] = object{"properties": object{"property": object{"const": blockProp}}, "required": []string{"property"}}
			required = append(required, field) // without the adp block nothing says what runs
		case name == "inputPort" || name == "outputPort":
			of = s.kind("[" + portCustom + "]")
		}
		if f.mandatory(s.edition) {
			required = append(required, field)
		} else if !slices.Contains(required, field) {
			of = orNull(of)
		}
		described := object{"description": meaning(s.standard, name, field)}
		if _, refers := of["$ref"]; refers { // beside $ref nothing counts
			described["allOf"] = []any{of}
		} else {
			maps.Copy(described, of)
		}
		properties[field] = described
	}
	d := object{"type": "object", "properties": properties}
	if len(required) > 0 {
		d["required"] = required
	}
	if !sh.open(s.edition) && !s.lenient() {
		d["additionalProperties"] = false
	}
	return d
}

// kind describes a value of a kind of the tables.
func (s schemaWriter) kind(kind string) object {
	if mapping, list, ok := strings.Cut(kind, "/"); ok {
		return object{"anyOf": []any{s.kind(mapping), s.kind(list)}}
	}
	switch kind[0] {
	case '[':
		return object{"type": "array", "items": s.kind(kind[1 : len(kind)-1])}
	case '{':
		return object{"type": "object", "additionalProperties": s.kind(kind[1 : len(kind)-1])}
	case '=':
		return object{"enum": anys(strings.Split(kind[1:], "|"))}
	}
	switch kind {
	case "string", "integer", "number", "object":
		return object{"type": kind}
	case "bool":
		return object{"type": "boolean"}
	case "scalar":
		return object{"type": []any{"string", "number", "boolean"}}
	case "any":
		return object{}
	}
	return s.object(kind)
}

// orNull lets a value be empty too: Read takes an empty field for one that is not there.
func orNull(of object) object {
	switch t := of["type"].(type) {
	case string:
		of["type"] = []any{t, "null"}
		return of
	case []any:
		of["type"] = append(t, "null")
		return of
	}
	if words, ok := of["enum"].([]any); ok {
		of["enum"] = append(words, nil)
		return of
	}
	if len(of) == 0 {
		return of
	}
	return object{"anyOf": []any{of, object{"type": "null"}}}
}

//go:embed meanings.txt
var standardMeanings string

//go:embed REFERENCE.md
var reference string

// meanings are what fields mean, by FIELD and by OBJECT.FIELD: those of the standards, and those of the adp block, which
// are what the page for people says.
var meanings, blockMeanings = func() (standards, own map[string]string) {
	standards, own = map[string]string{}, map[string]string{}
	for line := range strings.Lines(standardMeanings) {
		if name, text, ok := strings.Cut(strings.TrimSpace(line), ": "); ok && !strings.HasPrefix(line, "#") {
			standards[name] = text
		}
	}
	said := map[string]string{}
	for line := range strings.Lines(reference) {
		if cells := strings.Split(line, " | "); len(cells) == 3 && strings.HasPrefix(line, "| `") {
			text := cells[1]
			if missing := strings.TrimSuffix(strings.TrimSpace(cells[2]), " |"); missing != "" {
				text += ". When missing: " + missing
			}
			said[strings.Trim(cells[0], "| `")] = strings.ReplaceAll(text, "`", "")
		}
	}
	blockFields("adp", "", func(object, field, path string) { own[object+"."+field] = said[path] })
	return standards, own
}()

// blockFields tells every field of the adp block that is not an object itself, and the path that the page for people has for it.
func blockFields(object, path string, tell func(object, field, path string)) {
	for name, f := range block.shapes[object].fields {
		kind, sub := strings.Trim(f.kind, "[]"), path+name
		if inner := strings.Trim(kind, "{}"); inner != kind {
			kind, sub = inner, sub+".NAME"
		}
		if _, ok := block.shapes[kind]; ok {
			blockFields(kind, sub+".", tell)
			continue
		}
		tell(object, name, sub)
	}
}

// meaning is what editors show of a field.
func meaning(std *standard, object, field string) string {
	if text := blockMeanings[object+"."+field]; text != "" && std == block {
		return text
	}
	if object == "item" {
		object = "property"
	}
	if text, ok := meanings[object+"."+field]; ok {
		return text
	}
	return meanings[field]
}
