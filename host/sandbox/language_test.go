package sandbox

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/adp-host/adp/abi/abitest"
	"github.com/adp-host/adp/host"
)

// What a whole language runtime does when it runs out of something, and what it may rely on.
func TestGoRuntime(t *testing.T) {
	folder, err := filepath.Abs("testdata/goguest")
	if err != nil {
		t.Fatal(err)
	}
	module := abitest.BuildGo(t, folder)
	e := newEngine(t, Config{})
	for _, c := range []struct {
		do    string
		code  host.ErrorCode
		words []string // of the error, or of the log
	}{
		{"keep", host.CodeGuestMemory, []string{"more than its 64 MiB", "out of memory"}},
		{"recurse", host.CodeGuestStack, nil},
		{"deep", "", []string{"1500"}},
		{"nested", "", nil},
		{"index", host.CodeGuestStatus, []string{"index out of range [5] with length 0"}},
		{"deadlock", host.CodeGuestTrap, []string{"all goroutines are asleep"}},
		{"exit", host.CodeGuestTrap, []string{"exited with code 3", "enough of this"}},
		{"spin", host.CodeGuestDeadline, nil},
		{"sleep", "", []string{"13:00 13:00"}},
		{"goroutines", "", []string{"4950 0"}},
		{"random", "", []string{" 0 0"}},
		{"files", host.CodeGuestStatus, []string{"/etc/passwd"}},
	} {
		t.Run(c.do, func(t *testing.T) {
			s := specOf(module, numbers)
			s.Product.Config = map[string]string{"do": c.do}
			if c.code == host.CodeGuestDeadline {
				s.Product.Limits.Deadline = 300 * time.Millisecond
			}
			var f fake
			_, err := runAll(e, s, &f)
			if c.code != "" {
				wantError(t, err, c.code, c.words...)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			for _, w := range c.words {
				if !strings.Contains(strings.Join(f.logs, "\n"), w) {
					t.Errorf("the log does not have %q: %q", w, f.logs)
				}
			}
			var again fake
			if _, err := runAll(e, s, &again); err != nil || !slices.Equal(f.logs, again.logs) {
				t.Errorf("a second run logs %q (%v), the first %q", again.logs, err, f.logs)
			}
		})
	}
}
