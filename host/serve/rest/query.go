package rest

import (
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/adp-host/adp/host"
)

// query is what the parameters of a read ask for.
type query struct {
	limit   int64    // rows; -1: all
	columns []string // nil: all
	at      At
	since   string // changes only
}

const (
	paramLimit    = "limit"
	paramColumns  = "columns"
	paramSnapshot = "snapshot"
	paramAsOf     = "asOf"
	paramSince    = "since"
)

var (
	dataParams   = []string{paramLimit, paramColumns, paramSnapshot, paramAsOf}
	changeParams = []string{paramLimit, paramColumns, paramSince}
)

// parseQuery reads a query string strictly: a parameter that is unknown, given twice or out of range is an error, since
// a misspelt limit that is ignored sends gigabytes.
func parseQuery(raw string, known []string) (query, error) {
	q := query{limit: -1}
	values, err := strictValues(raw, known)
	if err != nil {
		return q, err
	}
	if v, ok := values[paramLimit]; ok {
		if q.limit, err = strconv.ParseInt(v, 10, 64); err != nil || q.limit < 0 {
			return q, badQuery("limit=%s is not a number of rows", v)
		}
	}
	if v, ok := values[paramColumns]; ok {
		if q.columns, err = parseColumns(v); err != nil {
			return q, err
		}
	}
	if q.at, err = parseAt(values); err != nil {
		return q, err
	}
	q.since = values[paramSince]
	return q, nil
}

func strictValues(raw string, known []string) (map[string]string, error) {
	values, err := url.ParseQuery(raw)
	if err != nil {
		return nil, badQuery("the query does not parse: %v", err)
	}
	out := map[string]string{}
	for name, v := range values {
		if !slices.Contains(known, name) {
			return nil, badQuery("there is no parameter %q here", name).WithHint("known: %s", strings.Join(known, ", "))
		}
		if len(v) > 1 {
			return nil, badQuery("%s is given %d times", name, len(v))
		}
		out[name] = v[0]
	}
	return out, nil
}

func parseColumns(v string) ([]string, error) {
	columns := strings.Split(v, ",")
	for i, c := range columns {
		if c == "" {
			return nil, badQuery("columns=%s has an empty name", v)
		}
		if slices.Contains(columns[:i], c) {
			return nil, badQuery("columns names %s twice", c)
		}
	}
	return columns, nil
}

func parseAt(values map[string]string) (At, error) {
	seq, pinned := values[paramSnapshot]
	asOf, dated := values[paramAsOf]
	switch {
	case pinned && dated:
		return At{}, badQuery("snapshot and asOf exclude each other")
	case pinned:
		n, err := strconv.ParseInt(seq, 10, 64)
		if err != nil || n < 1 {
			return At{}, badQuery("snapshot=%s is not a snapshot number", seq)
		}
		return At{Seq: host.Seq(n)}, nil
	case dated:
		t, err := parseTime(asOf)
		return At{Time: t}, err
	}
	return At{}, nil
}

// timeLayouts are RFC 3339 and its shorter forms; times without an offset are UTC.
var timeLayouts = []string{time.RFC3339Nano, "2006-01-02T15:04Z07:00", "2006-01-02T15:04:05.999999999", "2006-01-02T15:04", time.DateOnly}

func parseTime(s string) (time.Time, error) {
	// A plus sign of an offset that was not escaped arrives as a space.
	text := strings.Replace(s, " ", "+", 1)
	for _, layout := range timeLayouts {
		if t, err := time.Parse(layout, text); err == nil {
			return t.UTC(), nil
		}
	}
	return time.Time{}, badQuery("asOf=%s is not a time", s).WithHint("write it as 2026-11-01T00:00:00Z")
}

func badQuery(format string, args ...any) *host.Error {
	return host.Errorf(host.CodeAccessQuery, format, args...)
}
