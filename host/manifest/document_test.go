package manifest_test

import (
	"testing"

	"github.com/adp-host/adp/host"
	"github.com/adp-host/adp/host/manifest"
)

// TestBrokenLine: the line that broke a document is found below lists and texts that span lines.
func TestBrokenLine(t *testing.T) {
	head := "a: [\n  1,\n  2]\nb: >\n  text\n  more\n"
	for name, c := range map[string]struct {
		src  string
		line int
	}{
		"bracket":     {head + "c: [1, 2\nd: 3\n", 7},
		"quote":       {head + "c: \"x\nd: 3\ne: \"y\"\n", 7},
		"colon":       {head + "c: x: y\nd: 3\n", 7},
		"indentation": {"m:\n  a: 1\n b: 2\nc: 3\n", 3},
		"tab":         {"m:\n  a: 1\n\tb: 2\nc: 3\n", 3},
	} {
		_, err := manifest.Parse("x.yaml", []byte(c.src))
		all, ok := err.(manifest.Problems)
		if !ok || len(all) != 1 || all[0].Code != host.CodeManifestSyntax || all[0].At.Line != c.line {
			t.Errorf("%s: %v, want line %d", name, err, c.line)
		}
	}
}
