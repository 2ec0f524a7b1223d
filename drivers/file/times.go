package file

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

const microsPerDay = 24 * 60 * 60 * 1_000_000

// timeFormat is how dates and times of one column are written; the zero value is ISO 8601.
type timeFormat struct {
	layout string // of package time
	epoch  int64  // microseconds a unit of a number since 1970; −1000: nanoseconds
	zoned  bool   // the layout names a zone
}

func (f timeFormat) isISO() bool { return f.layout == "" && f.epoch == 0 }

// directives maps strftime to layouts of package time. Months, days and hours may be written with one digit.
var directives = map[byte]string{
	'Y': "2006", 'y': "06", 'm': "1", 'd': "2", 'e': "_2", 'b': "Jan", 'h': "Jan", 'B': "January", 'a': "Mon", 'A': "Monday",
	'j': "002", 'H': "15", 'I': "3", 'p': "PM", 'M': "4", 'S': "5", 'f': "999999999", 'z': "-0700", 'Z': "MST", '%': "%",
	'F': "2006-1-2", 'T': "15:4:5", 'D': "1/2/06", 'R': "15:4", 'n': "\n", 't': "\t",
}

// parseTimeFormat reads a strftime pattern or the name of a number's unit.
func parseTimeFormat(s string) (timeFormat, error) {
	switch s {
	case "epoch_s":
		return timeFormat{epoch: 1_000_000}, nil
	case "epoch_ms":
		return timeFormat{epoch: 1_000}, nil
	case "epoch_us":
		return timeFormat{epoch: 1}, nil
	case "epoch_ns":
		return timeFormat{epoch: -1_000}, nil
	case "iso", "":
		return timeFormat{}, nil
	}
	var b strings.Builder
	f := timeFormat{}
	for i := 0; i < len(s); i++ {
		if s[i] != '%' {
			b.WriteByte(s[i])
			continue
		}
		if i++; i == len(s) {
			return f, fmt.Errorf("%q ends in a single %%", s)
		}
		if s[i] == 'f' && strings.HasSuffix(b.String(), ".") {
			// Package time takes a fraction after the seconds whatever the layout says.
			cut := strings.TrimSuffix(b.String(), ".")
			b.Reset()
			b.WriteString(cut)
			continue
		}
		d, ok := directives[s[i]]
		if !ok {
			return f, fmt.Errorf("%q: %%%c is not known", s, s[i])
		}
		f.zoned = f.zoned || s[i] == 'z' || s[i] == 'Z'
		b.WriteString(d)
	}
	f.layout = b.String()
	if !strings.ContainsRune(s, '%') {
		return f, fmt.Errorf("%q has no %% directive, e.g. %%Y-%%m-%%d", s)
	}
	return f, nil
}

// timestamp parses text to microseconds since the epoch and says whether the text named a zone.
func (f timeFormat) timestamp(b []byte) (micros int64, zoned, ok bool) {
	switch {
	case f.epoch != 0:
		m, ok := epochMicros(b, f.epoch)
		return m, false, ok
	case f.layout != "":
		t, err := time.Parse(f.layout, string(b))
		return t.UnixMicro(), f.zoned, err == nil
	}
	return isoTimestamp(b)
}

func epochMicros(b []byte, unit int64) (int64, bool) {
	n, ok := parseInt(b)
	if !ok {
		x, err := strconv.ParseFloat(string(b), 64) // fractions of seconds
		if err != nil || math.IsNaN(x) {
			return 0, false
		}
		if unit < 0 {
			x /= 1000
		} else {
			x *= float64(unit)
		}
		if math.Abs(x) >= math.MaxInt64 {
			return 0, false
		}
		return int64(math.Round(x)), true
	}
	if unit < 0 {
		return floorDiv(n, 1000), true
	}
	if m := n * unit; n == 0 || m/n == unit {
		return m, true
	}
	return 0, false
}

func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b != 0 && (a < 0) != (b < 0) {
		q--
	}
	return q
}

