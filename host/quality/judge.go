package quality

import (
	"fmt"
	"math"
	"math/big"
	"regexp"
	"unicode/utf8"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/decimal128"

	"github.com/adp-host/adp/host"
	"github.com/adp-host/adp/host/columnar"
)

// judge marks the rows of a column that break a rule. What it marks under nulls means nothing.
type judge func(col arrow.Array, bad mask)

// rowJudge compiles a row rule for a column of type t.
func rowJudge(r host.Rule, t arrow.DataType) (judge, error) {
	switch r.Kind {
	case host.NullValues:
		return func(col arrow.Array, bad mask) { bad.setNulls(col) }, nil
	case host.MissingValues:
		return missingJudge(r, t)
	}
	return invalidJudge(r, t)
}

// missingJudge marks nulls and the listed values. A listed text that is no value of the column's type is in no row.
func missingJudge(r host.Rule, t arrow.DataType) (judge, error) {
	kind, err := columnar.HostType(t)
	if err != nil {
		return nil, err
	}
	listed, err := listJudge(r.Values, kind, true)
	if err != nil {
		return nil, err
	}
	return func(col arrow.Array, bad mask) {
		listed(col, bad)
		bad.clearNulls(col)
		bad.setNulls(col)
	}, nil
}

// invalidJudge combines what an invalidValues rule demands. Nulls are never invalid: nullValues is about them.
func invalidJudge(r host.Rule, t arrow.DataType) (judge, error) {
	kind, err := columnar.HostType(t)
	if err != nil {
		return nil, err
	}
	var all []judge
	add := func(j judge, err error) error {
		all = append(all, j)
		return err
	}
	if len(r.Values) > 0 {
		err = add(listJudge(r.Values, kind, false))
	}
	if err == nil && r.Pattern != "" {
		err = add(patternJudge(r.Pattern, kind))
	}
	if err == nil && (r.MinLength != nil || r.MaxLength != nil) {
		err = add(lengthJudge(r, kind))
	}
	if err == nil && (r.Min != nil || r.Max != nil || r.MinText != "" || r.MaxText != "") {
		err = add(rangeJudge(r, kind))
	}
	switch {
	case err != nil:
		return nil, err
	case len(all) == 0:
		return nil, fmt.Errorf("invalidValues says neither what is valid nor a pattern, range or length")
	}
	return func(col arrow.Array, bad mask) {
		for _, j := range all {
			j(col, bad)
		}
		bad.clearNulls(col)
	}, nil
}

// listJudge marks the values that are listed, or those that are not. Where listed values are to be marked, texts that
// are no value of the type are ignored; where they say what is valid, they are an error.
func listJudge(texts []string, t host.Type, listed bool) (judge, error) {
	var values []any
	for _, s := range texts {
		v, err := host.ParseLiteral(t, s)
		switch {
		case err == nil:
			values = append(values, v)
		case !listed:
			return nil, err
		}
	}
	switch t.Kind {
	case host.String:
		in := newSet(cast(values, func(v any) string { return v.(string) }))
		return eachText(func(s string) bool { return in.has(s) == listed }), nil
	case host.Bool:
		in := newSet(cast(values, func(v any) bool { return v.(bool) }))
		return func(col arrow.Array, bad mask) {
			a := col.(*array.Boolean)
			for i := range a.Len() {
				if in.has(a.Value(i)) == listed {
					bad.set(i)
				}
			}
		}, nil
	case host.Float32:
		// A listed 0.1 means the float nearest to it, in the precision of the column.
		in := newSet(cast(values, func(v any) uint64 { return floatKey(float64(float32(v.(float64)))) }))
		return func(col arrow.Array, bad mask) {
			each(col.(*array.Float32).Float32Values(), bad, func(v float32) bool { return in.has(floatKey(float64(v))) == listed })
		}, nil
	case host.Float64:
		in := newSet(cast(values, func(v any) uint64 { return floatKey(v.(float64)) }))
		return func(col arrow.Array, bad mask) {
			each(col.(*array.Float64).Float64Values(), bad, func(v float64) bool { return in.has(floatKey(v)) == listed })
		}, nil
	case host.Decimal:
		in := newSet(cast(values, func(v any) decimal128.Num { return decimal128.FromBigInt(v.(*big.Int)) }))
		return func(col arrow.Array, bad mask) {
			each(col.(*array.Decimal128).Values(), bad, func(v decimal128.Num) bool { return in.has(v) == listed })
		}, nil
	case host.Binary, host.List, host.Struct:
		return func(arrow.Array, mask) {}, nil // only missing values get here: nothing that a contract writes is one
	}
	in := newSet(cast(values, func(v any) int64 { return v.(*big.Int).Int64() }))
	return wholeJudge(t.Kind, func(v int64) bool { return in.has(v) == listed }), nil
}

