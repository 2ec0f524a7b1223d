package node

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/adp-host/adp/host"
	"github.com/adp-host/adp/host/sandbox"
)

// Shares are what tenants and products may have of a node's processors and memory. The zero Shares limit nobody.
type Shares struct {
	tenants  map[string]sandbox.Share
	products map[string]sandbox.Share // by tenant/domain/name
}

// everyone is the name of those that have no share of their own.
const everyone = "*"

// shareForm says how a share is written.
const shareForm = "tenant NAME or product DOMAIN/PRODUCT (* for all others), then some of fuel=N (a second), runs=N, memory=SIZE, weight=N"

// Add takes a share as people write it, in place of one for the same name:
//
//	product safety/strike-risk fuel=500M runs=1 memory=256MiB
//	tenant local runs=8 memory=2GiB weight=3
//	product * fuel=1G
//
// A product is one of the tenant "local" unless three names say otherwise: TENANT/DOMAIN/PRODUCT.
func (s *Shares) Add(text string) error {
	f := strings.Fields(text)
	if len(f) < 3 {
		return fmt.Errorf("write %s", shareForm)
	}
	name, to := f[1], &s.products
	switch {
	case f[0] == "tenant" && (name == everyone || host.ValidNode(name)):
		to = &s.tenants
	case f[0] == "product" && name == everyone:
	case f[0] == "product" && strings.Count(name, "/") == 1:
		name = host.LocalTenant + "/" + name
		fallthrough
	case f[0] == "product":
		if _, err := host.ParseProductID(name); err != nil {
			return fmt.Errorf("%s is no product: write DOMAIN/PRODUCT, or * for all others", f[1])
		}
	default:
		return fmt.Errorf("write %s", shareForm)
	}
	share, err := parseShare(f[2:])
	if err != nil {
		return err
	}
	if *to == nil {
		*to = map[string]sandbox.Share{}
	}
	(*to)[name] = share
	return nil
}

// parseShare reads NAME=VALUE, each at most once.
func parseShare(words []string) (share sandbox.Share, err error) {
	var runs int64
	settings := map[string]*int64{"fuel": &share.FuelPerSecond, "runs": &runs, "memory": &share.Memory, "weight": &share.Weight}
	for _, w := range words {
		name, value, _ := strings.Cut(w, "=")
		to := settings[name]
		if to == nil {
			return share, fmt.Errorf("%s is no part of a share: write %s, each once", w, strings.Join(slices.Sorted(maps.Keys(settings)), ", "))
		}
		delete(settings, name)
		if name != "memory" && strings.ContainsAny(value, "kMG") {
			value += "B" // 500M is half a thousand million
		}
		n, ok := host.ParseSize(value)
		if !ok || name != "memory" && strings.Contains(value, "i") || (name == "runs" || name == "weight") && n > 1_000_000 {
			return share, fmt.Errorf("%s means nothing: write %s", w, map[string]string{"fuel": "units a second, such as 500M", "memory": "a size, such as 256MiB"}[name])
		}
		*to = n
	}
	share.Runs = int(runs)
	return share, nil
}

// Of gives the shares of a tenant and of a product of it, as Config.Shares.
func (s Shares) Of(tenant, product string) (ofTenant, ofProduct sandbox.Share) {
	return named(s.tenants, tenant), named(s.products, tenant+"/"+product)
}

// named is somebody's own share, or that of all others.
func named(shares map[string]sandbox.Share, name string) sandbox.Share {
	if share, ok := shares[name]; ok {
		return share
	}
	return shares[everyone]
}
