package rest

import (
	_ "embed"
	"net/http"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/adp-host/adp/host"
)

// Mesh is the document at /.well-known/adp: how to reach the products of this mesh. It names none of them.
type Mesh struct {
	Format    int       `json:"format"` // of this document: 1
	Mesh      string    `json:"mesh"`
	Version   string    `json:"version"` // of adp
	Endpoints Endpoints `json:"endpoints"`
	Products  string    `json:"products"` // URL of the list
}

// Endpoints are absolute URLs; {names} are to be replaced.
type Endpoints struct {
	HTTP       string `json:"http"`
	Data       string `json:"data"`
	Changes    string `json:"changes"`
	Products   string `json:"products"`
	Runs       string `json:"runs"`
	OpenAPI    string `json:"openapi"`
	Schemas    string `json:"schemas"`
	Health     string `json:"health"`
	Readiness  string `json:"readiness"`
	Prometheus string `json:"prometheus"`
}

func (s *Server) wellKnown(c echo.Context) error {
	base := scheme(c.Request()) + "://" + c.Request().Host // one of our own names: guard has checked it
	return sendJSON(c, http.StatusOK, Mesh{
		Format: 1, Mesh: s.cfg.Mesh, Version: s.cfg.Version, Products: base + "/api/v1/products",
		Endpoints: Endpoints{
			HTTP: base, Data: base + "/d/{domain}/{product}/{port}", Changes: base + "/d/{domain}/{product}/{port}/changes",
			Products: base + "/api/v1/products", Runs: base + "/api/v1/runs", OpenAPI: base + "/openapi.json", Schemas: base + "/schemas/{document}.json",
			Health: base + "/healthz", Readiness: base + "/readyz", Prometheus: base + "/metrics",
		},
	})
}

//go:embed openapi.json
var openAPIDocument []byte

func (s *Server) openAPI(c echo.Context) error {
	return c.Blob(http.StatusOK, "application/json", openAPIDocument)
}

// schema gives an editor what it holds a document against.
func (s *Server) schema(c echo.Context) error {
	name, isJSON := strings.CutSuffix(c.Param("document"), ".json")
	doc, ok := s.cfg.Schema(name)
	if !ok || !isJSON {
		return host.Errorf(host.CodeAccessUnknown, "there is no schema at %s", c.Request().URL.Path).WithHint("adp schema lists them")
	}
	return c.Blob(http.StatusOK, "application/schema+json", doc)
}

// healthz tells that the process answers, readyz that it can do its work.
func (s *Server) healthz(c echo.Context) error {
	return sendJSON(c, http.StatusOK, map[string]string{"status": "ok"})
}

func (s *Server) readyz(c echo.Context) error {
	if s.cfg.Ready != nil {
		if err := s.cfg.Ready(c.Request().Context()); err != nil {
			coded := err
			if host.CodeOf(err) == "" {
				coded = host.Errorf(host.CodeNodeUnreachable, "the node is not ready yet")
				s.cfg.Log.Warn("not ready", "error", err)
			}
			return withStatus(http.StatusServiceUnavailable, coded)
		}
	}
	return sendJSON(c, http.StatusOK, map[string]string{"status": "ready"})
}
