package quality

import (
	"fmt"
	"regexp"
	"strconv"
	"unicode/utf8"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/adp-host/adp/host"
	"github.com/adp-host/adp/host/columnar"
)

// test calls hit for each row of a column that breaks a rule.
type test func(col arrow.Array, hit func(row int))

func rowTest(r host.Rule, t arrow.DataType) (test, error) {
	switch r.Kind {
	case host.NullValues:
		return nulls, nil
	case host.MissingValues:
		missing := textSet(r.Values)
		return func(col arrow.Array, hit func(int)) {
			nulls(col, hit)
			eachText(col, func(i int, s string) {
				if missing[s] {
					hit(i)
				}
			})
		}, nil
	}
	return invalidTest(r, t)
}

func nulls(col arrow.Array, hit func(int)) {
	if col.NullN() == 0 {
		return
	}
	for i := range col.Len() {
		if col.IsNull(i) {
			hit(i)
		}
	}
}

// invalidTest combines what an invalidValues rule demands; a row that breaks several is hit once.
func invalidTest(r host.Rule, t arrow.DataType) (test, error) {
	var texts []func(string) bool // true: breaks
	if len(r.Values) > 0 {
		valid := textSet(r.Values)
		texts = append(texts, func(s string) bool { return !valid[s] })
	}
	if r.Pattern != "" {
		re, err := regexp.Compile(`\A(?:` + r.Pattern + `)\z`)
		if err != nil {
			return nil, fmt.Errorf("pattern: %w", err)
		}
		texts = append(texts, func(s string) bool { return !re.MatchString(s) })
	}
	if r.MinLength != nil || r.MaxLength != nil {
		if t.ID() != arrow.STRING {
			return nil, fmt.Errorf("a length is demanded of a column of type %s", t)
		}
		texts = append(texts, func(s string) bool {
			n := int64(utf8.RuneCountInString(s))
			return r.MinLength != nil && n < *r.MinLength || r.MaxLength != nil && n > *r.MaxLength
		})
	}
	ranged := r.Min != nil || r.Max != nil
	if ranged && !numeric(t) {
		return nil, fmt.Errorf("a range is demanded of a column of type %s", t)
	}
	if !ranged && len(texts) == 0 {
		return nil, fmt.Errorf("invalidValues says neither what is valid nor a pattern, range or length")
	}
	return func(col arrow.Array, hit func(int)) {
		var done []bool
		once := hit
		if ranged && len(texts) > 0 {
			done = make([]bool, col.Len())
			once = func(i int) {
				if !done[i] {
					done[i] = true
					hit(i)
				}
			}
		}
		if ranged {
			outside(col, r.Min, r.Max, once)
		}
		if len(texts) > 0 {
			eachText(col, func(i int, s string) {
				for _, breaks := range texts {
					if breaks(s) {
						once(i)
						return
					}
				}
			})
		}
	}, nil
}

func numeric(t arrow.DataType) bool {
	switch t.ID() {
	case arrow.INT32, arrow.INT64, arrow.FLOAT32, arrow.FLOAT64, arrow.DECIMAL128:
		return true
	}
	return false
}

// outside hits the values that are not within [lo, hi]; NaN is not.
func outside(col arrow.Array, lo, hi *float64, hit func(int)) {
	switch a := col.(type) {
	case *array.Int32:
		ranged(a, a.Int32Values(), lo, hi, hit)
	case *array.Int64:
		ranged(a, a.Int64Values(), lo, hi, hit)
	case *array.Float32:
		ranged(a, a.Float32Values(), lo, hi, hit)
	case *array.Float64:
		ranged(a, a.Float64Values(), lo, hi, hit)
	case *array.Decimal128:
		scale := a.DataType().(*arrow.Decimal128Type).Scale
		values := make([]float64, a.Len())
		for i := range values {
			values[i] = a.Value(i).ToFloat64(scale)
		}
		ranged(a, values, lo, hi, hit)
	}
}

func ranged[T int32 | int64 | float32 | float64](col arrow.Array, values []T, lo, hi *float64, hit func(int)) {
	clean := col.NullN() == 0
	for i, v := range values {
		f := float64(v)
		if (lo == nil || f >= *lo) && (hi == nil || f <= *hi) {
			continue
		}
		if clean || col.IsValid(i) {
			hit(i)
		}
	}
}

// eachText calls fn with the text of each value that is not null. Numbers are texts as JSON writes them.
func eachText(col arrow.Array, fn func(row int, s string)) {
	if a, ok := col.(*array.String); ok {
		for i := range a.Len() {
			if a.IsValid(i) {
				fn(i, a.Value(i))
			}
		}
		return
	}
	for i := range col.Len() {
		if col.IsValid(i) {
			fn(i, text(columnar.Value(col, i)))
		}
	}
}

func text(v any) string {
	switch v := v.(type) {
	case nil:
		return "null"
	case string:
		return v
	case int64:
		return strconv.FormatInt(v, 10)
	case float64:
		return strconv.FormatFloat(v, 'g', -1, 64)
	case bool:
		return strconv.FormatBool(v)
	case []byte:
		return string(v)
	}
	return fmt.Sprint(v)
}

func textSet(values []string) map[string]bool {
	out := make(map[string]bool, len(values))
	for _, v := range values {
		out[v] = true
	}
	return out
}

// without copies the rows of rec that are not dropped, in runs.
func without(rec arrow.RecordBatch, drop []bool) arrow.RecordBatch {
	var parts [][2]int64
	for i := 0; i < len(drop); {
		if drop[i] {
			i++
			continue
		}
		from := i
		for i < len(drop) && !drop[i] {
			i++
		}
		parts = append(parts, [2]int64{int64(from), int64(i)})
	}
	cols := make([]arrow.Array, rec.NumCols())
	defer func() {
		for _, c := range cols {
			if c != nil {
				c.Release()
			}
		}
	}()
	rows := int64(0)
	for _, p := range parts {
		rows += p[1] - p[0]
	}
	for j := range cols {
		cols[j] = pick(rec.Column(j), parts)
	}
	return array.NewRecordBatch(rec.Schema(), cols, rows)
}

func pick(col arrow.Array, parts [][2]int64) arrow.Array {
	if len(parts) == 0 {
		return array.NewSlice(col, 0, 0)
	}
	slices := make([]arrow.Array, len(parts))
	for k, p := range parts {
		slices[k] = array.NewSlice(col, p[0], p[1])
		defer slices[k].Release()
	}
	out, err := array.Concatenate(slices, memory.DefaultAllocator)
	if err != nil {
		// Slices of one array have one type; only an offset overflow is left, and they are smaller than their whole.
		panic(fmt.Sprintf("quality: concatenating slices of one column: %v", err))
	}
	return out
}
