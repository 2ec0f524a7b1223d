package arrowtext

import (
	"encoding/csv"
	"encoding/json"
	"math"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
)

// FuzzText: what is written reads back as it was, by the readers of the standard library.
func FuzzText(f *testing.F) {
	for _, s := range []string{"", "a", `"`, "a,b\r\nc", " x ", "\x00\x1f\x7f", "ünï\u2028", "\xff\xfe", `\`, "=1+1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		var got string
		if err := json.Unmarshal(AppendJSONString(nil, s), &got); err != nil || got != strings.ToValidUTF8(s, "\ufffd") && utf8.ValidString(s) {
			t.Errorf("JSON of %q is %q, %v", s, got, err)
		}
		line := appendCSVString(append(appendCSVString(nil, "first"), ','), s)
		records, err := csv.NewReader(strings.NewReader(string(line) + "\n")).ReadAll()
		if want := strings.ReplaceAll(s, "\r\n", "\n"); err != nil || len(records) != 1 || records[0][1] != want { // the reader unifies line ends
			t.Errorf("CSV of %q is %q, %v", s, records, err)
		}
	})
}

func TestNumbers(t *testing.T) {
	for f, want := range map[float64]string{0: "0", 1: "1", -0.5: "-0.5", 1e20: "100000000000000000000", 1e21: "1e+21", 1e-6: "0.000001", 1e-7: "1e-07",
		math.MaxFloat64: "1.7976931348623157e+308", math.SmallestNonzeroFloat64: "5e-324"} {
		got := string(appendNumber(nil, f, 64))
		if back, err := strconv.ParseFloat(got, 64); got != want || err != nil || back != f || !json.Valid([]byte(got)) {
			t.Errorf("%v: %s, want %s", f, got, want)
		}
	}
	if got := string(appendNumber(nil, float64(float32(0.1)), 32)); got != "0.1" {
		t.Errorf("float32 0.1: %s", got)
	}
}

// TestWriters: header, null and empty text, NaN, slices of batches, and a lone column of nulls.
func TestWriters(t *testing.T) {
	s := arrow.NewSchema([]arrow.Field{{Name: "a b", Type: arrow.BinaryTypes.String, Nullable: true}, {Name: "x,y", Type: arrow.PrimitiveTypes.Float64, Nullable: true}}, nil)
	b := array.NewRecordBuilder(memory.DefaultAllocator, s)
	b.Field(0).(*array.StringBuilder).AppendValues([]string{"skipped", "", "", "q"}, []bool{true, true, false, true})
	b.Field(1).(*array.Float64Builder).AppendValues([]float64{0, math.NaN(), math.Inf(-1), 2}, []bool{true, true, true, false})
	rec := b.NewRecordBatch().NewSlice(1, 4)
	for name, c := range map[string]struct {
		write func(w *strings.Builder) error
		want  string
	}{
		"csv": {func(w *strings.Builder) error {
			e := NewCSV(w, s)
			if err := e.Write(rec); err != nil {
				return err
			}
			return e.Close()
		}, "a b,\"x,y\"\n\"\",NaN\n,-Infinity\nq,\n"},
		"lines": {func(w *strings.Builder) error {
			e := NewJSONLines(w)
			if err := e.Write(rec); err != nil {
				return err
			}
			return e.Close()
		}, `{"a b":"","x,y":"NaN"}` + "\n" + `{"a b":null,"x,y":"-Infinity"}` + "\n" + `{"a b":"q","x,y":null}` + "\n"},
		"array of nothing": {func(w *strings.Builder) error { return NewJSONArray(w, "[", "\n]\n").Close() }, "[\n]\n"},
		"csv of nothing":   {func(w *strings.Builder) error { return NewCSV(w, s).Close() }, "a b,\"x,y\"\n"},
	} {
		var w strings.Builder
		if err := c.write(&w); err != nil || w.String() != c.want {
			t.Errorf("%s: %q, want %q, %v", name, w.String(), c.want, err)
		}
	}
	one := arrow.NewSchema(s.Fields()[:1], nil)
	var w strings.Builder
	e := NewCSV(&w, one)
	if err := e.Write(array.NewRecordBatch(one, rec.Columns()[:1], 3)); err != nil {
		t.Fatal(err)
	}
	if err := e.Close(); err != nil || w.String() != "a b\n\"\"\n\"\"\nq\n" {
		t.Errorf("%q %v", w.String(), err)
	}
}
