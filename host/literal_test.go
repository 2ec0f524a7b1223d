package host

import (
	"fmt"
	"testing"
)

func TestParseLiteral(t *testing.T) {
	money := Type{Kind: Decimal, Precision: 5, Scale: 2}
	for _, c := range []struct {
		t    Type
		text string
		want string // "": refused
	}{
		{Type{Kind: String}, "", "string "},
		{Type{Kind: Bool}, "true", "bool true"},
		{Type{Kind: Bool}, "yes", ""},
		{Type{Kind: Int32}, "-7", "*big.Int -7"},
		{Type{Kind: Int32}, "2147483648", ""},
		{Type{Kind: Int64}, "9223372036854775807", "*big.Int 9223372036854775807"},
		{Type{Kind: Int64}, "1.0", ""},
		{Type{Kind: Float64}, "1e3", "float64 1000"},
		{Type{Kind: Float32}, "", ""},
		{money, "12.5", "*big.Int 1250"},
		{money, "-999.99", "*big.Int -99999"},
		{money, "1000", ""},
		{money, "0.001", ""},
		{money, "1e999999999", ""},
		{money, "1/2", ""},
		{Type{Kind: Date}, "1970-01-02", "*big.Int 1"},
		{Type{Kind: Date}, "1969-12-31", "*big.Int -1"},
		{Type{Kind: Date}, "0001-01-01", "*big.Int -719162"},
		{Type{Kind: Date}, "2026-02-30", ""},
		{Type{Kind: Time}, "00:00:01.5", "*big.Int 1500000"},
		{Type{Kind: Time}, "23:59", "*big.Int 86340000000"},
		{Type{Kind: Time}, "24:00", ""},
		{Type{Kind: Timestamp}, "1970-01-01 00:00:01", "*big.Int 1000000"},
		{Type{Kind: Timestamp}, "1970-01-01T00:00:01Z", ""},
		{Type{Kind: TimestampTZ}, "1970-01-01T01:00:01+01:00", "*big.Int 1000000"},
		{Type{Kind: TimestampTZ}, "1970-01-01 10:00:00+10:00", "*big.Int 0"},
		{Type{Kind: TimestampTZ}, "1970-01-02", "*big.Int 86400000000"},
		{Type{Kind: Binary}, "AA==", ""},
	} {
		got := ""
		if v, err := ParseLiteral(c.t, c.text); err == nil {
			got = fmt.Sprintf("%T %v", v, v)
		}
		if got != c.want {
			t.Errorf("%s %q: %q, want %q", c.t, c.text, got, c.want)
		}
	}
}
