package adp_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// numberOf is how the scripts of make soak take a number, but for the seeds that repeat what was found.
var numberOf = regexp.MustCompile(`\$\{([A-Z]+):-[0-9]+\}`)

// TestSoakHelp: what make soak can be told is in its line of the Makefile.
func TestSoakHelp(t *testing.T) {
	b, err := os.ReadFile("Makefile")
	if err != nil {
		t.Fatal(err)
	}
	_, help, _ := strings.Cut(string(b), "\nsoak: ##")
	help, _, _ = strings.Cut(help, "\n")
	scripts, err := filepath.Glob(".ci/soak*")
	if err != nil || len(scripts) < 3 {
		t.Fatalf("scripts %v, %v", scripts, err)
	}
	for _, script := range scripts {
		text, err := os.ReadFile(script)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range numberOf.FindAllStringSubmatch(string(text), -1) {
			if m[1] != "SEED" && m[1] != "CGO_ENABLED" && !strings.Contains(help, m[1]+"=N") {
				t.Errorf("%s takes %s, and the Makefile does not say so", script, m[1])
			}
		}
	}
}