// wholeJudge marks the values of a column of whole numbers that are bad.
func wholeJudge(k host.Kind, is func(int64) bool) judge {
	return func(col arrow.Array, bad mask) {
		switch k {
		case host.Int32:
			each(col.(*array.Int32).Int32Values(), bad, func(v int32) bool { return is(int64(v)) })
		case host.Int64:
			each(col.(*array.Int64).Int64Values(), bad, is)
		case host.Date:
			each(col.(*array.Date32).Date32Values(), bad, func(v arrow.Date32) bool { return is(int64(v)) })
		case host.Time:
			each(col.(*array.Time64).Time64Values(), bad, func(v arrow.Time64) bool { return is(int64(v)) })
		case host.Timestamp, host.TimestampTZ:
			each(col.(*array.Timestamp).TimestampValues(), bad, func(v arrow.Timestamp) bool { return is(int64(v)) })
		}
	}
}

func cast[T any](values []any, to func(any) T) []T {
	out := make([]T, len(values))
	for i, v := range values {
		out[i] = to(v)
	}
	return out
}

// floatKey is equal for equal values: one NaN, and −0 is 0.
func floatKey(f float64) uint64 {
	switch {
	case f == 0:
		return 0
	case math.IsNaN(f):
		return math.Float64bits(math.NaN())
	}
	return math.Float64bits(f)
}

// each marks the values that are bad.
func each[T any](values []T, bad mask, is func(T) bool) {
	for i, v := range values {
		if is(v) {
			bad.set(i)
		}
	}
}

// eachText marks the texts that are bad; nulls are not looked at.
func eachText(is func(string) bool) judge {
	return func(col arrow.Array, bad mask) {
		a := col.(*array.String)
		nulls := a.NullN() > 0
		for i := range a.Len() {
			if nulls && a.IsNull(i) {
				continue
			}
			if is(a.Value(i)) {
				bad.set(i)
			}
		}
	}
}

// remembered bounds what patternJudge keeps: values that long and that many.
const (
	rememberedBytes = 64
	rememberedCount = 4096
)

// patternJudge marks the texts that the whole pattern does not match. Columns with patterns often repeat a few values,
// so short ones are matched once.
func patternJudge(pattern string, t host.Type) (judge, error) {
	if t.Kind != host.String {
		return nil, fmt.Errorf("a pattern is demanded of a column of type %s", t)
	}
	re, err := regexp.Compile(`\A(?:` + pattern + `)\z`)
	if err != nil {
		return nil, fmt.Errorf("pattern: %w", err)
	}
	known := map[string]bool{}
	return eachText(func(s string) bool {
		if len(s) > rememberedBytes {
			return !re.MatchString(s)
		}
		bad, ok := known[s]
		if !ok {
			bad = !re.MatchString(s)
			if len(known) < rememberedCount {
				known[string([]byte(s))] = bad // s is a view of the batch
			}
		}
		return bad
	}), nil
}

// lengthJudge marks the texts that are too short or too long, in code points. Bytes bound code points from both sides, so
// few texts have to be counted.
func lengthJudge(r host.Rule, t host.Type) (judge, error) {
	if t.Kind != host.String {
		return nil, fmt.Errorf("a length is demanded of a column of type %s", t)
	}
	first, last := int64(0), int64(math.MaxInt64)
	if r.MinLength != nil {
		first = *r.MinLength
	}
	if r.MaxLength != nil {
		last = *r.MaxLength
	}
	return eachText(func(s string) bool {
		size := int64(len(s))
		if size <= last && (size+utf8.UTFMax-1)/utf8.UTFMax >= first {
			return false
		}
		n := int64(utf8.RuneCountInString(s))
		return n < first || n > last
	}), nil
}
