package file

import (
	"math/big"
	"math/rand/v2"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
)

var (
	zoneless = &arrow.TimestampType{Unit: arrow.Microsecond}
	zoned    = &arrow.TimestampType{Unit: arrow.Microsecond, TimeZone: "UTC"}
)

// TestText: what a value of CSV becomes, in Arrow's own text; ! means that it is refused.
func TestText(t *testing.T) {
	dec := &arrow.Decimal128Type{Precision: 6, Scale: 2}
	for _, c := range []struct {
		dt         arrow.DataType
		format     string
		text, want string
	}{
		{arrow.PrimitiveTypes.Int64, "", "12", "12"}, {arrow.PrimitiveTypes.Int64, "", " -7\t", "-7"}, {arrow.PrimitiveTypes.Int64, "", "+7", "7"},
		{arrow.PrimitiveTypes.Int64, "", "9223372036854775807", "9223372036854775807"}, {arrow.PrimitiveTypes.Int64, "", "9223372036854775808", "!"},
		{arrow.PrimitiveTypes.Int64, "", "-9223372036854775808", "-9223372036854775808"}, {arrow.PrimitiveTypes.Int64, "", "3.0", "3"},
		{arrow.PrimitiveTypes.Int64, "", "1e3", "1000"}, {arrow.PrimitiveTypes.Int64, "", "3.5", "!"}, {arrow.PrimitiveTypes.Int64, "", "1_000", "!"},
		{arrow.PrimitiveTypes.Int64, "", "1,000", "!"}, {arrow.PrimitiveTypes.Int64, "", "0x10", "!"}, {arrow.PrimitiveTypes.Int64, "", "-", "!"}, {arrow.PrimitiveTypes.Int64, "", "", "!"},
		{arrow.PrimitiveTypes.Int32, "", "2147483648", "!"}, {arrow.PrimitiveTypes.Int32, "", "-2147483648", "-2147483648"},
		{arrow.PrimitiveTypes.Float64, "", "1.5e-3", "0.0015"}, {arrow.PrimitiveTypes.Float64, "", ".5", "0.5"}, {arrow.PrimitiveTypes.Float64, "", "0x1p4", "!"},
		{arrow.PrimitiveTypes.Float64, "", "1_0.5", "!"}, {arrow.PrimitiveTypes.Float64, "", "1e400", "!"}, {arrow.PrimitiveTypes.Float64, "", "NaN", "NaN"}, {arrow.PrimitiveTypes.Float64, "", "-inf", "-Inf"},
		{arrow.PrimitiveTypes.Float32, "", "1e39", "!"}, {arrow.PrimitiveTypes.Float32, "", "0.1", "0.1"},
		{arrow.FixedWidthTypes.Boolean, "", "TRUE", "true"}, {arrow.FixedWidthTypes.Boolean, "", "n", "false"}, {arrow.FixedWidthTypes.Boolean, "", "1", "true"}, {arrow.FixedWidthTypes.Boolean, "", "2", "!"},
		{dec, "", "12.3", "12.3"}, {dec, "", "-0.05", "-0.05"}, {dec, "", "9999.99", "9999.99"}, {dec, "", "10000", "!"}, {dec, "", "1.005", "!"}, {dec, "", "1.5000", "1.5"},
		{dec, "", "1.5e2", "150"}, {dec, "", "15e-1", "1.5"}, {dec, "", "1e-3", "!"}, {dec, "", "1e99999", "!"}, {dec, "", ".", "!"}, {dec, "", "1.2.3", "!"}, {dec, "", "1/2e1", "!"},
		{arrow.FixedWidthTypes.Date32, "", "2024-02-29", "2024-02-29"}, {arrow.FixedWidthTypes.Date32, "", "2023-02-29", "!"}, {arrow.FixedWidthTypes.Date32, "", "1969-12-31", "1969-12-31"},
		{arrow.FixedWidthTypes.Date32, "", "2012-01-01T00:00:00", "2012-01-01"}, {arrow.FixedWidthTypes.Date32, "", "2012-01-01 10:00", "!"}, {arrow.FixedWidthTypes.Date32, "", "1/8/90", "!"},
		{arrow.FixedWidthTypes.Date32, "%m/%d/%y", "1/8/90", "1990-01-08"}, {arrow.FixedWidthTypes.Date32, "%m/%d/%y %H:%M", "1/8/90 0:00", "1990-01-08"}, {arrow.FixedWidthTypes.Date32, "%d.%m.%Y", "31.12.1999", "1999-12-31"},
		{arrow.FixedWidthTypes.Time64us, "", "23:59:59.5", "23:59:59.500000"}, {arrow.FixedWidthTypes.Time64us, "", "07:05", "07:05:00.000000"}, {arrow.FixedWidthTypes.Time64us, "", "24:00", "!"}, {arrow.FixedWidthTypes.Time64us, "%I:%M %p", "1:05 PM", "13:05:00.000000"},
		{zoneless, "", "2018-02-04T00:01:28.020", "2018-02-04T00:01:28.02"}, {zoneless, "", "2018-02-04", "2018-02-04T00:00:00"}, {zoneless, "", "2018-02-04T00:01:28Z", "!"},
		{zoneless, "", "2018-02-04 00:01:28.1234567", "2018-02-04T00:01:28.123456"}, {zoneless, "", "2018-02-04 00:01:60", "!"}, {zoneless, "", "2018-02-04x00:01", "!"}, {zoneless, "", "2018-02-04T00:01:28.", "!"},
		{zoned, "", "2018-02-04T00:01:28.020Z", "2018-02-04T00:01:28.02Z"}, {zoned, "", "2018-02-04T02:01:28+02:00", "2018-02-04T00:01:28Z"}, {zoned, "", "2018-02-03T19:01-0500", "2018-02-04T00:01:00Z"},
		{zoned, "", "2018-02-04 00:01:28", "2018-02-04T00:01:28Z"}, {zoned, "", "2018-02-04T00:01+25:00", "!"}, {zoned, "epoch_s", "1517702488", "2018-02-04T00:01:28Z"}, {zoned, "epoch_ms", "1517702488020", "2018-02-04T00:01:28.02Z"},
		{zoned, "epoch_s", "1517702488.02", "2018-02-04T00:01:28.02Z"}, {zoned, "epoch_ns", "-1", "1969-12-31T23:59:59.999999Z"}, {zoned, "epoch_s", "99999999999999999", "!"}, {zoned, "epoch_us", "x", "!"},
		{zoned, "%Y-%m-%d %H:%M:%S.%f %z", "2018-02-04 00:01:28.5 +0100", "2018-02-03T23:01:28.5Z"}, {zoneless, "%b %d %Y", "Feb 4 2018", "2018-02-04T00:00:00"},
		{arrow.BinaryTypes.String, "", " as it is ", " as it is "}, {arrow.BinaryTypes.String, "", "caf\xe9", "!"},
		{arrow.BinaryTypes.Binary, "", "aGk=", "aGk="}, {arrow.BinaryTypes.Binary, "", "aGk", "aGk="}, {arrow.BinaryTypes.Binary, "", "_-8", "/+8="}, {arrow.BinaryTypes.Binary, "", "a", "!"},
		{arrow.ListOf(arrow.PrimitiveTypes.Int64), "", "[1, null ]", "[1,null]"}, {arrow.ListOf(arrow.PrimitiveTypes.Int64), "", "[1,", "!"}, {arrow.ListOf(arrow.PrimitiveTypes.Int64), "", "{}", "!"},
	} {
		f, err := parseTimeFormat(c.format)
		if err != nil {
			t.Fatal(err)
		}
		col, err := newColumn(arrow.Field{Name: "c", Type: c.dt, Nullable: true}, f, false)
		if err != nil {
			t.Fatal(err)
		}
		col.null()
		reason := col.text([]byte(c.text))
		if reason == "" {
			col.null()
			col.drop()
		}
		a := col.array()
		got := "!"
		if reason == "" {
			got = a.ValueStr(1)
		}
		if got != c.want || a.NullN() != 1 || a.Len() > 2 || !a.IsNull(0) {
			t.Errorf("%s of %q (%s): %s %s, want %s", c.dt, c.text, c.format, got, reason, c.want)
		}
		if col.len() != 0 || col.array().Len() != 0 {
			t.Errorf("%s: not empty after array", c.dt)
		}
	}
}

