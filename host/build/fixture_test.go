package build

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/adp-host/adp/drivers/file"
	"github.com/adp-host/adp/host"
	"github.com/adp-host/adp/host/columnar"
)

var scores = &host.Product{
	ID:       host.ProductID{Tenant: "local", Domain: "demo", Name: "scores"},
	Inputs:   []host.Input{{Name: "games"}},
	Bindings: []host.Binding{{Name: "players"}},
	Outputs: []host.Output{
		{Name: "score", Key: []string{"id"}, Schema: host.Schema{Fields: []host.Field{
			{Name: "id", Type: host.Type{Kind: host.Int64}, Required: true},
			{Name: "name", Type: host.Type{Kind: host.String}},
			{Name: "points", Type: host.Type{Kind: host.Float64}},
		}}},
		{Name: "other", Schema: host.Schema{Fields: []host.Field{{Name: "x", Type: host.Type{Kind: host.Int32}}}}},
	},
}

func scoreRows(t *testing.T, rows string) map[string][]arrow.RecordBatch {
	t.Helper()
	s, err := columnar.Schema(scores.Outputs[0].Schema)
	if err != nil {
		t.Fatal(err)
	}
	rec, _, err := array.RecordFromJSON(memory.DefaultAllocator, s, strings.NewReader(rows))
	if err != nil {
		t.Fatal(err)
	}
	return map[string][]arrow.RecordBatch{"score": {rec.NewSlice(0, 1), rec.NewSlice(1, rec.NumRows())}}
}

func TestCompare(t *testing.T) {
	got := scoreRows(t, `[{"id":3,"name":"c","points":0.5},{"id":1,"name":"","points":1},{"id":2,"name":null,"points":2},{"id":2,"name":null,"points":2}]`)
	files, err := file.New(file.Config{})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ name, want, diff string }{
		{"any order", "id,name,points\n1,\"\",1.0\n2,,2\n2,,2\n3,c,5e-1\n", ""},
		{"columns by name", "points,id,name\n1,1,\"\"\n2,2,\n2,2,\n0.5,3,c\n", ""},
		{"a duplicate less", "id,name,points\n1,\"\",1\n2,,2\n3,c,0.5\n", "score: 4 rows, 3 expected\n  id,name,points\n+ 2,,2\n"},
		{"null is not empty", "id,name,points\n1,,1\n2,,2\n2,,2\n3,c,0.5\n", "score: 4 rows, 4 expected\n  id,name,points\n- 1,,1\n+ 1,\"\",1\n"},
		{"versions stand together", "id,name,points\n1,\"\",1\n2,,2\n2,,3\n3,d,0.5\n",
			"score: 4 rows, 4 expected\n  id,name,points\n- 2,,3\n+ 2,,2\n- 3,d,0.5\n+ 3,c,0.5\n"},
		{"nothing expected", "id,name,points\n", "score: 4 rows, 0 expected\n  id,name,points\n+ 1,\"\",1\n+ 2,,2\n  … and 2 more\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := lay(t, map[string]string{"testdata/in/games.csv": "x\n", "testdata/out/score.csv": c.want})
			f, err := FindFixtures(dir, scores)
			if err != nil {
				t.Fatal(err)
			}
			d, err := f.Compare(t.Context(), files, scores, got)
			if err != nil || len(d) != 1 {
				t.Fatal(d, err)
			}
			limit := 20
			if c.name == "nothing expected" {
				limit = 2
			}
			if text := d[0].Text(limit); d[0].Equal() != (c.diff == "") || c.diff != "" && text != c.diff {
				t.Errorf("%s\nwant\n%s", text, c.diff)
			}
		})
	}
}

func TestUpdate(t *testing.T) {
	dir := lay(t, map[string]string{"testdata/in/games.ndjson": "{}\n"})
	files, err := file.New(file.Config{})
	if err != nil {
		t.Fatal(err)
	}
	got := scoreRows(t, `[{"id":3,"name":"c, d","points":0.5},{"id":1,"name":"","points":1},{"id":2,"name":null,"points":2}]`)
	f, err := FindFixtures(dir, scores)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Compare(t.Context(), files, scores, got); host.CodeOf(err) != host.CodeBuildTest {
		t.Errorf("nothing to compare with: %v", err)
	}
	written, err := f.Update(scores, got)
	if err != nil || len(written) != 2 {
		t.Fatal(written, err)
	}
	if b, err := os.ReadFile(written[0]); err != nil || string(b) != "id,name,points\n1,\"\",1\n2,,2\n3,\"c, d\",0.5\n" {
		t.Errorf("%s %v", b, err)
	}
	if f, err = FindFixtures(dir, scores); err != nil {
		t.Fatal(err)
	}
	d, err := f.Compare(t.Context(), files, scores, got)
	if err != nil || len(d) != 2 || !d[0].Equal() || !d[1].Equal() {
		t.Errorf("what was written does not compare: %+v %v", d, err)
	}
	if err := os.Rename(written[0], strings.TrimSuffix(written[0], ".csv")+".ndjson"); err != nil {
		t.Fatal(err)
	}
	if f, err = FindFixtures(dir, scores); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Update(scores, got); host.CodeOf(err) != host.CodeBuildTest {
		t.Errorf("over a fixture that is not CSV: %v", err)
	}
}

func TestFixtureRefusals(t *testing.T) {
	files, err := file.New(file.Config{})
	if err != nil {
		t.Fatal(err)
	}
	for name, tree := range map[string]map[string]string{
		"none at all":      {"x": ""},
		"no such input":    {"testdata/in/gamez.csv": ""},
		"no such output":   {"testdata/in/games.csv": "", "testdata/out/scores.csv": ""},
		"no such format":   {"testdata/in/games.xlsx": ""},
		"two of one input": {"testdata/in/games.csv": "", "testdata/in/games.ndjson": ""},
	} {
		if _, err := FindFixtures(lay(t, tree), scores); host.CodeOf(err) != host.CodeBuildTest {
			t.Errorf("%s: %v", name, err)
		}
	}
	dir := lay(t, map[string]string{"testdata/in/games.csv": "", "testdata/in/players.csv": "", "testdata/in/.keep": "", "testdata/out/score.csv": "id,name,points\n1,a,2\nx,b,3\n"})
	f, err := FindFixtures(dir, scores)
	if err != nil || len(f.In) != 2 || f.In["players"] != "file:"+filepath.Join(dir, "testdata/in/players.csv") {
		t.Fatal(f, err)
	}
	_, err = f.Compare(t.Context(), files, scores, nil)
	e, ok := err.(*host.Error)
	if !ok || e.Code != host.CodeBuildTest || e.At.Line != 3 {
		t.Errorf("an expected row that does not fit: %v", err)
	}
}
