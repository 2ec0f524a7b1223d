package adp

import "time"

// Date is days since 1970-01-01.
type Date int32

// Time is microseconds since midnight.
type Time int64

// Timestamp is microseconds since 1970-01-01T00:00:00: an instant (UTC) in a timestamptz column, a local time in a
// timestamp column.
type Timestamp int64

// DateOf is the calendar day of t in its own zone.
func DateOf(t time.Time) Date {
	y, m, d := t.Date()
	return NewDate(y, m, d)
}

// NewDate is the day of a month of a year.
func NewDate(year int, month time.Month, day int) Date {
	return Date(floorDiv(time.Date(year, month, day, 0, 0, 0, 0, time.UTC).Unix(), 86400))
}

// Time is the day's midnight, UTC.
func (d Date) Time() time.Time { return time.Unix(int64(d)*86400, 0).UTC() }

// String is ISO 8601: 2026-11-01.
func (d Date) String() string { return d.Time().Format("2006-01-02") }

// Duration is the time since midnight.
func (t Time) Duration() time.Duration { return time.Duration(t) * time.Microsecond }

// String is ISO 8601: 15:04:05.999999.
func (t Time) String() string { return time.UnixMicro(int64(t)).UTC().Format("15:04:05.999999") }

// TimestampOf is the instant t.
func TimestampOf(t time.Time) Timestamp { return Timestamp(t.UnixMicro()) }

// Time is the instant, UTC.
func (t Timestamp) Time() time.Time { return time.UnixMicro(int64(t)).UTC() }

// Date is the day the timestamp lies in, UTC.
func (t Timestamp) Date() Date { return Date(floorDiv(int64(t), 86400_000000)) }

// String is ISO 8601 without a zone: 2026-11-01T15:04:05.999999.
func (t Timestamp) String() string { return t.Time().Format("2006-01-02T15:04:05.999999") }

func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}
