package rest

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/labstack/echo/v4"

	"github.com/adp-host/adp/host"
	"github.com/adp-host/adp/host/policy"
)

// target is what a path under /d/ names.
type target struct {
	id     host.ProductID
	port   string // "" the product
	format format // by extension; "" by Accept
}

func (s *Server) target(c echo.Context) target {
	t := target{id: host.ProductID{Tenant: s.cfg.Tenant, Domain: c.Param("domain"), Name: c.Param("product")}, port: c.Param("port")}
	last := &t.id.Name
	if t.port != "" {
		last = &t.port
	}
	*last, t.format = splitExtension(*last)
	return t
}

// last is the segment that an extension would be part of.
func (t target) last() string {
	if t.port != "" {
		return t.port
	}
	return t.id.Name
}

// getProduct answers /d/domain/product: its page for a browser, the rows of its only port for everybody else.
func (s *Server) getProduct(c echo.Context) error {
	return s.getData(c, s.target(c))
}

// getPort answers /d/domain/product/port, and /d/domain/product/changes.EXT, which the router takes for a port.
func (s *Server) getPort(c echo.Context) error {
	t := s.target(c)
	if t.port == "changes" {
		t.port = ""
		return s.sendChanges(c, t)
	}
	return s.getData(c, t)
}

func (s *Server) getData(c echo.Context, t target) error {
	r := c.Request()
	c.Response().Header().Add("Vary", "Accept, Accept-Encoding, Authorization")
	if t.format == "" {
		var err error
		all := []format{formatJSON, formatNDJSON, formatCSV, formatArrow, formatParquet, formatHTML}
		if t.format, err = negotiate(r.Header.Get("Accept"), all...); err != nil {
			return err
		}
	}
	if t.format == formatHTML {
		return s.page(c, t)
	}
	q, err := parseQuery(r.URL.RawQuery, dataParams)
	if err != nil {
		return err
	}
	st, port, err := s.resolve(c, t)
	if err != nil {
		return err
	}
	if port == nil {
		return s.choices(c, st)
	}
	ds, err := s.cfg.Tables.Open(r.Context(), t.id, port.Name, q.at)
	if err != nil {
		return err
	}
	defer ds.Close()
	return s.sendData(c, t, port.Name, ds, q)
}

// resolve finds the port that is meant and asks the decision on reading it: once, and before saying whether it exists.
// The port is nil when the product has several and none was named.
func (s *Server) resolve(c echo.Context, t target) (host.ProductStatus, *host.PortStatus, error) {
	st, lookup := s.cfg.Catalogue.Product(c.Request().Context(), t.id)
	name := t.port
	if lookup == nil && name == "" && len(st.Outputs) == 1 {
		name = st.Outputs[0].Name
	}
	if err := s.allow(c, policy.ActionRead, policy.Resource{Product: t.id, Port: name}); err != nil {
		return st, nil, err
	}
	if lookup != nil {
		return st, nil, strangeExtension(t.last(), lookup)
	}
	if name == "" && len(st.Outputs) > 1 {
		return st, nil, nil
	}
	var names []string
	for i := range st.Outputs {
		if st.Outputs[i].Name == name {
			return st, &st.Outputs[i], nil
		}
		names = append(names, st.Outputs[i].Name)
	}
	if name == "" {
		return st, nil, host.Errorf(host.CodeAccessUnknown, "%s has no output port", t.id.URL())
	}
	return st, nil, strangeExtension(t.last(), host.Errorf(host.CodeAccessUnknown, "%s has no output port %q", t.id.URL(), name).
		WithHint("it has: %s", strings.Join(names, ", ")))
}

