package rest

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/adp-host/adp/host"
	"github.com/adp-host/adp/host/policy"
)

// Config is what a Server is made of. The rooms are required, the rest has usable zero values.
type Config struct {
	Catalogue Catalogue
	Runs      Runs
	Control   Control
	Publisher Publisher
	Tables    Tables
	Fleet     Fleet
	Identity  Identity
	Decider   Decider
	// Contract gives the contract document of an output port, ODCS in YAML as its team wrote it.
	Contract func(ctx context.Context, id host.ProductID, port string) ([]byte, error)
	// Schema gives the JSON Schema of a kind of document, for editors. It says nothing of this mesh, so anybody may read it.
	Schema func(document string) (schema []byte, ok bool)
	// Search keeps the products that fit a text, best first; all of them for "".
	Search func(products []host.ProductStatus, text string) []host.ProductStatus

	Mesh    string // name of the mesh; default "local"
	Version string // of adp, shown in documents
	Tenant  string // whose products are served; default host.LocalTenant

	// Hosts are the names, beside those of the loopback interface, under which the server may be addressed. A request for
	// any other name is refused, so that no web page can reach the server through a name it made point here.
	Hosts []string
	// CacheDir keeps Parquet files made from tables that are not one stored file. Required. The server owns the folder.
	CacheDir   string
	CacheBytes int64 // default 1 GiB; the least recently used files go first

	// Ready tells why the node cannot serve yet; nil: always ready.
	Ready   func(ctx context.Context) error
	Metrics *prometheus.Registry // default a fresh one; the server adds its own
	Log     *slog.Logger         // default discards

	MaxUpload   int64         // bytes of an artifact; default 160 MiB, an artifact with its tests
	StallLimit  time.Duration // a client that takes no byte for so long is cut off; default 60 s
	DrainPeriod time.Duration // how long Serve lets open requests end; default 10 s
}

func (c *Config) validate() error {
	for name, missing := range map[string]bool{
		"Catalogue": c.Catalogue == nil, "Runs": c.Runs == nil, "Control": c.Control == nil, "Publisher": c.Publisher == nil,
		"Tables": c.Tables == nil, "Identity": c.Identity == nil, "Decider": c.Decider == nil, "CacheDir": c.CacheDir == "",
		"Search": c.Search == nil, "Fleet": c.Fleet == nil, "Contract": c.Contract == nil,
		"Schema": c.Schema == nil,
	} {
		if missing {
			return host.Errorf(host.CodeNodeSetup, "rest.Config.%s is not set", name)
		}
	}
	orDefault(&c.Mesh, "local")
	orDefault(&c.Tenant, host.LocalTenant)
	orDefault(&c.CacheBytes, 1<<30)
	orDefault(&c.MaxUpload, 160<<20)
	orDefault(&c.StallLimit, 60*time.Second)
	orDefault(&c.DrainPeriod, 10*time.Second)
	if c.Metrics == nil {
		c.Metrics = prometheus.NewRegistry()
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return nil
}

func orDefault[T comparable](p *T, v T) {
	var zero T
	if *p == zero {
		*p = v
	}
}

// OwnerToken is the Identity of a node that nobody shares: one secret, one owner.
type OwnerToken struct {
	Token  string // "" identifies nobody
	Tenant string
}

// Identify compares in constant time.
func (o OwnerToken) Identify(token string) (policy.Subject, bool) {
	want, got := sha256.Sum256([]byte(o.Token)), sha256.Sum256([]byte(token))
	if o.Token == "" || subtle.ConstantTimeCompare(want[:], got[:]) != 1 {
		return policy.Subject{}, false
	}
	return policy.Owner(o.Tenant), true
}
