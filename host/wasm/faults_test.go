package wasm_test

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// faultVariable tells a test program with planted faults which of them it has.
const faultVariable = "ADP_PLANTED_FAULT"

// fault is a line of the rewriter and the wrong one in its place.
type fault struct {
	file     string
	line     string // trimmed
	nth      int    // occurrence in the file, from 1
	becomes  string // "" for nothing
	number   int    // from 1
	position string // in faults.txt
}

var everyFault = flag.Int("faults", 4, "plant every so many of the faults; 1 plants all")

// faultStages are the tests that look for a fault, the fast ones first.
var faultStages = [][]string{
	{"-test.run", "^TestExactness$", "-modules", "150"},
	{"-test.run", "^(TestChosenFloats|TestHostileGuests|TestAdmit|TestMeterRefusesItsOwnNames|TestHostSeesExactFuel|TestStartRunsMetered|TestDepthIsBounded|TestLocate|TestTrapsNameTheAuthorsFunction|TestStackBudgetBoundsNativeStack|TestLargeLeavesGiveTheirStackBack|TestSizesAreCapped|TestStrictNaNs|TestComparedAnds)$"},
	{"-test.run", "^TestGolden$"},
	{"-test.run", "^TestExactness$", "-modules", "1500", "-seed", "1000"},
	{"-test.run", "^(TestSpecification|TestMutants)$"},
}

// TestFaults plants the faults of testdata/faults.txt in the rewriter, one at a time, and runs its tests: each must be noticed.
func TestFaults(t *testing.T) {
	if testing.Short() {
		t.Skip("runs the package's tests a hundred times; make test does")
	}
	faults := readFaults(t)
	if len(faults) < 100 {
		t.Errorf("%d faults", len(faults))
	}
	program := plant(t, faults)
	caught := make([]atomic.Int64, len(faultStages)+1)
	patience := slices.Repeat([]time.Duration{5 * time.Minute}, len(faultStages)) // of each stage; the run without a fault sets it
	if stage := faultStage(t, program, 0, patience); stage < len(faultStages) {
		t.Fatalf("stage %d fails without a fault", stage)
	}
	var next atomic.Int64
	var wg sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			for {
				n := next.Add(int64(*everyFault))
				if n > int64(len(faults)) {
					return
				}
				f := faults[n-1]
				stage := faultStage(t, program, f.number, patience)
				caught[stage].Add(1)
				if stage == len(faultStages) {
					t.Errorf("%s: nobody notices that in %s %q becomes %q", f.position, f.file, f.line, f.becomes)
				}
			}
		})
	}
	wg.Wait()
	for i, args := range faultStages {
		t.Logf("%d caught by %s", caught[i].Load(), strings.Join(args[1:], " "))
	}
	planted := len(faults) / *everyFault
	t.Logf("faults %d, planted %d, caught %d", len(faults), planted, int64(planted)-caught[len(faultStages)].Load())
}

// faultStage is the first stage that fails with fault number n. Not to end is to fail as well.
func faultStage(t *testing.T, program string, n int, patience []time.Duration) int {
	for i, args := range faultStages {
		ctx, cancel := context.WithTimeout(context.Background(), patience[i])
		start := time.Now()
		c := exec.CommandContext(ctx, program, append([]string{"-test.failfast"}, args...)...)
		c.Env = append(os.Environ(), fmt.Sprintf("%s=%d", faultVariable, n), "GOMAXPROCS=1")
		said, err := c.CombinedOutput()
		cancel()
		if err != nil {
			if n == 0 {
				t.Logf("%s", said)
			}
			return i
		}
		if n == 0 {
			patience[i] = max(5*time.Second, 4*time.Since(start))
		}
		if strings.Contains(string(said), "no tests to run") {
			t.Errorf("stage %d runs nothing", i)
		}
	}
	return len(faultStages)
}

