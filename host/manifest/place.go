package manifest

import (
	"strconv"

	"github.com/adp-host/adp/host"
)

// maxWeight is the most that a product can weigh: a million times the least.
const maxWeight = 1_000_000

// placement is what the product asks of the node that owns it.
func (c *compiler) placement() host.Placement {
	m := value(c.b.block, "place")
	p := host.Placement{Node: text(m, "node"), Labels: settings(m, "labels"), Features: scalars(m, "features")}
	if v := value(m, "memory"); v != nil {
		var ok bool
		if p.Memory, ok = host.ParseSize(v.Value); !ok {
			c.add(at(v), host.CodeManifestType, "write a number, or one with KiB, MiB or GiB", "place.memory is %s, it should be a positive size", describe(v))
		}
	}
	if v := value(m, "weight"); v != nil {
		n, err := strconv.ParseInt(v.Value, 10, 64)
		if err != nil || n < 1 || n > maxWeight {
			c.add(at(v), host.CodeManifestType, "1 is what a product weighs that says nothing", "place.weight is %s, it should be a whole number from 1 to %d", describe(v), maxWeight)
		}
		p.Weight = n
	}
	return p
}
