//go:build !wasip1

package adp

import "github.com/adp-host/adp/guest-sdk/go/internal/bridge"

// memory stands in for linear memory outside a sandbox, so that tests run the code that products run.
type memory struct{ *bridge.Memory }

func (m memory) view(addr, n uint32) []byte { return m.View(addr, n) }
func (m memory) addr(b []byte) uint32       { return m.Addr(b) }

func newMemory() memory { return memory{new(bridge.Memory)} }
