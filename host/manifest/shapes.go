package manifest

import (
	"maps"
	"slices"
	"strings"
)

// The fields that the standards define, object by object, as "name type" with the marks "!" required and ">3.1" new in
// that version. Types: string, bool, number, integer, any, object (free), [T] a list of T, or the name of another object.
// The tables follow ODPS 1.0.0 and ODCS 3.0–3.2.
var shapeText = map[string]string{
	"product": `apiVersion! string; kind! string; id string; name string; version string; status! string; domain string; tenant string;
		authoritativeDefinitions [link]; description words; customProperties [custom]; tags [string]; inputPorts [inputPort];
		outputPorts [outputPort]; managementPorts [managementPort]; support [support]; team team; productCreatedTs string`,
	"inputPort": `name! string; version string; contractId string; tags [string]; customProperties [custom]; authoritativeDefinitions [link]`,
	"outputPort": `name! string; description string; type string; version string; contractId string; sbom [sbom]; inputContracts [inputContract];
		tags [string]; customProperties [custom]; authoritativeDefinitions [link]`,
	"sbom":           `type string; url! string`,
	"inputContract":  `id! string; version! string`,
	"managementPort": `name! string; content! string; type string; url string; channel string; description string; tags [string]; customProperties [custom]; authoritativeDefinitions [link]`,
	"words":          `purpose string; limitations string; usage string; authoritativeDefinitions [link]; customProperties [custom]`,
	"custom":         `id>3.1 string; property! string; value! any; description string`,
	"link":           `id>3.1 string; type! string; url! string; description string`,
	"support":        `id>3.1 string; channel! string; url string; description string; tool string; scope string; invitationUrl string; tags [string]; customProperties [custom]; authoritativeDefinitions [link]`,
	"team":           `id>3.1 string; name string; description string; members [member]; tags [string]; customProperties [custom]; authoritativeDefinitions [link]`,
	"member":         `id>3.1 string; username! string; name string; description string; role string; dateIn string; dateOut string; replacedByUsername string; tags [string]; customProperties [custom]; authoritativeDefinitions [link]`,

	"contract": `apiVersion! string; kind! string; id string; version string; name string; tenant string; tags [string]; status! string; servers [object];
		dataProduct string; description words; domain string; schema [table]; support [support]; price price; team any; roles [role];
		slaDefaultElement string; slaProperties [sla]; authoritativeDefinitions [link]; customProperties [custom]; contractCreatedTs string; context>3.2 any`,
	"price": `id>3.1 string; priceAmount number; priceCurrency string; priceUnit string`,
	"role":  `id>3.1 string; role! string; description string; access string; firstLevelApprovers string; secondLevelApprovers string; customProperties [custom]`,
	"sla":   `id>3.1 string; property! string; value! any; valueExt any; unit string; element string; driver string; description>3.1 string; scheduler>3.1 string; schedule>3.1 string`,
	"table": `id>3.1 string; name! string; physicalType string; description string; businessName string; authoritativeDefinitions [link]; tags [string];
		customProperties [custom]; logicalType string; physicalName string; dataGranularityDescription string; properties [property];
		relationships>3.1 [object]; quality [quality]; synonyms>3.2 any; context>3.2 any`,
	"property": `id>3.1 string; name! string; physicalType string; description string; businessName string; authoritativeDefinitions [link]; tags [string];
		customProperties [custom]; primaryKey bool; primaryKeyPosition integer; logicalType string; logicalTypeOptions object; physicalName string;
		required bool; unique bool; partitioned bool; partitionKeyPosition integer; classification string; encryptedName string;
		transformSourceObjects [string]; transformLogic string; transformDescription string; examples [any]; criticalDataElement bool;
		relationships>3.1 [object]; quality [quality]; properties [property]; items item; synonyms>3.2 any; semanticType>3.2 string; enum>3.2 any`,
	"item": `id>3.1 string; name string; physicalType string; description string; businessName string; authoritativeDefinitions [link]; tags [string];
		customProperties [custom]; primaryKey bool; primaryKeyPosition integer; logicalType string; logicalTypeOptions object; physicalName string;
		required bool; unique bool; partitioned bool; partitionKeyPosition integer; classification string; encryptedName string;
		transformSourceObjects [string]; transformLogic string; transformDescription string; examples [any]; criticalDataElement bool;
		relationships>3.1 [object]; quality [quality]; properties [property]; items item`,
	"quality": `id>3.1 string; name string; description string; type string; metric>3.1 string; rule string; arguments>3.1 object; query string;
		engine string; implementation any; validValues [any]; dimension string; method string; severity string; businessImpact string; unit string;
		schedule string; scheduler string; tags [string]; customProperties [custom]; authoritativeDefinitions [link]; mustBe any; mustNotBe any;
		mustBeGreaterThan number; mustBeGreaterOrEqualTo number; mustBeLessThan number; mustBeLessOrEqualTo number; mustBeBetween [number]; mustNotBeBetween [number]`,

	"adp":     `code code; inputs {input}; outputs {output}; run run; limits limits; drivers {driver}; config {string}`,
	"code":    `language! string; path string`,
	"input":   `from! string; mode string; onChange string; contract string; options {string}`,
	"output":  `mode string; key [string]`,
	"run":     `on string; every string`,
	"limits":  `memory any; deadline string; fuel any; stack any; output any; logs any; state any`,
	"driver":  `uri! string; access! string; contract! string; options {string}`,
	"options": ``,
}

// fieldShape is what a field may hold.
type fieldShape struct {
	name     string
	kind     string
	required bool
	since    string // minor version "3.1", "" from the first
}

// shape is an object's fields by name.
type shape map[string]fieldShape

var shapes = parseShapes()

func parseShapes() map[string]shape {
	out := map[string]shape{}
	for name, lines := range shapeText {
		s := shape{}
		for f := range strings.SplitSeq(lines, ";") {
			words := strings.Fields(f)
			if len(words) != 2 {
				continue
			}
			fs := fieldShape{kind: words[1]}
			fs.name, fs.since, _ = strings.Cut(words[0], ">")
			if n, ok := strings.CutSuffix(fs.name, "!"); ok {
				fs.name, fs.required = n, true
			}
			s[fs.name] = fs
		}
		out[name] = s
	}
	return out
}

func (s shape) names() []string { return slices.Sorted(maps.Keys(s)) }