// isoTimestamp reads YYYY-MM-DD[(T| )HH:MM[:SS[.fraction]][zone]]. Digits of the fraction beyond microseconds are cut.
func isoTimestamp(b []byte) (micros int64, zoned, ok bool) {
	days, rest, ok := isoDate(b)
	if !ok {
		return 0, false, false
	}
	micros = days * microsPerDay
	if len(rest) == 0 {
		return micros, false, true
	}
	if rest[0] != 'T' && rest[0] != ' ' && rest[0] != 't' {
		return 0, false, false
	}
	clock, rest, ok := isoClock(rest[1:])
	if !ok {
		return 0, false, false
	}
	micros += clock
	if len(rest) == 0 {
		return micros, false, true
	}
	offset, ok := isoZone(rest)
	return micros - offset, true, ok
}

// isoDate reads YYYY-MM-DD at the beginning of b.
func isoDate(b []byte) (days int64, rest []byte, ok bool) {
	if len(b) < 10 || b[4] != '-' || b[7] != '-' {
		return 0, nil, false
	}
	y, ok1 := digits(b[:4])
	m, ok2 := digits(b[5:7])
	d, ok3 := digits(b[8:10])
	if !ok1 || !ok2 || !ok3 || m < 1 || m > 12 || d < 1 || d > daysIn(y, m) {
		return 0, nil, false
	}
	return civil(y, m, d), b[10:], true
}

// isoClock reads HH:MM[:SS[.fraction]] at the beginning of b, in microseconds.
func isoClock(b []byte) (micros int64, rest []byte, ok bool) {
	if len(b) < 5 || b[2] != ':' {
		return 0, nil, false
	}
	h, ok1 := digits(b[:2])
	m, ok2 := digits(b[3:5])
	if !ok1 || !ok2 || h > 23 || m > 59 {
		return 0, nil, false
	}
	micros = (h*60 + m) * 60_000_000
	b = b[5:]
	if len(b) < 3 || b[0] != ':' {
		return micros, b, true
	}
	s, ok3 := digits(b[1:3])
	if !ok3 || s > 59 {
		return 0, nil, false
	}
	micros += s * 1_000_000
	b = b[3:]
	if len(b) < 2 || b[0] != '.' && b[0] != ',' {
		return micros, b, true
	}
	unit, i := int64(100_000), 1
	for ; i < len(b) && b[i] >= '0' && b[i] <= '9'; i++ {
		micros += int64(b[i]-'0') * unit
		unit /= 10
	}
	return micros, b[i:], i > 1
}

// isoZone reads Z, ±HH, ±HHMM or ±HH:MM, in microseconds east of UTC.
func isoZone(b []byte) (int64, bool) {
	if len(b) == 1 && (b[0] == 'Z' || b[0] == 'z') {
		return 0, true
	}
	if len(b) != 3 && len(b) != 5 && len(b) != 6 || b[0] != '+' && b[0] != '-' {
		return 0, false
	}
	h, ok := digits(b[1:3])
	m := int64(0)
	if ok && len(b) > 3 {
		if len(b) == 6 && b[3] != ':' {
			return 0, false
		}
		m, ok = digits(b[len(b)-2:])
	}
	if !ok || h > 23 || m > 59 {
		return 0, false
	}
	offset := (h*60 + m) * 60_000_000
	if b[0] == '-' {
		offset = -offset
	}
	return offset, true
}

// digits reads an unsigned number that has nothing but digits.
func digits(b []byte) (n int64, ok bool) {
	for _, c := range b {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + int64(c-'0')
	}
	return n, len(b) > 0
}

func daysIn(y, m int64) int64 {
	switch m {
	case 4, 6, 9, 11:
		return 30
	case 2:
		if y%4 == 0 && (y%100 != 0 || y%400 == 0) {
			return 29
		}
		return 28
	}
	return 31
}

// civil is the number of days from 1970-01-01 to a date of the proleptic Gregorian calendar, by Hinnant's
// days_from_civil (chrono-compatible low-level date algorithms).
func civil(y, m, d int64) int64 {
	if m <= 2 {
		y--
	}
	era := floorDiv(y, 400)
	yoe := y - era*400
	doy := (153*((m+9)%12)+2)/5 + d - 1
	doe := yoe*365 + yoe/4 - yoe/100 + doy
	return era*146097 + doe - 719468
}
