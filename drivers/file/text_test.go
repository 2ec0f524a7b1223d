package file_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/util"

	"github.com/adp-host/adp/drivers"
	"github.com/adp-host/adp/drivers/arrowtext"
	"github.com/adp-host/adp/drivers/file"
)

var textSchema = arrow.NewSchema([]arrow.Field{
	{Name: "name", Type: arrow.BinaryTypes.String},
	{Name: "n", Type: arrow.PrimitiveTypes.Int64, Nullable: true},
	{Name: "price", Type: &arrow.Decimal128Type{Precision: 9, Scale: 2}, Nullable: true},
	{Name: "tags", Type: arrow.ListOf(arrow.StructOf(arrow.Field{Name: "a", Type: arrow.PrimitiveTypes.Float64, Nullable: true},
		arrow.Field{Name: "b", Type: arrow.BinaryTypes.Binary, Nullable: true})), Nullable: true},
}, nil)

// TestReadRows: what is wrong with a row is said with its line and column, and rows that are right say the same again.
func TestReadRows(t *testing.T) {
	good := `{"name":"a","n":null,"price":"1.50","tags":[{"a":1.5,"b":"AAE="},null]}` + "\n\n" + `{"n":7,"name":"\u00e9"}`
	rec, err := file.ReadRows(textSchema, []byte(good), 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	defer rec.Release()
	var out strings.Builder
	w := arrowtext.NewJSONLines(&out)
	if err := errors.Join(w.Write(rec), w.Close()); err != nil {
		t.Fatal(err)
	}
	want := `{"name":"a","n":null,"price":"1.50","tags":[{"a":1.5,"b":"AAE="},null]}` + "\n" + `{"name":"é","n":7,"price":null,"tags":null}` + "\n"
	if out.String() != want {
		t.Errorf("got %s", out.String())
	}
	for text, says := range map[string]string{
		"{\"name\":\"a\"}\n{\"name\":1,\"n\":\"x\"}": "column n ", "{}": "column name is missing", "[]": "is not a JSON object", "{": "is not valid JSON",
		`{"name":null}`: "column name is null", `{"name":"a","m":1}`: "a member \"m\"",
	} {
		_, err := file.ReadRows(textSchema, []byte(text), 1<<20)
		var e *drivers.Error
		if !errors.As(err, &e) || !errors.Is(err, drivers.ErrFormat) || !strings.Contains(e.Message, says) || e.Line != int64(1+strings.Count(text, "\n")) {
			t.Errorf("%s: %v", text, err)
		}
	}
}

// FuzzReadRows: no text takes more memory than there is room for, and what is read reads the same again.
func FuzzReadRows(f *testing.F) {
	f.Add([]byte(`{"name":"a","tags":[{},{},{},null,null]}`), uint16(4000))
	f.Add([]byte("{\"name\":\"\"}\n{\"name\":\"\"}\n{\"name\":\"\",\"price\":\"12.34\"}"), uint16(200))
	f.Add([]byte(`{"name":"\ud800","n":-9223372036854775808}`), uint16(500))
	f.Fuzz(func(t *testing.T, text []byte, most uint16) {
		rec, err := file.ReadRows(textSchema, text, int64(most))
		if err != nil {
			return
		}
		defer rec.Release()
		if n := util.TotalRecordSize(rec); n > int64(most)+64 { // the first offsets, and what bitmaps are rounded up to
			t.Fatalf("%d bytes of text took %d, at most %d", len(text), n, most)
		}
		var out strings.Builder
		w := arrowtext.NewJSONLines(&out)
		if err := errors.Join(w.Write(rec), w.Close()); err != nil {
			t.Fatal(err)
		}
		again, err := file.ReadRows(textSchema, []byte(out.String()), 1<<40)
		if err != nil || again.NumRows() != rec.NumRows() {
			t.Fatalf("%s: %v", out.String(), err)
		}
		again.Release()
	})
}
