package cluster

import (
	"strings"

	"github.com/adp-host/adp/host"
)

const (
	root    = "/adp/v1/"
	keyMeta = root + "meta"
	// keyIncarnation lies below keyMeta, which is written now and then; it never is.
	keyIncarnation = keyMeta + "/incarnation"

	prefixSpec = root + "spec/"
	prefixOwn  = root + "own/"
	prefixHead = root + "head/"
	prefixOut  = root + "out/"
	prefixKept = root + "kept/"
	prefixNode = root + "node/"
	prefixIdx  = root + "idx/"

	prefixPlace      = root + "place/"
	prefixNodeConfig = root + "nodecfg/"
	keyLeader        = root + "ctl/leader"
)

func specKey(id host.ProductID) string  { return prefixSpec + id.String() }
func ownKey(id host.ProductID) string   { return prefixOwn + id.String() }
func headKey(id host.ProductID) string  { return prefixHead + id.String() }
func outKey(id host.ProductID) string   { return prefixOut + id.String() }
func keptKey(id host.ProductID) string  { return prefixKept + id.String() }
func placeKey(id host.ProductID) string { return prefixPlace + id.String() }
func nodeConfigKey(node string) string  { return prefixNodeConfig + node }
func nodeKey(node string) string        { return prefixNode + node }

func idxKey(node string, id host.ProductID) string { return prefixIdx + node + "/" + id.String() }

// checkID refuses ids that would lie about where their keys are.
func checkID(id host.ProductID) error {
	for _, part := range []string{id.Tenant, id.Domain, id.Name} {
		if part == "" || strings.Contains(part, "/") {
			return host.Errorf(host.CodeAccessUnknown, "%q is not a product's tenant/domain/name", id.String())
		}
	}
	return nil
}
