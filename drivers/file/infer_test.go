package file

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/adp-host/adp/drivers"
)

// draft shows a schema in short: name type, ? when nullable, and the name in the file when it differs.
func draft(s *arrow.Schema) string {
	var out []string
	for _, f := range s.Fields() {
		text := f.Name + " " + f.Type.String()
		if f.Nullable {
			text += "?"
		}
		if v, ok := f.Metadata.GetValue(MetadataSource); ok {
			text += " = " + v
		}
		out = append(out, text)
	}
	return strings.Join(out, "\n")
}

func TestInfer(t *testing.T) {
	for _, c := range []struct{ name, file, text, want string }{
		{"types", "a.csv", "i,f,b,d,ts,tz,s,zip,big,empty\n1,1,true,2020-01-01,2020-01-01T00:00:00,2020-01-01T00:00:00Z,x,01234,99999999999999999999,\n-2,2.5,FALSE,2020-02-29,2020-01-01 10:00,2020-01-01T00:00:00+01:00,1,90210,1,\n",
			"i int64\nf float64\nb bool\nd date32\nts timestamp[us]\ntz timestamp[us, tz=UTC]\ns utf8\nzip utf8\nbig float64\nempty utf8?"},
		{"names", "a.csv", "Airport Name,IATA-Code,Größe (m²),x,X\na,b,1,2,3\n",
			"airport_name utf8 = Airport Name\niata_code utf8 = IATA-Code\ngröße_m² int64 = Größe (m²)\nx int64\nX int64"},
		{"nulls", "a.csv", "a,b,c\n1,\"\",\n,x,2020-01-01\n", "a int64?\nb utf8\nc date32?"},
		{"dates and times", "a.csv", "a,b\n2020-01-01,2020-01-01\n2020-01-01T10:00:00,x\n", "a timestamp[us]\nb utf8"},
		{"broken rows are passed over", "a.csv", "a,b\n1\n2,3\n\"x\"y,3\n", "a int64\nb int64"},
		{"a header alone", "a.csv", "a,b\n", "a utf8?\nb utf8?"},
		{"tab", "a.tsv", "a\tb\n1\t2\n", "a int64\nb int64"},
		{"json", "a.ndjson", `{"i":1,"f":1,"m":1,"l":[1,null],"o":{"x":1,"y":"2020-01-01"},"n":null,"t":"2018-02-04T00:00:00.000Z","q":"12"}
not json
{"i":2,"f":1.5,"m":"x","l":[],"o":{"x":2.5},"late":true,"n":null,"t":"2018-02-04T00:00:00.000Z","q":"13"}`,
			"i int64\nf float64\nm utf8\nl list<item: int64, nullable>\no struct<x: float64 nullable, y: date32 nullable>\nn utf8?\nt timestamp[us, tz=UTC]\nq utf8\nlate bool?"},
	} {
		dir, d := t.TempDir(), newDriver(t)
		write(t, filepath.Join(dir, c.file), []byte(c.text))
		s, err := d.Infer(t.Context(), "file:"+dir, nil)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if got := draft(s); got != c.want {
			t.Errorf("%s:\n%s\nwant\n%s", c.name, got, c.want)
		}
	}
}

func TestInferOptions(t *testing.T) {
	dir, d := t.TempDir(), newDriver(t)
	write(t, filepath.Join(dir, "a.csv"), []byte("1;x\nNA;y\n"))
	s, err := d.Infer(t.Context(), "file:"+dir, map[string]string{OptionHeader: "false", OptionDelimiter: ";", OptionNull: "NA"})
	if err != nil || draft(s) != "column_1 int64?\ncolumn_2 utf8" {
		t.Errorf("%v, %v", s, err)
	}
	write(t, filepath.Join(dir, "a.csv"), []byte("Airport Name\nx\n"))
	s, err = d.Infer(t.Context(), "file:"+dir, map[string]string{OptionColumn + "airport": "Airport Name"})
	if err != nil || draft(s) != "airport utf8 = Airport Name" {
		t.Errorf("%v, %v", s, err)
	}
	if _, err := d.Infer(t.Context(), "file:"+dir, map[string]string{"no": "1"}); err == nil {
		t.Error("an unknown option was taken")
	}
}

// A source that is larger than the sample has nullable columns: what was not seen may be null.
func TestInferLargeSource(t *testing.T) {
	dir, d := t.TempDir(), newDriver(t)
	ids := make([]int, inferRows+1)
	write(t, filepath.Join(dir, "a.csv"), csvOf(ids...))
	s, err := d.Infer(t.Context(), "file:"+dir, nil)
	if err != nil || draft(s) != "id int64?\nname utf8?" {
		t.Errorf("%v, %v", s, err)
	}
	many := t.TempDir()
	for _, name := range strings.Fields("a b c d e f g h i j") {
		write(t, filepath.Join(many, name+".csv"), csvOf(1))
	}
	write(t, filepath.Join(many, "j.csv"), []byte("id,name\n1.5,x\n")) // the last file is always looked at
	if s, err = d.Infer(t.Context(), "file:"+many, nil); err != nil || draft(s) != "id float64?\nname utf8?" {
		t.Errorf("%v, %v", s, err)
	}
}

func TestInferParquet(t *testing.T) {
	rec := wide(t, 10)
	defer rec.Release()
	dir, d := t.TempDir(), newDriver(t)
	write(t, filepath.Join(dir, "a.parquet"), asParquet(t, rec, 10))
	s, err := d.Infer(t.Context(), "file:"+dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := draft(s), "id int64\nf float64?\nb bool?\ns utf8?\nts timestamp[us, tz=UTC]?\nd decimal(20, 3)?\nl list<item: utf8, nullable>?\nst struct<x: int32 nullable, y: utf8 nullable>?"; got != want {
		t.Errorf("%s\nwant\n%s", got, want)
	}
}

// The project's own sample data is drafted, and read by its draft without a rejected row.
func TestInferSampleData(t *testing.T) {
	d := newDriver(t)
	for _, name := range []string{"airports", "birdstrikes", "seattle-weather", "earthquakes"} {
		dir, err := filepath.Abs(filepath.Join("..", "..", "samples", "data", name))
		if err != nil {
			t.Fatal(err)
		}
		s, err := d.Infer(t.Context(), "file:"+dir, nil)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		r, err := d.Open(t.Context(), drivers.Request{URI: "file:" + dir, Mode: drivers.Snapshot, Schema: s, Options: map[string]string{OptionQuiet: "0s"}})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		rows, rejected := int64(0), 0
		for {
			b, err := r.Next(t.Context())
			if err != nil {
				break
			}
			rows += b.Record.NumRows()
			rejected += len(b.Rejected)
			b.Record.Release()
		}
		_ = r.Close()
		if rows == 0 || rejected > 0 {
			t.Errorf("%s: %d rows, %d rejected by the draft\n%s", name, rows, rejected, draft(s))
		}
	}
}
