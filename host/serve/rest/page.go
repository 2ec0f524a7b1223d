package rest

import (
	"bytes"
	_ "embed"
	"html/template"
	"net/http"

	"github.com/labstack/echo/v4"

	"github.com/adp-host/adp/host"
)

// Pages are for people: plain documents without a script, everything in them escaped by html/template.

//go:embed pages.html
var pagesSource string

var pages = template.Must(template.New("pages").Funcs(template.FuncMap{
	"formats": func() []string { return []string{"csv", "json", "ndjson", "arrow", "parquet"} },
}).Parse(pagesSource))

// productPage is what the template "product" shows.
type productPage struct {
	host.ProductStatus
	Base   string // http://host:port
	Port   string // the port that the address named; "" the product
	Checks []host.Check
	Run    *host.RunStatus
}

// page answers a browser with the product: what it is, its ports and columns, what its last run checked, where to go on.
func (s *Server) page(c echo.Context, t target) error {
	st, err := s.find(c, t.id)
	if err != nil {
		return err
	}
	p := productPage{ProductStatus: st, Port: t.port, Base: scheme(c.Request()) + "://" + c.Request().Host}
	if t.port != "" && !hasPort(st, t.port) {
		return host.Errorf(host.CodeAccessUnknown, "%s has no output port %q", t.id.URL(), t.port)
	}
	runs, err := s.cfg.Runs.Runs(c.Request().Context(), t.id, 1)
	if err != nil {
		return err
	}
	if len(runs) > 0 {
		p.Run, p.Checks = &runs[0], runs[0].Checks
	}
	return sendPage(c, "product", p)
}

func hasPort(st host.ProductStatus, name string) bool {
	for _, p := range st.Outputs {
		if p.Name == name {
			return true
		}
	}
	return false
}

// index answers /: the list of products for a browser, the mesh document for programs.
func (s *Server) index(c echo.Context) error {
	f, err := negotiate(c.Request().Header.Get("Accept"), formatJSON, formatHTML)
	if err != nil {
		return err
	}
	c.Response().Header().Add("Vary", "Accept, Authorization")
	if f == formatJSON {
		return s.wellKnown(c)
	}
	list, err := s.visible(c)
	if err != nil {
		return err
	}
	return sendPage(c, "index", struct {
		Mesh, Version string
		Products      []host.ProductStatus
	}{s.cfg.Mesh, s.cfg.Version, list})
}

func sendPage(c echo.Context, name string, v any) error {
	var b bytes.Buffer
	if err := pages.ExecuteTemplate(&b, name, v); err != nil {
		return err
	}
	h := c.Response().Header()
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
	h.Set("Cache-Control", "private, no-cache")
	h.Set("Content-Type", formatHTML.contentType())
	c.Response().WriteHeader(http.StatusOK)
	if c.Request().Method == http.MethodHead {
		return nil
	}
	_, err := b.WriteTo(c.Response())
	return err
}
