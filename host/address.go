package host

import (
	"net/url"
	"slices"
	"strings"
)

// Representations are the forms that rows come in, named as the extensions of the HTTP form of an address.
var Representations = []string{"csv", "parquet", "arrow", "json", "ndjson"}

// Address is the global URL of a product or of one of its ports:
//
//	adp://<mesh>/<domain>/<product>[@version][/<port>][?snapshot=41|asOf=2026-11-01T00:00Z]
//
// Mesh "." is the mesh at hand. The same place over HTTP is https://<mesh>/d/<domain>/<product>[/<port>][.<form>].
type Address struct {
	Mesh    string // host[:port], "." for the mesh at hand
	Domain  string
	Product string
	Version string // "" any
	Port    string // "" the product, or its only port
	Form    string // one of Representations; "" as the reader likes, and always for "adp": names may have dots
	Query   url.Values
	Scheme  string // "adp", or "http" and "https" for the HTTP form
}

// ParseAddress reads an adp:// URL, its HTTP form, or the short form domain/product[/port] of the mesh at hand.
// It fails with CodeAccessAddress.
func ParseAddress(s string) (Address, error) {
	bad := func(why string) (Address, error) {
		return Address{}, Errorf(CodeAccessAddress, "%q is not the address of a product: %s", s, why).
			WithHint("addresses look like adp://./domain/product or adp://./domain/product/port")
	}
	text := s
	if !strings.Contains(s, "://") {
		text = "adp://./" + strings.TrimPrefix(s, "/")
	}
	u, err := url.Parse(text)
	if err != nil {
		return bad("it does not parse as a URL")
	}
	query, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return bad("its query does not parse")
	}
	a := Address{Mesh: u.Host, Query: query, Scheme: u.Scheme}
	path := strings.Trim(u.Path, "/")
	switch u.Scheme {
	case "adp":
	case "http", "https":
		rest, ok := strings.CutPrefix(path, "d/")
		if !ok {
			return bad("over HTTP products lie under /d/")
		}
		path = rest
		if dot := strings.LastIndexByte(path, '.'); dot > 0 && path[dot-1] != '/' && slices.Contains(Representations, path[dot+1:]) {
			path, a.Form = path[:dot], path[dot+1:]
		}
	default:
		return bad("the scheme is adp, http or https")
	}
	parts := strings.Split(path, "/")
	if a.Mesh == "" || u.User != nil || len(parts) < 2 || len(parts) > 3 || parts[0] == "" || parts[1] == "" {
		return bad("it takes a mesh, a domain and a product, and may name a port")
	}
	a.Domain = parts[0]
	a.Product, a.Version, _ = strings.Cut(parts[1], "@")
	if len(parts) == 3 {
		a.Port = parts[2]
	}
	return a, nil
}

// ID is the product's id in the tenant.
func (a Address) ID(tenant string) ProductID {
	return ProductID{Tenant: tenant, Domain: a.Domain, Name: a.Product}
}

// Local reports whether the address lies in the mesh at hand.
func (a Address) Local() bool { return a.Mesh == "." }

// String is the adp:// form, without the representation and the query.
func (a Address) String() string {
	s := "adp://" + a.Mesh + "/" + a.Domain + "/" + a.Product
	if a.Version != "" {
		s += "@" + a.Version
	}
	if a.Port != "" {
		s += "/" + a.Port
	}
	return s
}
