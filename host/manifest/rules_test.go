package manifest_test

import (
	"strings"
	"testing"
	"testing/fstest"

	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/adp-host/adp/host"
	"github.com/adp-host/adp/host/columnar"
	"github.com/adp-host/adp/host/quality"
)

// TestRulesAreEvaluable: whatever a contract may say without a problem, the checker can evaluate or skip.
func TestRulesAreEvaluable(t *testing.T) {
	p, err := load(t, base(t)).Compile(host.LocalTenant)
	if err != nil {
		t.Fatal(err)
	}
	o := &p.Outputs[0]
	schema, err := columnar.Emitted(o)
	if err != nil {
		t.Fatal(err)
	}
	k, err := quality.Compile(o.Name, o.Rules, schema)
	if err != nil {
		t.Fatal(err)
	}
	skipped := 0
	for i, c := range k.Finish(quality.Measures{Rows: 1, Duplicates: func([]string) (int64, error) { return 0, nil }}) {
		switch {
		case c.Rule != o.Rules[i].ID:
			t.Errorf("check %s of rule %s", c.Rule, o.Rules[i].ID)
		case c.Status == host.CheckSkip && c.Reason != "" && o.Rules[i].Skip != "":
			skipped++
		case c.Status != host.CheckPass:
			t.Errorf("%+v", c)
		}
	}
	if skipped != 5 {
		t.Errorf("%d rules are skipped", skipped)
	}
}

// contractOf is a product with one output over a contract of the given version and schema object.
func contractOf(version, object, output string) fstest.MapFS {
	return fstest.MapFS{
		"product.yaml": {Data: []byte("{apiVersion: v1.0.0, kind: DataProduct, name: a, domain: b, status: c, outputPorts: [{name: out, customProperties: [{property: contract, value: c.yaml}]}], " +
			"customProperties: [{property: adp, value: {code: {language: go}, outputs: {out: " + output + "}}}]}")},
		"c.yaml": {Data: []byte("apiVersion: " + version + "\nkind: DataContract\nstatus: d\nschema:\n- name: out\n  " + strings.ReplaceAll(object, "\n", "\n  "))},
	}
}

// TestImpliedRules: what a contract demands without an entry in quality, judged on rows.
func TestImpliedRules(t *testing.T) {
	for name, c := range map[string]struct {
		version, properties, rows string
		broken                    string // ids of the rules that rows break
	}{
		"exclusive since 3.1": {"v3.1.0", "{name: x, logicalType: integer, logicalTypeOptions: {exclusiveMinimum: 0, exclusiveMaximum: 9}}", `[{"x":0},{"x":1},{"x":9}]`, "x.exclusiveMinimum x.exclusiveMaximum"},
		"exclusive in 3.0":    {"v3.0.2", "{name: x, logicalType: integer, logicalTypeOptions: {minimum: 0, exclusiveMinimum: true, maximum: 9, exclusiveMaximum: false}}", `[{"x":0},{"x":9}]`, "x.minimum"},
		"dates":               {"v3.1.0", `{name: x, logicalType: date, logicalTypeOptions: {minimum: "2020-01-01", maximum: "2020-12-31"}}`, `[{"x":"2020-01-01"},{"x":"2021-01-01"},{"x":null}]`, "x.maximum"},
		"enum of 3.2":         {"v3.2.0", "{name: x, logicalType: integer, enum: [{value: 1}, {value: 2, label: two}]}", `[{"x":1},{"x":3}]`, "x.enum"},
		"pattern, length":     {"v3.1.0", "{name: x, logicalType: string, logicalTypeOptions: {pattern: 'A[0-9]', minLength: 2, maxLength: 3}}", `[{"x":"A1"},{"x":"A12"},{"x":"Ä"}]`, "x.minLength x.pattern"},
		"integers of 8 bits":  {"v3.1.0", "{name: x, logicalType: integer, logicalTypeOptions: {format: i8}}", `[{"x":-128},{"x":127},{"x":null},{"x":128}]`, "x.format"},
		"no sign":             {"v3.1.0", "{name: x, logicalType: integer, logicalTypeOptions: {format: u32}}", `[{"x":0},{"x":4294967295},{"x":-1}]`, "x.format"},
		"no sign, all within": {"v3.1.0", "{name: x, logicalType: integer, logicalTypeOptions: {format: u32}}", `[{"x":0},{"x":4294967295}]`, ""},
		"primary key":         {"v3.1.0", "{name: x, logicalType: integer, primaryKey: true}", `[{"x":null}]`, "x.primaryKey"},
	} {
		fsys := contractOf(c.version, "properties: ["+c.properties+"]", "{mode: append}")
		p, err := load(t, fsys).Compile(host.LocalTenant)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		schema, err := columnar.Emitted(&p.Outputs[0])
		if err != nil {
			t.Fatal(err)
		}
		k, err := quality.Compile("out", p.Outputs[0].Rules, schema)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		rec, _, err := array.RecordFromJSON(memory.DefaultAllocator, schema, strings.NewReader(c.rows))
		if err != nil {
			t.Fatal(err)
		}
		keep, _ := k.Batch(rec)
		keep.Release()
		rec.Release()
		var broken []string
		for _, check := range k.Finish(quality.Measures{Duplicates: func([]string) (int64, error) { return 0, nil }}) {
			if check.Status == host.CheckFail && check.Action == host.Hold {
				broken = append(broken, check.Rule)
			}
		}
		if got := strings.Join(broken, " "); got != c.broken {
			t.Errorf("%s: %s are broken, want %s", name, got, c.broken)
		}
	}
}

