package host

import (
	"strconv"
	"strings"
)

// ParseSize reads a positive number of bytes: 65536, 64KiB, 64MiB, 1GiB and their decimal forms, 64MB.
func ParseSize(s string) (int64, bool) {
	unit := int64(1)
	for _, u := range []struct {
		suffix string
		bytes  int64
	}{{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"kB", 1e3}, {"MB", 1e6}, {"GB", 1e9}} {
		if n, ok := strings.CutSuffix(s, u.suffix); ok {
			s, unit = strings.TrimSpace(n), u.bytes
			break
		}
	}
	n, err := strconv.ParseInt(strings.ReplaceAll(s, "_", ""), 10, 64)
	if err != nil || n <= 0 || n > (1<<53)/unit { // what canonical JSON can hold
		return 0, false
	}
	return n * unit, true
}
