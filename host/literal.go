package host

import (
	"fmt"
	"math/big"
	"strconv"
	"strings"
	"time"
)

// layouts are the forms in which a contract may write a date, a time or a timestamp; ISO 8601, with a space for the T.
var layouts = map[Kind][]string{
	Date:      {time.DateOnly},
	Time:      {"15:04:05", "15:04"}, // Parse accepts a fraction after the seconds
	Timestamp: {"2006-01-02T15:04:05", time.DateTime, "2006-01-02T15:04", time.DateOnly},
	TimestampTZ: {time.RFC3339, "2006-01-02 15:04:05Z07:00", "2006-01-02T15:04Z07:00",
		"2006-01-02T15:04:05", time.DateTime, "2006-01-02T15:04", time.DateOnly}, // without a zone: UTC
}

// ParseLiteral reads a value that a contract writes as text, such as a valid value or a bound, as a value of type t:
// a bool; a string for String; a float64 for floats; and a *big.Int in the unit of the kind for all others (integers as
// they are, decimals times 10^Scale, dates in days, times and timestamps in microseconds). Types whose values nobody
// writes into a contract (Binary, List, Struct) and texts that are no value of t are errors.
func ParseLiteral(t Type, text string) (any, error) {
	switch t.Kind {
	case String:
		return text, nil
	case Bool:
		if text == "true" || text == "false" {
			return text == "true", nil
		}
	case Float32, Float64:
		if f, err := strconv.ParseFloat(text, 64); err == nil {
			return f, nil
		}
	case Int32:
		if n, err := strconv.ParseInt(text, 10, 32); err == nil {
			return big.NewInt(n), nil
		}
	case Int64:
		if n, err := strconv.ParseInt(text, 10, 64); err == nil {
			return big.NewInt(n), nil
		}
	case Decimal:
		if n, ok := parseDecimal(t, text); ok {
			return n, nil
		}
	case Date, Time, Timestamp, TimestampTZ:
		if n, ok := parseInstant(t.Kind, text); ok {
			return big.NewInt(n), nil
		}
	default:
		return nil, fmt.Errorf("values of type %s cannot be written in a contract", t)
	}
	return nil, fmt.Errorf("%q is not a value of type %s", text, t)
}

func parseDecimal(t Type, text string) (*big.Int, bool) {
	if len(text) > 64 || strings.ContainsAny(text, "/eEpPxX_") { // forms of big.Rat, some of them enormous
		return nil, false
	}
	r, ok := new(big.Rat).SetString(text)
	if !ok {
		return nil, false
	}
	r.Mul(r, new(big.Rat).SetInt(pow10(t.Scale)))
	if !r.IsInt() || r.Num().CmpAbs(pow10(t.Precision)) >= 0 {
		return nil, false
	}
	return r.Num(), true
}

func pow10(n int) *big.Int { return new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(n)), nil) }

func parseInstant(k Kind, text string) (int64, bool) {
	for _, layout := range layouts[k] {
		at, err := time.Parse(layout, text)
		if err != nil {
			continue
		}
		switch k {
		case Date:
			return at.Unix() / 86400, true // midnight: exact, before 1970 too
		case Time:
			return at.Sub(time.Date(0, 1, 1, 0, 0, 0, 0, time.UTC)).Microseconds(), true
		}
		return at.UnixMicro(), true
	}
	return 0, false
}
