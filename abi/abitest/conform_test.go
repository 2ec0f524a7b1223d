package abitest_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/adp-host/adp/abi/abitest"
	"github.com/adp-host/adp/host/build/buildtest"
)

// TestGo runs the suite over the reference product of the Go SDK.
func TestGo(t *testing.T) { both(t, abitest.BuildGo(t, "conform")) }

// both runs the suite with batches laid down plainly, and with offsets in every column, offsets of strings and lists that do not
// begin at 0, bitmaps where nothing is null, and gaps.
func both(t *testing.T, module []byte) {
	h := newPlain(t, module)
	t.Run("plain", func(t *testing.T) { abitest.Run(t, h) })
	h.layout = abitest.Block{Skip: 3, Lead: 5, Gap: 100, Bitmaps: true}
	t.Run("offset", func(t *testing.T) { abitest.Run(t, h) })
}

// keysAfter are the keys with the prefix that are greater than after, in order.
func keysAfter(state map[string][]byte, prefix, after string) []string {
	var out []string
	for k := range state {
		if strings.HasPrefix(k, prefix) && k > after {
			out = append(out, k)
		}
	}
	slices.Sort(out)
	return out
}

// TestRust runs the suite over the reference product of the Rust SDK.
func TestRust(t *testing.T) { both(t, abitest.PrebuiltRust(t, "conform")) }

// TestC runs the suite over the reference product of the C kit.
func TestC(t *testing.T) { both(t, buildtest.Guest(t, "c", "conform")) }

// TestJavaScript runs the suite over the reference product of the JavaScript kit.
func TestJavaScript(t *testing.T) { both(t, buildtest.Guest(t, "javascript", "conform")) }

// TestAssemblyScript runs the suite over the reference product of the AssemblyScript kit.
func TestAssemblyScript(t *testing.T) { both(t, buildtest.Guest(t, "assemblyscript", "conform")) }