// sendData writes the answer's headers, and the rows unless the client has them.
func (s *Server) sendData(c echo.Context, t target, port string, ds Dataset, q query) error {
	info := ds.Info()
	schema, err := projected(info.Schema, q.columns)
	if err != nil {
		return err
	}
	if schema.Equal(info.Schema) {
		q.columns = nil
	}
	if q.limit >= info.Rows {
		q.limit = -1
	}
	r, h := c.Request(), c.Response().Header()
	zip := t.format.offer().text && acceptsGzip(r.Header.Get("Accept-Encoding"))
	etag := s.etag(info.Content, port, t.format, q, zip)
	h.Set("ETag", etag)
	h.Set("Last-Modified", info.Committed.UTC().Format(http.TimeFormat))
	h.Set("ADP-Snapshot", strconv.FormatInt(int64(info.Seq), 10))
	h.Set("Cache-Control", "private, no-cache")
	h.Set("Content-Type", t.format.contentType())
	h.Set("Content-Disposition", fmt.Sprintf(`inline; filename="%s-%s.%s"`, safeName(t.id.Name), safeName(port), t.format))
	h.Add("Link", fmt.Sprintf(`</api/v1/products/%s/%s>; rel="describedby"`, t.id.Domain, t.id.Name))
	if t.format == formatParquet {
		return s.sendParquet(c, ds, schema, q, etag, info.Committed)
	}
	if notModified(r, etag, info.Committed) {
		h.Del("Content-Type")
		h.Del("Content-Disposition")
		return c.NoContent(http.StatusNotModified)
	}
	if zip {
		h.Set("Content-Encoding", "gzip")
	}
	if r.Method == http.MethodHead {
		c.Response().WriteHeader(http.StatusOK)
		return nil
	}
	return s.stream(c, ds, schema, q, t.format, zip)
}

// projected is the schema of the named columns in their order; all of them for none.
func projected(s *arrow.Schema, columns []string) (*arrow.Schema, error) {
	if columns == nil {
		return s, nil
	}
	fields := make([]arrow.Field, len(columns))
	for i, name := range columns {
		at := s.FieldIndices(name)
		if len(at) == 0 {
			var names []string
			for _, f := range s.Fields() {
				names = append(names, f.Name)
			}
			return nil, badQuery("there is no column %q", name).WithHint("columns: %s", strings.Join(names, ", "))
		}
		fields[i] = s.Field(at[0])
	}
	return arrow.NewSchema(fields, nil), nil
}

// etag names a representation: its content and everything that shapes it. Parquet files are the same bytes every time,
// which ranges rely on; streams are only the same rows, so their tags are weak.
func (s *Server) etag(content host.Digest, port string, f format, q query, zip bool) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%q %q %q %d %q %v %q", content, port, f, q.limit, q.columns, zip, s.cfg.Version))
	tag := `"` + hex.EncodeToString(sum[:16]) + `"`
	if f != formatParquet {
		return "W/" + tag
	}
	return tag
}

// notModified compares weakly, as RFC 9110 §13.1.2 has it for GET and HEAD; If-Modified-Since counts only without
// If-None-Match.
func notModified(r *http.Request, etag string, changed time.Time) bool {
	if tags := r.Header.Get("If-None-Match"); tags != "" {
		weak := strings.TrimPrefix(etag, "W/")
		return slices.ContainsFunc(strings.Split(tags, ","), func(t string) bool {
			t = strings.TrimSpace(t)
			return t == "*" || strings.TrimPrefix(t, "W/") == weak
		})
	}
	since, err := http.ParseTime(r.Header.Get("If-Modified-Since"))
	return err == nil && !changed.Truncate(time.Second).After(since)
}

// safeName keeps a file name inside its quotes.
func safeName(s string) string {
	return strings.Map(func(r rune) rune {
		if r == '-' || r == '_' || r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' {
			return r
		}
		return '_'
	}, s)
}

// source reads the rows that a query asks for, cut and put in order, whatever the dataset delivers beyond that.
type source struct {
	reader Reader
	schema *arrow.Schema
	left   int64 // rows still wanted; -1: all
}

func openSource(ctx context.Context, ds Dataset, schema *arrow.Schema, q query) (*source, error) {
	if q.limit == 0 {
		return &source{schema: schema}, nil
	}
	reader, err := ds.Read(ctx, ReadOptions{Columns: q.columns, Limit: max(q.limit, 0)})
	if err != nil {
		return nil, err
	}
	return &source{reader: reader, schema: schema, left: q.limit}, nil
}