func readFaults(t *testing.T) []fault {
	text, err := os.ReadFile("testdata/faults.txt")
	if err != nil {
		t.Fatal(err)
	}
	var out []fault
	var now fault
	for i, line := range strings.Split(string(text), "\n") {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		if file, ok := strings.CutPrefix(line, "file "); ok {
			now = fault{file: file}
		} else if becomes, ok := strings.CutPrefix(line, "=> "); ok {
			if becomes == "-" {
				becomes = ""
			}
			now.becomes, now.number, now.position = becomes, len(out)+1, fmt.Sprintf("faults.txt:%d", i+1)
			out = append(out, now)
		} else {
			now.line, now.nth = line, 1
			if line[0] == '(' && line[2] == ')' {
				now.nth, now.line = int(line[1]-'0'), line[4:]
			}
		}
	}
	return out
}

// plant compiles the package's tests with all faults in it, each asleep until it is named.
func plant(t *testing.T, faults []fault) string {
	dir := t.TempDir()
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	replace := map[string]string{}
	put := func(name, text string) {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		replace[filepath.Join(here, name)] = path
	}
	byFile := map[string][]fault{}
	for _, f := range faults {
		byFile[f.file] = append(byFile[f.file], f)
	}
	for file, fs := range byFile {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		planted, err := plantInto(string(text), fs)
		if err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		put(file, planted)
	}
	put("planted.go", "package wasm\n\nimport \"os\"\n\nvar plantedFault = os.Getenv(\""+faultVariable+"\")\n\nfunc planted(n string) bool { return plantedFault == n }\n")
	overlay, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		t.Fatal(err)
	}
	list := filepath.Join(dir, "overlay.json")
	if err := os.WriteFile(list, overlay, 0o644); err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(dir, "planted.test")
	c := exec.Command("go", "test", "-c", "-vet=off", "-overlay", list, "-o", program, ".")
	if said, err := c.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, said)
	}
	return program
}

// plantInto puts faults into the text of a file.
func plantInto(text string, faults []fault) (string, error) {
	lines := strings.Split(text, "\n")
	seen := map[string]int{}
	left := map[string]bool{}
	for _, f := range faults {
		left[f.position] = true
	}
	for i, line := range lines {
		trimmed := strings.TrimSpace(line)
		seen[trimmed]++
		var here []fault
		for _, f := range faults {
			if f.line == trimmed && f.nth == seen[trimmed] {
				here = append(here, f)
			}
		}
		if len(here) == 0 {
			continue
		}
		for _, f := range here {
			delete(left, f.position)
		}
		planted, err := plantLine(trimmed, here)
		if err != nil {
			return "", err
		}
		lines[i] = planted
	}
	if len(left) > 0 {
		return "", fmt.Errorf("faults for lines that are not there: %v", slices.Sorted(maps.Keys(left)))
	}
	return strings.Join(lines, "\n"), nil
}

// plantLine writes a line that is right unless one of its faults is awake.
func plantLine(line string, faults []fault) (string, error) {
	var wrong []string
	line, _, _ = strings.Cut(line, " // ")
	if cond, ok := strings.CutPrefix(line, "if "); ok {
		cond = strings.TrimSuffix(cond, " {")
		before := ""
		if init, rest, ok := strings.Cut(cond, "; "); ok {
			before, cond = init+"; ", rest
		}
		awake, other := "", cond
		for _, f := range faults {
			c := strings.TrimSuffix(strings.TrimPrefix(f.becomes, "if "), " {")
			if f.becomes == "" || strings.Contains(c, "; ") {
				return "", errors.New("an if cannot become " + f.becomes)
			}
			awake += fmt.Sprintf("planted(%q) && (%s) || ", fmt.Sprint(f.number), c)
			other = fmt.Sprintf("!planted(%q) && (%s)", fmt.Sprint(f.number), other)
		}
		return "if " + before + awake + other + " {", nil
	}
	for _, f := range faults {
		becomes := f.becomes
		if strings.Contains(line, " := ") {
			becomes = strings.Replace(becomes, " := ", " = ", 1)
		}
		wrong = append(wrong, fmt.Sprintf("case planted(%q):\n%s\n", fmt.Sprint(f.number), becomes))
	}
	choice := "switch {\n" + strings.Join(wrong, "")
	switch {
	case strings.Contains(line, " := "), strings.HasPrefix(line, "return "):
		if strings.HasPrefix(line, "return ") {
			return choice + "}\n" + line, nil
		}
		return line + "\n" + choice + "}", nil
	}
	return choice + "default:\n" + line + "\n}", nil
}
