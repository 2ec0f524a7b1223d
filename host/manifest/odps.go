package manifest

// odps is the Open Data Product Standard of Bitol. An id, a version and a contractId that the standard requires are not
// marked so: Fill writes them.
var odps = &standard{name: "ODPS", minors: []string{"1.0", "1.1"}, written: "1.0", shapes: parseShapes(`
	product: apiVersion! string; kind! string; id string; name string; version string; status!<1.1 string; domain string;
		tenant string; authoritativeDefinitions [link]; description words; customProperties [custom]; tags [string];
		inputPorts [inputPort]; outputPorts [outputPort]; managementPorts [managementPort]; support [support]; team team;
		productCreatedTs string; deprecated>1.1 bool; synonyms>1.1 [synonym]; type>1.1 string; context>1.1 any
	inputPort: id>1.1 string; name! string; version string; contractId string; tags [string]; customProperties [custom];
		authoritativeDefinitions [link]; deprecated>1.1 bool
	outputPort: id>1.1 string; name! string; description string; type string; version string; contractId string; sbom [sbom];
		inputContracts [inputContract]; tags [string]; customProperties [custom]; authoritativeDefinitions [link];
		deprecated>1.1 bool; synonyms>1.1 [synonym]; context>1.1 any
	managementPort: id>1.1 string; name! string; content! string; type string; url string; channel string; description string;
		tags [string]; customProperties [custom]; authoritativeDefinitions [link]; deprecated>1.1 bool
	sbom: id>1.1 string; type string; url!<1.1 string
	inputContract: id! string; version! string
	words: purpose string; limitations string; usage string; authoritativeDefinitions [link]; customProperties [custom]
	custom: id>1.1 string; property! string; value! any; description string
	link: id>1.1 string; type! string; url! string; description string
	support: id>1.1 string; channel! string; url! string; description string; tool string; scope string; invitationUrl string;
		tags [string]; customProperties [custom]; authoritativeDefinitions [link]
	team: name string; description string; members [member]; tags [string]; customProperties [custom];
		authoritativeDefinitions [link]
	member: id>1.1 string; username! string; name string; description string; role string; dateIn string; dateOut string;
		replacedByUsername string; tags [string]; customProperties [custom]; authoritativeDefinitions [link]
	synonym: id string; synonym! string; description string; locale string; source string; status string; customProperties [custom]
`)}

// block is what stands in a product's customProperties under "adp": how the product runs. Its words are adp's own.
var block = &standard{name: "the adp block", shapes: parseShapes(`
	adp: code! code; inputs {input}; outputs {output}; run run; limits limits; place place; retention retention; drivers {driver}; config {scalar}
	code: language! scalar; path scalar; nans =canonical; function scalar; encoding =ndjson|json|columns
	input: from! scalar; mode =incremental|snapshot; onChange =rebuild|lookup; contract scalar; options {scalar}; forms {scalar}
	output: mode =append|upsert|replace; key [scalar]; forms {scalar}
	run: on =inputs; every scalar
	limits: memory scalar; deadline scalar; fuel scalar; stack scalar; output scalar; logs scalar; state scalar
	place: node scalar; labels {scalar}; features [scalar]; memory scalar; weight scalar
	retention: snapshots scalar; for scalar
	driver: uri! scalar; access! =read|write; contract scalar; options {scalar}; forms {scalar}
`)}
