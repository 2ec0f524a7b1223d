package quality

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/adp-host/adp/host"
)

// reason says what is wrong with a value.
func reason(r host.Rule, v any) string {
	column := r.Columns[0]
	if v == nil {
		return column + " is null"
	}
	shown := shorten(text(v))
	if r.Kind == host.MissingValues {
		return fmt.Sprintf("%s is %q, which stands for missing", column, shown)
	}
	return fmt.Sprintf("%s is %s, not %s", column, quote(v, shown), validity(r))
}

func quote(v any, shown string) string {
	if _, ok := v.(string); ok {
		return strconv.Quote(shown)
	}
	return shown
}

func shorten(s string) string {
	const limit = 200
	if len(s) > limit {
		return strings.ToValidUTF8(s[:limit], "") + "…"
	}
	return s
}

// text is a value as reasons show it.
func text(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case float64:
		return strconv.FormatFloat(v, 'g', -1, 64)
	case []byte:
		return string(v)
	}
	return fmt.Sprint(v)
}

// validity says what an invalidValues rule demands.
func validity(r host.Rule) string {
	var out []string
	if len(r.Values) > 0 {
		out = append(out, "one of "+shorten(strings.Join(r.Values, ", ")))
	}
	if r.Pattern != "" {
		out = append(out, "of the form "+r.Pattern)
	}
	low, high := r.MinText, r.MaxText
	if r.Min != nil {
		low = number(*r.Min)
	}
	if r.Max != nil {
		high = number(*r.Max)
	}
	if low != "" && high != "" && !r.MinOpen && !r.MaxOpen {
		out = append(out, "from "+low+" to "+high)
	} else {
		if low != "" {
			out = append(out, choose(r.MinOpen, "greater than ", "at least ")+low)
		}
		if high != "" {
			out = append(out, choose(r.MaxOpen, "less than ", "at most ")+high)
		}
	}
	switch {
	case r.MinLength != nil && r.MaxLength != nil:
		out = append(out, fmt.Sprintf("%d to %d characters long", *r.MinLength, *r.MaxLength))
	case r.MinLength != nil:
		out = append(out, fmt.Sprintf("at least %d characters long", *r.MinLength))
	case r.MaxLength != nil:
		out = append(out, fmt.Sprintf("at most %d characters long", *r.MaxLength))
	}
	return strings.Join(out, " and ")
}

func choose(c bool, yes, no string) string {
	if c {
		return yes
	}
	return no
}

func number(f float64) string { return strconv.FormatFloat(f, 'f', -1, 64) }

// expected is the bound of a rule in words.
func expected(r host.Rule) string {
	unit := "rows"
	if r.Percent {
		unit = "% of the rows"
	}
	b := r.MustBe
	if b.IsZero() {
		return "no " + strings.TrimPrefix(unit, "% of the ")
	}
	var out []string
	add := func(v *float64, words string) {
		if v != nil {
			out = append(out, words+number(*v))
		}
	}
	add(b.Eq, "exactly ")
	add(b.Ne, "not ")
	add(b.Gt, "more than ")
	add(b.Ge, "at least ")
	add(b.Lt, "fewer than ")
	add(b.Le, "at most ")
	if b.NotFrom != nil && b.NotTo != nil {
		out = append(out, "not between "+number(*b.NotFrom)+" and "+number(*b.NotTo))
	}
	return strings.Join(out, " and ") + " " + unit
}

// found says what was measured.
func found(r host.Rule, measured, of int64) string {
	switch r.Kind {
	case host.RowCount:
		return fmt.Sprintf("the table has %d rows", measured)
	case host.DuplicateValues:
		return fmt.Sprintf("%d of %d rows of the table repeat %s", measured, of, strings.Join(r.Columns, ", "))
	case host.NullValues:
		return fmt.Sprintf("%s is null in %d of %d rows", r.Columns[0], measured, of)
	case host.MissingValues:
		return fmt.Sprintf("%s is missing in %d of %d rows", r.Columns[0], measured, of)
	}
	return fmt.Sprintf("%s is not %s in %d of %d rows", r.Columns[0], validity(r), measured, of)
}
