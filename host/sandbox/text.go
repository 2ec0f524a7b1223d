package sandbox

import (
	"fmt"

	"github.com/adp-host/adp/abi"
)

// size is a number of bytes for people.
func size(n int64) string {
	switch {
	case n >= 1<<30 && n%(1<<20) == 0:
		return fmt.Sprintf("%.4g GiB", float64(n)/(1<<30))
	case n >= 1<<20:
		return fmt.Sprintf("%.4g MiB", float64(n)/(1<<20))
	case n >= 1<<10:
		return fmt.Sprintf("%.4g KiB", float64(n)/(1<<10))
	}
	return fmt.Sprintf("%d bytes", n)
}

// statusName is the name of a status in brackets, "" for those that the ABI does not know.
func statusName(s int32) string {
	names := map[abi.Status]string{
		abi.Failed: "failed", abi.NotFound: "not found", abi.OutOfBounds: "out of bounds", abi.Misaligned: "misaligned",
		abi.BadArray: "bad array", abi.BadArgument: "bad argument", abi.LimitExceeded: "limit exceeded", abi.Denied: "denied",
		abi.NotNow: "not now", abi.TooLarge: "too large", abi.DriverError: "driver error",
	}
	if n := names[abi.Status(s)]; n != "" {
		return " (" + n + ")"
	}
	return ""
}
