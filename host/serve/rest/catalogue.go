package rest

import (
	"net/http"
	"slices"
	"strconv"

	"github.com/labstack/echo/v4"

	"github.com/adp-host/adp/host"
	"github.com/adp-host/adp/host/policy"
	"github.com/adp-host/adp/host/serve/rest/client"
)

const (
	defaultRuns     = 20
	maxRuns         = 1000
	defaultRejected = 100
)

// catalogue is the resource that lists stand for.
func (s *Server) catalogue() policy.Resource {
	return policy.Resource{Product: host.ProductID{Tenant: s.cfg.Tenant}}
}

func (s *Server) idOf(st host.ProductStatus) host.ProductID {
	return host.ProductID{Tenant: s.cfg.Tenant, Domain: st.Domain, Name: st.Product}
}

func (s *Server) pathID(c echo.Context) host.ProductID {
	return host.ProductID{Tenant: s.cfg.Tenant, Domain: c.Param("domain"), Name: c.Param("product")}
}

// visible lists the products that the caller may find: the decision on the catalogue first, then one on each product.
func (s *Server) visible(c echo.Context) ([]host.ProductStatus, error) {
	if err := s.allow(c, policy.ActionFind, s.catalogue()); err != nil {
		return nil, err
	}
	all, err := s.cfg.Catalogue.Products(c.Request().Context())
	if err != nil {
		return nil, err
	}
	out := []host.ProductStatus{}
	for _, st := range all {
		if s.allow(c, policy.ActionFind, policy.Resource{Product: s.idOf(st)}) == nil {
			out = append(out, st)
		}
	}
	return out, nil
}

// listProducts answers GET /api/v1/products[?q=TEXT].
func (s *Server) listProducts(c echo.Context) error {
	values, err := strictValues(c.Request().URL.RawQuery, []string{"q"})
	if err != nil {
		return err
	}
	list, err := s.visible(c)
	if err != nil {
		return err
	}
	return sendJSON(c, http.StatusOK, s.cfg.Search(list, values["q"]))
}

// showProduct answers GET /api/v1/products/{domain}/{product}.
func (s *Server) showProduct(c echo.Context) error {
	st, err := s.find(c, s.pathID(c))
	if err != nil {
		return err
	}
	return sendJSON(c, http.StatusOK, st)
}

// find asks the decision on seeing a product, then looks it up.
func (s *Server) find(c echo.Context, id host.ProductID) (host.ProductStatus, error) {
	if err := s.allow(c, policy.ActionFind, policy.Resource{Product: id}); err != nil {
		return host.ProductStatus{}, err
	}
	return s.cfg.Catalogue.Product(c.Request().Context(), id)
}

// showContract answers GET /api/v1/products/{domain}/{product}/contracts/{port}: the document itself, for people and for
// builds of what reads the port.
func (s *Server) showContract(c echo.Context) error {
	id, port := s.pathID(c), c.Param("port")
	if err := s.allow(c, policy.ActionFind, policy.Resource{Product: id, Port: port}); err != nil {
		return err
	}
	b, err := s.cfg.Contract(c.Request().Context(), id, port)
	if err != nil {
		return err
	}
	if c.Request().Method == http.MethodHead {
		b = nil
	}
	return c.Blob(http.StatusOK, "application/yaml", b)
}

// listRejected answers GET /api/v1/products/{domain}/{product}/quarantine. Rejected rows are rows: reading them is
// decided like reading data.
func (s *Server) listRejected(c echo.Context) error {
	values, err := strictValues(c.Request().URL.RawQuery, []string{paramLimit, paramSnapshot})
	if err != nil {
		return err
	}
	limit, err := boundedInt(values[paramLimit], defaultRejected, client.MaxRejected)
	if err != nil {
		return err
	}
	at, err := parseAt(values)
	if err != nil {
		return err
	}
	id := s.pathID(c)
	if err := s.allow(c, policy.ActionRead, policy.Resource{Product: id}); err != nil {
		return err
	}
	rows, total, err := s.cfg.Runs.Rejected(c.Request().Context(), id, at.Seq, limit)
	if err != nil {
		return err
	}
	if rows == nil {
		rows = []host.RejectedRow{}
	}
	c.Response().Header().Set("ADP-Total", strconv.FormatInt(total, 10))
	return sendJSON(c, http.StatusOK, rows)
}

func limitParam(c echo.Context, byDefault, most int) (int, error) {
	values, err := strictValues(c.Request().URL.RawQuery, []string{paramLimit})
	if err != nil {
		return 0, err
	}
	return boundedInt(values[paramLimit], byDefault, most)
}

func boundedInt(v string, byDefault, most int) (int, error) {
	if v == "" {
		return byDefault, nil
	}
	n, err := strconv.Atoi(v)
	if err != nil || n < 1 || n > most {
		return 0, badQuery("limit=%s is not a number from 1 to %d", v, most)
	}
	return n, nil
}

// listRuns answers GET /api/v1/runs[?product=DOMAIN/PRODUCT][&limit=N], newest first.
func (s *Server) listRuns(c echo.Context) error {
	values, err := strictValues(c.Request().URL.RawQuery, []string{"product", paramLimit})
	if err != nil {
		return err
	}
	limit, err := boundedInt(values[paramLimit], defaultRuns, maxRuns)
	if err != nil {
		return err
	}
	ids, err := s.runsOf(c, values["product"])
	if err != nil {
		return err
	}
	runs := []host.RunStatus{}
	for _, id := range ids {
		list, err := s.cfg.Runs.Runs(c.Request().Context(), id, limit)
		if err != nil {
			return err
		}
		for _, r := range list {
			r.Domain, r.Product = id.Domain, id.Name
			runs = append(runs, r)
		}
	}
	slices.SortStableFunc(runs, func(a, b host.RunStatus) int { return b.Started.Compare(a.Started) })
	return sendJSON(c, http.StatusOK, runs[:min(limit, len(runs))])
}

// runsOf gives the products whose runs are asked for.
func (s *Server) runsOf(c echo.Context, product string) ([]host.ProductID, error) {
	if product == "" {
		list, err := s.visible(c)
		ids := make([]host.ProductID, len(list))
		for i, st := range list {
			ids[i] = s.idOf(st)
		}
		return ids, err
	}
	a, err := host.ParseAddress(product)
	if err != nil || !a.Local() || a.Port != "" {
		return nil, badQuery("product=%s is not domain/product", product)
	}
	st, err := s.find(c, a.ID(s.cfg.Tenant))
	if err != nil {
		return nil, err
	}
	return []host.ProductID{s.idOf(st)}, nil
}

// choices answers a read that several ports could answer: 300 with the product and the address of each port.
func (s *Server) choices(c echo.Context, st host.ProductStatus) error {
	h := c.Response().Header()
	for _, p := range st.Outputs {
		h.Add("Link", `</d/`+st.Domain+`/`+st.Product+`/`+p.Name+`>; rel="item"`)
	}
	return sendJSON(c, http.StatusMultipleChoices, portChoice{ProductStatus: st, Ports: portLinks(st)})
}

// portChoice is a product with the addresses of its ports.
type portChoice struct {
	host.ProductStatus
	Ports []portLink `json:"ports"`
}

// portLink is the address of a port.
type portLink struct {
	Name string `json:"name"`
	Href string `json:"href"`
}

func portLinks(st host.ProductStatus) []portLink {
	out := make([]portLink, len(st.Outputs))
	for i, p := range st.Outputs {
		out[i] = portLink{p.Name, "/d/" + st.Domain + "/" + st.Product + "/" + p.Name}
	}
	return out
}
