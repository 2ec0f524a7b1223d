package manifest

import (
	"os"
	"strings"
	"testing"

	"github.com/adp-host/adp/host"
)

// TestReference: the page that people read has every field of the adp block and every metric.
func TestReference(t *testing.T) {
	page, err := os.ReadFile("REFERENCE.md")
	if err != nil {
		t.Fatal(err)
	}
	var walk func(object, path string)
	walk = func(object, path string) {
		for name, f := range block.shapes[object].fields {
			kind := strings.Trim(f.kind, "[]")
			sub := path + name
			if inner := strings.Trim(kind, "{}"); inner != kind {
				kind, sub = inner, sub+".NAME"
			}
			if _, ok := block.shapes[kind]; ok {
				walk(kind, sub+".")
			} else if !strings.Contains(string(page), "| `"+sub+"` |") {
				t.Errorf("REFERENCE.md says nothing of %s", sub)
			}
		}
	}
	walk("adp", "")
	for _, m := range metrics {
		if !strings.Contains(string(page), "| `"+m+"` |") {
			t.Errorf("REFERENCE.md says nothing of %s", m)
		}
	}
	for _, o := range judged {
		if !strings.Contains(string(page), "`"+o+"`") {
			t.Errorf("REFERENCE.md says nothing of %s", o)
		}
	}
}

// TestReferenceOfLimits: what the page says is missing is what a product gets.
func TestReferenceOfLimits(t *testing.T) {
	page, err := os.ReadFile("REFERENCE.md")
	if err != nil {
		t.Fatal(err)
	}
	d := host.DefaultLimits
	for name, want := range map[string]int64{"memory": d.Memory, "stack": d.Stack, "output": d.Output, "logs": d.Logs, "state": d.State, "fuel": d.Fuel} {
		_, row, _ := strings.Cut(string(page), "| `limits."+name+"` |")
		row, _, _ = strings.Cut(row, " |\n")
		_, says, _ := strings.Cut(row, " | ")
		if got, ok := host.ParseSize(strings.ReplaceAll(says, ",", "")); !ok || got != want {
			t.Errorf("REFERENCE.md says that limits.%s is %q, it is %d", name, says, want)
		}
	}
}

// TestTables: every kind that a table names is one.
func TestTables(t *testing.T) {
	plain := strings.Fields("string scalar bool integer number any object")
	for _, std := range []*standard{odps, odcs, block} {
		for object, s := range std.shapes {
			for name, f := range s.fields {
				for kind := range strings.SplitSeq(f.kind, "/") {
					kind = strings.Trim(kind, "[]{}")
					_, known := std.shapes[kind]
					for _, p := range plain {
						known = known || kind == p
					}
					if !known && !strings.HasPrefix(kind, "=") {
						t.Errorf("%s: %s.%s is of kind %q", std.name, object, name, f.kind)
					}
				}
			}
		}
	}
	for _, table := range []map[string]shape{servers, logicalTypes} {
		for object, s := range table {
			if len(s.fields) == 0 && s.openUntil == "" {
				t.Errorf("%s has no fields", object)
			}
		}
	}
}

func TestDidYouMean(t *testing.T) {
	known := []string{"from", "mode", "onChange", "contract", "options", "description"}
	for word, want := range map[string]string{"form": "from", "Mode": "mode", "onchange": "onChange", "desc": "description", "option": "options", "colour": "", "x": "",
		"contarct": "contract", strings.Repeat("from", 50): ""} {
		if want != "" {
			want = `did you mean "` + want + `"?`
		}
		if got := didYouMean(word, known); got != want {
			t.Errorf("%s: %q, want %q", word, got, want)
		}
	}
}
