package rest

import (
	"encoding/json"
	"fmt"
	"mime"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// document is what the test needs of OpenAPI.
type document struct {
	Paths      map[string]map[string]operation `json:"paths"`
	Components struct {
		Schemas   map[string]schemaDoc   `json:"schemas"`
		Responses map[string]responseDoc `json:"responses"`
	} `json:"components"`
}

type operation struct {
	OperationID string `json:"operationId"`
	Parameters  []struct {
		Name, In string
		Ref      string `json:"$ref"`
	} `json:"parameters"`
	Responses map[string]responseDoc `json:"responses"`
}

type responseDoc struct {
	Ref     string                                `json:"$ref"`
	Headers map[string]any                        `json:"headers"`
	Content map[string]struct{ Schema schemaDoc } `json:"content"`
}

type schemaDoc struct {
	Ref        string               `json:"$ref"`
	Type       string               `json:"type"`
	Required   []string             `json:"required"`
	Properties map[string]schemaDoc `json:"properties"`
	Items      *schemaDoc           `json:"items"`
	Enum       []string             `json:"enum"`
	AllOf      []schemaDoc          `json:"allOf"`
}

func loadDocument(t *testing.T) document {
	t.Helper()
	var doc document
	if err := json.Unmarshal(openAPIDocument, &doc); err != nil {
		t.Fatal(err)
	}
	return doc
}

// TestOpenAPIRoutes: the document and the router name the same routes.
func TestOpenAPIRoutes(t *testing.T) {
	m := newMesh(t)
	s, err := New(m.config(t))
	if err != nil {
		t.Fatal(err)
	}
	doc := loadDocument(t)
	param := regexp.MustCompile(`:(\w+)`)
	served := map[string]bool{}
	for _, r := range s.echo.Routes() {
		path := param.ReplaceAllString(r.Path, "{$1}")
		served[r.Method+" "+path] = true
		op, ok := doc.Paths[path][strings.ToLower(r.Method)]
		if !ok {
			t.Errorf("%s %s is served and not documented", r.Method, path)
			continue
		}
		for _, name := range param.FindAllStringSubmatch(r.Path, -1) {
			if !slices.ContainsFunc(op.Parameters, func(p struct {
				Name, In string
				Ref      string `json:"$ref"`
			}) bool {
				return p.In == "path" && p.Name == name[1] || strings.HasSuffix(p.Ref, "/"+name[1])
			}) {
				t.Errorf("%s %s does not document its parameter %s", r.Method, path, name[1])
			}
		}
	}
	ids := map[string]bool{}
	for path, ops := range doc.Paths {
		for method, op := range ops {
			if !served[strings.ToUpper(method)+" "+path] {
				t.Errorf("%s %s is documented and not served", method, path)
			}
			if ids[op.OperationID] || op.OperationID == "" {
				t.Errorf("operation id %q of %s %s is not its own", op.OperationID, method, path)
			}
			ids[op.OperationID] = true
		}
	}
}

// TestOpenAPIAnswers asks real questions and holds the answers against the document: status, headers, media type, and
// every member of every JSON body.
func TestOpenAPIAnswers(t *testing.T) {
	m := newMesh(t)
	m.ports["safety/strikes/strikes"].oldest = 2
	url := serve(t, m.config(t))
	expired := cursor{Port: "safety/strikes/strikes", After: 1}.String()
	for _, c := range []struct {
		path, request, accept string // the path in the document, the request line
		status                int
	}{
		{"/", "GET /", "text/html", 200},
		{"/", "GET /", "*/*", 200},
		{"/", "GET /", "image/png", 406},
		{"/.well-known/adp", "GET /.well-known/adp", "", 200},
		{"/openapi.json", "GET /openapi.json", "", 200},
		{"/schemas/{document}", "GET /schemas/product.json", "", 200},
		{"/schemas/{document}", "GET /schemas/other.json", "", 404},
		{"/schemas/{document}", "GET /schemas/product.yaml", "", 404},
		{"/healthz", "GET /healthz", "", 200},
		{"/readyz", "GET /readyz", "", 200},
		{"/metrics", "GET /metrics", "", 200},
		{"/d/{domain}/{product}", "GET /d/safety/strikes", "", 200},
		{"/d/{domain}/{product}", "GET /d/safety/strikes", "text/html", 200},
		{"/d/{domain}/{product}", "GET /d/safety/risk", "", 300},
		{"/d/{domain}/{product}", "GET /d/lab/empty", "", 404},
		{"/d/{domain}/{product}/{port}", "GET /d/safety/strikes/strikes.parquet", "", 200},
		{"/d/{domain}/{product}/{port}", "GET /d/safety/strikes/strikes.arrow", "", 200},
		{"/d/{domain}/{product}/{port}", "GET /d/safety/strikes/strikes.xlsx", "", 406},
		{"/d/{domain}/{product}/{port}", "GET /d/safety/strikes/strikes?limit=x", "", 400},
		{"/d/{domain}/{product}/{port}", "GET /d/safety/strikes/strikes?snapshot=99", "", 404},
		{"/d/{domain}/{product}/changes", "GET /d/safety/strikes/changes", "", 200},
		{"/d/{domain}/{product}/changes", "GET /d/safety/risk/changes", "", 300},
		{"/d/{domain}/{product}/{port}/changes", "GET /d/safety/strikes/strikes/changes?limit=2", "", 200},
		{"/d/{domain}/{product}/{port}/changes", "GET /d/safety/strikes/strikes/changes", "text/csv", 200},
		{"/d/{domain}/{product}/{port}/changes", "GET /d/safety/strikes/strikes/changes?since=" + expired, "", 410},
		{"/d/{domain}/{product}/{port}/changes", "GET /d/safety/strikes/strikes/changes?since=zzz", "", 400},
		{"/api/v1/products", "GET /api/v1/products?q=strikes", "", 200},
		{"/api/v1/products", "POST /api/v1/products?source=strikes=file:/data/strikes", "", 201},
		{"/api/v1/products/{domain}/{product}", "GET /api/v1/products/safety/strikes", "", 200},
		{"/api/v1/products/{domain}/{product}", "GET /api/v1/products/safety/none", "", 404},
		{"/api/v1/products/{domain}/{product}/contracts/{port}", "GET /api/v1/products/safety/strikes/contracts/strikes", "", 200},
		{"/api/v1/products/{domain}/{product}/contracts/{port}", "GET /api/v1/products/safety/strikes/contracts/none", "", 404},
		{"/api/v1/products/{domain}/{product}/{verb}", "POST /api/v1/products/safety/strikes/trigger", "", 200},
		{"/api/v1/products/{domain}/{product}/{verb}", "POST /api/v1/products/safety/strikes/rollback", "", 400},
		{"/api/v1/products/{domain}/{product}/quarantine", "GET /api/v1/products/safety/strikes/quarantine", "", 200},
		{"/api/v1/products/{domain}/{product}/placement", "GET /api/v1/products/safety/strikes/placement", "", 200},
		{"/api/v1/products/{domain}/{product}/placement", "GET /api/v1/products/safety/none/placement", "", 404},
		{"/api/v1/nodes", "GET /api/v1/nodes", "", 200},
		{"/api/v1/nodes/{node}", "GET /api/v1/nodes/n1", "", 200},
		{"/api/v1/nodes/{node}", "GET /api/v1/nodes/n2", "", 404},
		{"/api/v1/nodes/{node}/{verb}", "POST /api/v1/nodes/n1/drain", "", 200},
		{"/api/v1/nodes/{node}/{verb}", "POST /api/v1/nodes/n1/paint", "", 404},
		{"/api/v1/cluster/join", "POST /api/v1/cluster/join", "", 400},
		{"/api/v1/runs", "GET /api/v1/runs", "", 200},
		{"/api/v1/runs", "GET /api/v1/runs?product=safety/strikes&limit=1", "", 200},
	} {
		t.Run(c.request+" "+c.accept, func(t *testing.T) {
			method, path, _ := strings.Cut(c.request, " ")
			a := fetch(t, method, url+path, nil, owner, "Accept: "+c.accept)
			if a.StatusCode != c.status {
				t.Fatalf("status %d, want %d: %s", a.StatusCode, c.status, a.body)
			}
			doc := loadDocument(t)
			if why := doc.conforms(c.path, method, a); why != "" {
				t.Errorf("%s\n%s", why, a.body)
			}
		})
	}
}

// conforms tells what of an answer the document does not say; "" when it says all.
func (d document) conforms(path, method string, a answer) string {
	res, ok := d.Paths[path][strings.ToLower(method)].Responses[strconv.Itoa(a.StatusCode)]
	if !ok {
		return fmt.Sprintf("status %d is not documented", a.StatusCode)
	}
	if name, isRef := strings.CutPrefix(res.Ref, "#/components/responses/"); isRef {
		res = d.Components.Responses[name]
	}
	page := strings.HasPrefix(a.Header.Get("Content-Type"), "text/html")
	for name := range res.Headers {
		if a.Header.Get(name) == "" && !page { // headers of data
			return "header " + name + " is documented and not there"
		}
	}
	media, _, err := mime.ParseMediaType(a.Header.Get("Content-Type"))
	if err != nil {
		return err.Error()
	}
	content, ok := res.Content[media]
	if !ok {
		return "media type " + media + " is not documented"
	}
	if !strings.HasSuffix(media, "json") || media == "application/x-ndjson" {
		return ""
	}
	var v any
	if err := json.Unmarshal(a.body, &v); err != nil {
		return err.Error()
	}
	return d.check("body", v, content.Schema)
}

func (d document) check(at string, v any, s schemaDoc) string {
	props := d.flatten(s)
	switch v := v.(type) {
	case map[string]any:
		if props.Type != "object" {
			return at + " is an object, documented as " + props.Type
		}
		for _, name := range props.Required {
			if _, ok := v[name]; !ok {
				return at + "." + name + " is required and missing"
			}
		}
		for name, member := range v {
			p, ok := props.Properties[name]
			if !ok && props.Properties != nil {
				return at + "." + name + " is not documented"
			}
			if why := d.check(at+"."+name, member, p); ok && why != "" {
				return why
			}
		}
	case []any:
		if props.Type != "array" {
			return at + " is an array, documented as " + props.Type
		}
		for i, e := range v {
			if why := d.check(fmt.Sprintf("%s[%d]", at, i), e, *props.Items); why != "" {
				return why
			}
		}
	case string:
		if props.Type != "string" || len(props.Enum) > 0 && !slices.Contains(props.Enum, v) {
			return fmt.Sprintf("%s is %q, documented as %s %v", at, v, props.Type, props.Enum)
		}
	case float64:
		if props.Type != "number" && !(props.Type == "integer" && v == float64(int64(v))) {
			return fmt.Sprintf("%s is %v, documented as %s", at, v, props.Type)
		}
	case bool:
		if props.Type != "boolean" {
			return at + " is a boolean, documented as " + props.Type
		}
	case nil:
		return at + " is null"
	}
	return ""
}

// flatten resolves references and merges allOf.
func (d document) flatten(s schemaDoc) schemaDoc {
	if name, ok := strings.CutPrefix(s.Ref, "#/components/schemas/"); ok {
		return d.flatten(d.Components.Schemas[name])
	}
	for _, part := range s.AllOf {
		part = d.flatten(part)
		s.Type = part.Type
		s.Required = append(slices.Clone(s.Required), part.Required...)
		all := map[string]schemaDoc{}
		for _, props := range []map[string]schemaDoc{s.Properties, part.Properties} {
			for name, p := range props {
				all[name] = p
			}
		}
		s.Properties = all
	}
	return s
}
