package manifest

import "maps"

// odcs is the Open Data Contract Standard of Bitol, 3.0.0 to 3.0.2 as one. An id and a version that the standard requires
// are not marked so: Fill writes them.
//
// What an object may hold beside its fields depends on what it is: see server, property and options.
var odcs = &standard{name: "ODCS", minors: []string{"3.0", "3.1", "3.2"}, written: "3.1", shapes: withItems(parseShapes(`
	contract: apiVersion! string; kind! string; id string; version string; name string; tenant string; tags [string];
		status!<3.2 string; servers [server]; dataProduct string; description words; domain string; schema [table];
		support [support]; price price; team team/[member]; roles [role]; slaDefaultElement string; slaProperties [sla];
		authoritativeDefinitions [link]; customProperties [custom]; contractCreatedTs string; context>3.2 any
	words*: purpose string; limitations string; usage string; authoritativeDefinitions [link]; customProperties [custom]
	custom*<3.1: id>3.1 string; property!3.1 string; value!3.1 any; description>3.1 string
	link*<3.1: id>3.1 string; type! string; url! string; description>3.1 string
	support*<3.1: id>3.1 string; channel! string; url!<3.1 string; description string; tool string; scope string;
		invitationUrl string; customProperties>3.1 [custom]
	price*<3.1: id>3.1 string; priceAmount number; priceCurrency string; priceUnit string
	team: id>3.1 string; name string; description string; members [member]; tags [string]; customProperties [custom];
		authoritativeDefinitions [link]
	member*<3.1: id>3.1 string; username!3.1 string; name string; description string; role string; dateIn string; dateOut string;
		replacedByUsername string; tags>3.1 [string]; customProperties>3.1 [custom]; authoritativeDefinitions>3.1 [link]
	role*<3.1: id>3.1 string; role! string; description string; access string; firstLevelApprovers string;
		secondLevelApprovers string; customProperties [custom]
	sla*<3.1: id>3.1 string; property! string; value! any; valueExt any; unit string; element string; driver string;
		description>3.1 string; scheduler>3.1 string; schedule>3.1 string
	server*<3.1: id>3.1 string; server! string; type! string; description string; environment string; roles [role];
		customProperties [custom]

	table: id>3.1 string; name! string; physicalType string; description string; businessName string;
		authoritativeDefinitions [link]; tags [string]; customProperties [custom]; logicalType =object; physicalName string;
		dataGranularityDescription string; properties [property]; relationships>3.1 [relation]; quality [quality];
		synonyms>3.2 [synonym]; context>3.2 any
	property: name! string; items item; properties [property]; map>3.2 map;
		id>3.1 string; physicalType string; description string; businessName string; authoritativeDefinitions [link];
		tags [string]; customProperties [custom]; primaryKey bool; primaryKeyPosition integer; logicalType string;
		logicalTypeOptions any; physicalName string; required bool; unique bool; partitioned bool;
		partitionKeyPosition integer; classification string; encryptedName string; transformSourceObjects [string];
		transformLogic string; transformDescription string; examples [any]; criticalDataElement bool;
		relationships>3.1 [columnRelation]; quality [quality]; synonyms>3.2 [synonym]; semanticType>3.2 =column|measure|dimension;
		enum>3.2 [value]
	map: key! item; value! item
	relation: type =foreignKey; from! any; to! any; customProperties [custom]
	columnRelation: type =foreignKey; to! any; customProperties [custom]
	value: value! any; label string; id string; description string; customProperties [custom]; authoritativeDefinitions [link];
		tags [string]
	synonym: id string; synonym! string; description string; locale string; source string; status string; customProperties [custom]

	quality*<3.1: id>3.1 string; name string; description string; type =library|text|sql|custom; metric>3.1 string; rule string;
		arguments>3.1 object; query string; engine string; implementation any; method string; severity string;
		dimension =accuracy|completeness|conformity|consistency|coverage|timeliness|uniqueness|ac|cp|cf|cs|cv|tm|uq;
		businessImpact string; unit string; schedule string; scheduler string; tags [string]; customProperties [custom];
		authoritativeDefinitions [link]; mustBe any; mustNotBe any; mustBeGreaterThan number; mustBeGreaterOrEqualTo number;
		mustBeLessThan number; mustBeLessOrEqualTo number; mustBeBetween [number]; mustNotBeBetween [number]
`))}

// withItems adds the shape of the items of an array: a property that needs no name.
func withItems(shapes map[string]shape) map[string]shape {
	item := shape{fields: maps.Clone(shapes["property"].fields)}
	item.fields["name"] = fieldShape{kind: "string"}
	shapes["item"] = item
	return shapes
}

// logicalTypes are the types of the standard, and with each the settings that it takes in logicalTypeOptions.
var logicalTypes = parseShapes(`
	string: minLength integer; maxLength integer; pattern string; format string
	date: format string; minimum string; maximum string; exclusiveMinimum any; exclusiveMaximum any
	timestamp,time: format string; minimum string; maximum string; exclusiveMinimum any; exclusiveMaximum any; timezone bool;
		defaultTimezone string
	number,integer: multipleOf number; minimum number; maximum number; exclusiveMinimum any; exclusiveMaximum any; format string
	object: minProperties integer; maxProperties integer; required [string]
	array: minItems integer; maxItems integer; uniqueItems bool
	boolean*:
	map*:
`)

// servers are the places that a contract may name, and with each the fields that it has beside those of all servers.
var servers = parseShapes(`
	api: location! string
	athena: stagingDir!<3.2 string; schema! string; catalog string; regionName string; workgroup>3.2 string
	azure: location! string; format! string; delimiter string
	bigquery: project! string; dataset! string
	clickhouse,mysql,synapse: host! string; port! integer; database! string
	databricks: host string; catalog! string; schema! string
	denodo: host! string; port! integer; database string
	dremio: host! string; port! integer; schema string
	duckdb: database! string; schema string
	glue: account! string; database! string; location string; format string
	cloudsql,postgresql,postgres,vertica: host! string; port! integer; database! string; schema! string
	db2: host! string; port! integer; database! string; schema string
	hive,impala,informix,zen: host! string; port integer; database! string
	kafka: host! string; format string
	kinesis: region string; format string
	local: path! string; format! string
	oracle: host! string; port! integer; serviceName! string
	presto: host! string; catalog string; schema string
	pubsub: project! string
	redshift: host string; database! string; schema! string; region string; account string
	s3: location! string; endpointUrl string; format string; delimiter string
	sftp: location! string; format string; delimiter string
	snowflake: host string; port integer; account! string; database! string; schema! string; warehouse string
	sqlserver: host! string; port integer; database! string; schema! string
	trino: host! string; port! integer; catalog! string; schema! string
	custom: account string; catalog string; database string; dataset string; delimiter string; endpointUrl string; format string;
		host string; location string; path string; port integer; project string; region string; regionName string;
		schema string; serviceName string; stagingDir string; warehouse string; stream string
`)
