package adp

import (
	"math"
	"math/big"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

// TestDecimal against math/big.
func TestDecimal(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	limit := new(big.Int).Exp(big.NewInt(10), big.NewInt(38), nil)
	big10 := func(d Decimal) *big.Int {
		n := new(big.Int).Lsh(big.NewInt(d.Hi), 64)
		return n.Add(n, new(big.Int).SetUint64(d.Lo))
	}
	for range 2000 {
		n := new(big.Int).Lsh(new(big.Int).SetUint64(r.Uint64()), uint(r.IntN(64)))
		n.Mod(n.Add(n, new(big.Int).SetUint64(r.Uint64())), limit)
		if r.IntN(2) == 0 {
			n.Neg(n)
		}
		scale := r.IntN(39)
		d, err := ParseDecimal(n.String(), 0)
		if err != nil || big10(d).Cmp(n) != 0 {
			t.Fatalf("%s parsed as %s, %v", n, big10(d), err)
		}
		back, err := ParseDecimal(d.Text(scale), scale)
		if err != nil || back != d {
			t.Fatalf("%s at scale %d is %q, parsed as %s, %v", n, scale, d.Text(scale), big10(back), err)
		}
		f, _ := new(big.Float).Quo(new(big.Float).SetInt(n), new(big.Float).SetInt(new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(scale)), nil))).Float64()
		if got := d.Float64(scale); math.Abs(got-f) > math.Abs(f)*1e-15 {
			t.Fatalf("%s at scale %d is %v, want %v", n, scale, got, f)
		}
		e := DecimalOf(r.Int64() - math.MaxInt64/2)
		if sum := new(big.Int).Add(n, big10(e)); big10(d.Add(e)).Cmp(sum) != 0 || big10(d.Add(e).Sub(e)).Cmp(n) != 0 {
			t.Fatalf("%s + %s = %s", n, big10(e), big10(d.Add(e)))
		}
		if d.Cmp(e) != n.Cmp(big10(e)) {
			t.Fatalf("%s against %s: %d", n, big10(e), d.Cmp(e))
		}
	}
	for text, want := range map[string]int64{"12.34": 1234, "-0.05": -5, "+7": 700, "1.500": 150, ".5": 50, "3.": 300} {
		if d, err := ParseDecimal(text, 2); err != nil || d != DecimalOf(want) {
			t.Errorf("%q is %v, %v, want %d", text, d, err, want)
		}
	}
	for _, bad := range []string{"", "-", ".", "1.234", "1e3", "1.2.3", "a", "1234567890123456789012345678901234567"} {
		if d, err := ParseDecimal(bad, 2); err == nil {
			t.Errorf("%q was parsed as %v", bad, d)
		}
	}
	if v, ok := DecimalOf(-3).Int64(); v != -3 || !ok {
		t.Error("an int64 did not come back")
	}
	if _, ok := (Decimal{Hi: 1}).Int64(); ok {
		t.Error("2⁶⁴ fits an int64")
	}
}

func TestTime(t *testing.T) {
	day := time.Date(2026, 11, 1, 23, 30, 0, 5000, time.FixedZone("", 3600))
	for got, want := range map[string]string{
		DateOf(day).String(): "2026-11-01",
		DateOf(time.Date(1969, 7, 20, 1, 0, 0, 0, day.Location())).String(): "1969-07-20",
		NewDate(1, 1, 1).String():     "0001-01-01",
		TimestampOf(day).String():     "2026-11-01T22:30:00.000005",
		Timestamp(-1).Date().String(): "1969-12-31",
		Time(1_500_000).String():      "00:00:01.5",
	} {
		if got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
	if d := Time(1_500_000).Duration(); d != 1500*time.Millisecond {
		t.Errorf("%v", d)
	}
	if d := DateOf(day).Time(); !d.Equal(time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)) {
		t.Errorf("%v", d)
	}
}

func TestOps(t *testing.T) {
	for op, adds := range map[Op]bool{OpInsert: true, OpUpdateBefore: false, OpUpdateAfter: true, OpDelete: false, OpUpsert: true, "": true} {
		if op.Adds() != adds || op.Removes() == adds {
			t.Errorf("%q adds %v, removes %v", op, op.Adds(), op.Removes())
		}
	}
	if Some(3).Or(5) != 3 || (Null[int]{}).Or(5) != 5 {
		t.Error("Or")
	}
}

func TestSnake(t *testing.T) {
	for in, want := range map[string]string{"ID": "id", "AirportCode": "airport_code", "HTTPCode": "http_code", "X": "x", "UserID": "user_id", "Timestamptz": "timestamptz", "Int32": "int32"} {
		if got := snake(in); got != want {
			t.Errorf("%s is %s, want %s", in, got, want)
		}
	}
}

func TestText(t *testing.T) {
	type code string
	n := 3
	got := text("a", 1, int8(-2), uint(3), 1.5, float32(0.1), true, code("x"), []byte("b"), nil, &n, []int{1, 2}, Status(2),
		struct{ A, B int }{1, 2}, time.Second)
	if want := "a 1 -2 3 1.5 0.1 true x b nil 3 [1 2] not found {A:1 B:2} 1s"; got != want {
		t.Errorf("%s\nwant\n%s", got, want)
	}
}

func TestJSON(t *testing.T) {
	read := func(s string) (map[string]jsonValue, error) {
		m := map[string]jsonValue{}
		return m, readObject([]byte(s), func(k string, v jsonValue) { m[k] = v })
	}
	m, err := read(` { "a" : true, "b":"x\"\u00fc\ud83e\udd85\n", "c": [1, {"d": null}], "e": -2.5e+3, "f":{} } `)
	if err != nil || !m["a"].isTrue || m["b"].text != "x\"ü🦅\n" || len(m) != 5 {
		t.Errorf("%v %v", m, err)
	}
	nested := `{"a":` + strings.Repeat("[", 100_000)
	for _, bad := range []string{"", "[]", "{", `{"a"}`, `{"a":}`, `{"a":1,}`, "{} x", `{"a":"\x"}`, `{"a":"\u12"}`, `{"a":"\`, `{"a":"x\"`, nested} {
		if m, err := read(bad); err == nil {
			t.Errorf("%.20q gave %v", bad, m)
		}
	}
	if q := quote("a\"\\\x01ü"); q != `"a\"\\\u0001ü"` {
		t.Error(q)
	}
}