func TestTimeFormatErrors(t *testing.T) {
	for _, s := range []string{"%Q", "%", "YYYY-MM-DD", "epoch"} {
		if _, err := parseTimeFormat(s); err == nil {
			t.Errorf("%q was taken", s)
		}
	}
}

// Dates and times agree with package time over the centuries.
func TestISOAgreesWithTime(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for range 20000 {
		want := time.Unix(rng.Int64N(8e11)-6.2e10, rng.Int64N(1e9)).UTC().Truncate(time.Microsecond)
		if want.Year() < 0 || want.Year() > 9999 {
			continue
		}
		text := want.Format("2006-01-02T15:04:05.999999Z07:00")
		got, z, ok := isoTimestamp([]byte(text))
		if !ok || !z || got != want.UnixMicro() {
			t.Fatalf("%s: %d %v %v, want %d", text, got, z, ok, want.UnixMicro())
		}
	}
}

var isoShape = regexp.MustCompile(`^\d{4}-\d\d-\d\d(T\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)?)?$`)

func FuzzISO(f *testing.F) {
	f.Add("2018-02-04T00:01:28.020Z")
	f.Add("2018-02-29 00:01")
	f.Fuzz(func(t *testing.T, s string) {
		got, _, ok := isoTimestamp([]byte(s))
		if !isoShape.MatchString(s) { // package time takes more: one digit of an hour, a comma
			return
		}
		for _, layout := range []string{"2006-01-02T15:04:05Z07:00", "2006-01-02T15:04:05", "2006-01-02"} {
			want, err := time.Parse(layout, s)
			if err != nil {
				continue
			}
			if zone := s[max(0, len(s)-6):]; strings.ContainsAny(zone, "+-") && strings.Contains(layout, "Z07") && !ok {
				continue // package time takes zones of more than a day
			}
			if !ok || got != want.UnixMicro() && want.Nanosecond()%1000 == 0 {
				t.Fatalf("%q: %d %v, package time says %d", s, got, ok, want.UnixMicro())
			}
		}
	})
}

