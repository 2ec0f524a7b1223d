package cdata

import "testing"

// TestWordScans is TestScans on a processor without wide registers.
func TestWordScans(t *testing.T) {
	defer func(had bool) { hasAVX2 = had }(hasAVX2)
	hasAVX2 = false
	scans(t)
}
