package manifest

import (
	"strconv"
	"time"

	"github.com/adp-host/adp/host"
)

// Bounds of what a product may ask to be kept.
const (
	maxSnapshots = 1_000_000
	maxRetention = 10 * 365 * 24 * time.Hour
)

// retention is how much of its history the product asks to be kept.
func (c *compiler) retention() host.Retention {
	m := value(c.b.block, "retention")
	var r host.Retention
	if v := value(m, "snapshots"); v != nil {
		n, err := strconv.Atoi(v.Value)
		if err != nil || n < 1 || n > maxSnapshots {
			c.add(at(v), host.CodeManifestType, "without it the newest "+strconv.Itoa(host.DefaultRetention.Snapshots)+" stay",
				"retention.snapshots is %s, it should be a whole number from 1 to %d", describe(v), maxSnapshots)
			n = 0
		}
		r.Snapshots = n
	}
	if v := value(m, "for"); v != nil {
		d, err := time.ParseDuration(v.Value)
		if err != nil || d < time.Second || d > maxRetention {
			c.add(at(v), host.CodeManifestType, "write a number and a unit: 90s, 24h, 720h", "retention.for is %s, it should be a duration from 1s to 10 years", describe(v))
			d = 0
		}
		r.For = d
	}
	return r
}