// Decimals agree with exact arithmetic.
func FuzzDecimal(f *testing.F) {
	for _, s := range []string{"1.5", "-99999999999999999999999999999999999999", "0.00000000000000000000000000000000000001", "1e5", "12.50e-1", "+.5", "170141183460469231731687303715884105728"} {
		f.Add(s, uint8(38), uint8(10))
	}
	f.Fuzz(func(t *testing.T, s string, p, sc uint8) {
		precision, scale := int(p)%38+1, 0
		scale = int(sc) % (precision + 1)
		got, ok := parseDecimal([]byte(s), precision, scale)
		if strings.Trim(s, "0123456789.+-eE") != "" || len(s) > 60 {
			return
		}
		want, exact := exactDecimal(s, precision, scale)
		if strings.ContainsAny(s, "eE") && !ok {
			return // exponents of more than two digits are refused
		}
		if ok != exact || ok && got.BigInt().Cmp(want) != 0 {
			t.Fatalf("%q as decimal(%d,%d): %v %v, want %v %v", s, precision, scale, got.BigInt(), ok, want, exact)
		}
	})
}

func exactDecimal(s string, precision, scale int) (*big.Int, bool) {
	r, ok := new(big.Rat).SetString(s)
	if !ok {
		return nil, false
	}
	ten := func(n int) *big.Int { return new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(n)), nil) }
	r.Mul(r, new(big.Rat).SetInt(ten(scale)))
	if !r.IsInt() || new(big.Int).Abs(r.Num()).Cmp(ten(precision)) >= 0 {
		return nil, false
	}
	return r.Num(), true
}

func TestQuoted(t *testing.T) {
	long := strings.Repeat("ü", 40)
	if got := quoted([]byte(long)); len(got) > 80 || !strings.HasSuffix(got, "…") || strings.Contains(got, `\x`) {
		t.Errorf("%s", got)
	}
	if got := quoted([]byte("a\nb")); got != `"a\nb"` {
		t.Errorf("%s", got)
	}
}