// TestUniqueByConstruction: what an upsert's key makes unique is not counted again.
func TestUniqueByConstruction(t *testing.T) {
	const columns = "properties: [{name: a, logicalType: integer, required: true, unique: true, primaryKey: true, primaryKeyPosition: 2}, {name: b, logicalType: integer, required: true, primaryKey: true, primaryKeyPosition: 1}]"
	for output, want := range map[string]string{
		"{mode: append}":              "a.unique a; primaryKey b,a",
		"{mode: replace, key: [a]}":   "a.unique a; primaryKey b,a",
		"{mode: upsert}":              "a.unique a",
		"{mode: upsert, key: [a]}":    "",
		"{mode: upsert, key: [a, b]}": "a.unique a",
		"{mode: upsert, key: [b]}":    "a.unique a",
	} {
		p, err := load(t, contractOf("v3.1.0", columns, output)).Compile(host.LocalTenant)
		if err != nil {
			t.Errorf("%s: %v", output, err)
			continue
		}
		var got []string
		for _, r := range p.Outputs[0].Rules {
			got = append(got, r.ID+" "+strings.Join(r.Columns, ","))
		}
		if s := strings.Join(got, "; "); s != want {
			t.Errorf("%s: %s, want %s", output, s, want)
		}
		if output == "{mode: upsert}" && strings.Join(p.Outputs[0].Key, ",") != "b,a" {
			t.Errorf("key %v", p.Outputs[0].Key)
		}
	}
}

// TestOnViolation: the contract's word, else its severity.
func TestOnViolation(t *testing.T) {
	for entry, want := range map[string]host.OnViolation{
		"severity: error":   host.Hold,
		"severity: Warning": host.Warn,
		"severity: info":    host.Warn,
		"name: x":           host.Hold,
		"customProperties: [{property: onViolation, value: quarantine}]":                               host.Quarantine,
		"severity: warning, customProperties: [{property: onViolation, value: hold}]":                  host.Hold,
		"severity: error, customProperties: [{property: other}, {property: onViolation, value: warn}]": host.Warn,
	} {
		entry = strings.Replace(entry, "{property: other}", "{property: other, value: 1}", 1)
		p, err := load(t, contractOf("v3.1.0", "properties: [{name: a, logicalType: integer, quality: [{metric: nullValues, "+entry+"}]}]", "{}")).Compile(host.LocalTenant)
		if err != nil || p.Outputs[0].Rules[0].OnViolation != want {
			t.Errorf("%s: %+v %v", entry, p, err)
		}
	}
}
