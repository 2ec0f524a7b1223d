package abitest_test

import (
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/adp-host/adp/abi/abitest"
)

// TestCUnits runs the tests of the C kit and of its example on this machine, with the kit's test host. Where the compiler has sanitizers
// they watch.
func TestCUnits(t *testing.T) {
	cc := ""
	for _, name := range []string{"cc", "gcc", "clang", "clang-19"} {
		if path, err := exec.LookPath(name); err == nil && cc == "" {
			cc = path
		}
	}
	if cc == "" {
		t.Skip("NOT RUN: there is no C compiler for this machine")
	}
	kit := filepath.Join(abitest.Root(t), "guest-sdk", "c")
	for _, test := range []string{"tests/kit_test.c", "example/product_test.c"} {
		program := filepath.Join(t.TempDir(), "test")
		args := []string{"-Wall", "-Wextra", "-Werror", "-g", "-I", filepath.Join(kit, "include"), "-o", program, filepath.Join(kit, test)}
		watched := append([]string{"-fsanitize=address,undefined", "-fno-sanitize-recover=all"}, args...)
		if _, err := exec.Command(cc, watched...).CombinedOutput(); err != nil {
			t.Logf("without sanitizers: %s has none", cc)
			if text, err := exec.Command(cc, args...).CombinedOutput(); err != nil {
				t.Fatalf("%s: %v\n%s", test, err, text)
			}
		}
		run := exec.Command(program)
		run.Env = append(run.Environ(), "ASAN_OPTIONS=detect_leaks=0") // a test program gives nothing back
		if text, err := run.CombinedOutput(); err != nil || string(text) != "ok\n" {
			t.Errorf("%s: %v\n%s", test, err, text)
		}
	}
}
