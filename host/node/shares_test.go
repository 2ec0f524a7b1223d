package node

import (
	"strings"
	"testing"

	"github.com/adp-host/adp/host/sandbox"
)

// TestShares: who is named has his own share, everybody else of his kind that of *, and what is not a share is refused.
func TestShares(t *testing.T) {
	var s Shares
	for _, text := range []string{
		"product safety/strike-risk fuel=500M runs=1 memory=256MiB", "product acme/safety/strike-risk fuel=10k", "product * weight=2",
		"tenant local runs=8  memory=2GiB", "tenant local runs=9 weight=3 memory=2GiB",
	} {
		if err := s.Add(text); err != nil {
			t.Errorf("%s: %v", text, err)
		}
	}
	ours := sandbox.Share{Runs: 9, Weight: 3, Memory: 2 << 30}
	for _, c := range []struct {
		tenant, product string
		of              [2]sandbox.Share
	}{
		{"local", "safety/strike-risk", [2]sandbox.Share{ours, {FuelPerSecond: 500_000_000, Runs: 1, Memory: 256 << 20}}},
		{"local", "safety/other", [2]sandbox.Share{ours, {Weight: 2}}},
		{"acme", "safety/strike-risk", [2]sandbox.Share{{}, {FuelPerSecond: 10_000}}},
	} {
		if tenant, product := s.Of(c.tenant, c.product); [2]sandbox.Share{tenant, product} != c.of {
			t.Errorf("%s of %s has %+v %+v, want %+v", c.product, c.tenant, tenant, product, c.of)
		}
	}
	if tenant, product := (Shares{}).Of("local", "a/b"); tenant != (sandbox.Share{}) || product != tenant {
		t.Errorf("nobody said anything, and there is %+v %+v", tenant, product)
	}
	for text, says := range map[string]string{
		"": "write tenant NAME or product", "product": "write", "product a/b": "write", "node n runs=1": "write", "tenant a/b runs=1": "write",
		"product a runs=1": "DOMAIN/PRODUCT", "product a/b/c/d runs=1": "DOMAIN/PRODUCT", "product /b runs=1": "DOMAIN/PRODUCT",
		"product a/b cpu=1": "no part of a share: write fuel, memory, runs, weight", "product a/b runs=1 runs=2": "each once", "product a/b runs": "means nothing",
		"product a/b runs=0": "means nothing", "product a/b runs=-1": "means nothing", "product a/b runs=1e9": "means nothing", "product a/b runs=2M": "means nothing",
		"product a/b fuel=5KiB": "units a second", "product a/b fuel=5MB": "units a second", "product a/b memory=lots": "a size",
	} {
		if err := s.Add(text); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%q: %v, want %q", text, err, says)
		}
	}
}
