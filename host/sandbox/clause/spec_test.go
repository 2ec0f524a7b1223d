package clause_test

import (
	"fmt"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/adp-host/adp/host/sandbox/clause"
	"github.com/adp-host/adp/host/wasm"
)

// hostsOwn are the sentences in which the SPEC asks something of a host, or of nobody.
var hostsOwn = []string{"MUST, MAY and the like", "A host MUST carry these Arrow types"}

// TestSpec: the SPEC names the clauses that are checked, each in its section, and asks nothing of guests that has no name.
func TestSpec(t *testing.T) {
	b, err := os.ReadFile("../../../abi/SPEC.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range hostsOwn {
		if !strings.Contains(string(b), s) {
			t.Errorf("the SPEC no longer says %q", s)
		}
	}
	tag := regexp.MustCompile("\\[`([a-z-]+)`\\]")
	named := map[string][]string{} // sections by clause
	section := "0"
	for paragraph := range strings.SplitSeq(string(b), "\n\n") {
		if rest, ok := strings.CutPrefix(paragraph, "## "); ok {
			section, _, _ = strings.Cut(rest, ".")
		}
		if section == "0" {
			continue
		}
		for _, m := range tag.FindAllStringSubmatch(paragraph, -1) {
			named[m[1]] = append(named[m[1]], section)
		}
		demands := strings.Split(paragraph, "MUST")
		for i, d := range demands[1:] {
			own := slices.ContainsFunc(hostsOwn, func(s string) bool {
				return strings.Contains(paragraph, s) && strings.HasSuffix(demands[i]+"MUST", s[:strings.Index(s, "MUST")+4])
			})
			if !own && !tag.MatchString(d) {
				t.Errorf("§%s asks without naming a clause: MUST%s", section, d)
			}
		}
	}
	for _, c := range clause.Clauses {
		if !slices.Contains(named[c.Name], c.Section) {
			t.Errorf("§%s does not name %s", c.Section, c.Name)
		}
		delete(named, c.Name)
	}
	for name, at := range named {
		t.Errorf("§%s names %s, which is not checked", at[0], name)
	}
	if !slices.IsSortedFunc(clause.Clauses, func(a, b clause.Clause) int { return number(a.Section) - number(b.Section) }) {
		t.Error("the clauses are not in the order of the SPEC")
	}
	sayLimits(t, string(b))
}

func number(section string) int {
	n, _ := strconv.Atoi(section)
	return n
}

// sayLimits: §8 says the limits of a module as they are.
func sayLimits(t *testing.T, spec string) {
	v := reflect.ValueOf(wasm.DefaultLimits)
	for i := range v.NumField() {
		name, value := v.Type().Field(i).Name, v.Field(i).Int()
		text := ""
		for n := value; ; n /= 1000 {
			if n < 1000 {
				text = fmt.Sprint(n) + text
				break
			}
			text = fmt.Sprintf(",%03d", n%1000) + text
		}
		if value >= 1<<20 && value%(1<<20) == 0 {
			text = fmt.Sprint(value>>20, " MiB")
		}
		row := regexp.MustCompile("(?m)^\\|.*`" + name + "`.*\\|$").FindString(spec)
		cells := strings.Split(row, "|")
		if len(cells) != 4 {
			t.Errorf("§8 does not say the limit %s", name)
			continue
		}
		at := slices.Index(regexp.MustCompile("`[A-Za-z]+`").FindAllString(cells[1], -1), "`"+name+"`")
		values := strings.Split(strings.TrimSpace(cells[2]), ", ")
		if at >= len(values) || values[at] != text {
			t.Errorf("§8 says %s of %s, it is %s", cells[2], name, text)
		}
	}
}
