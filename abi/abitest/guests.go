package abitest

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync"
)

// Builder is a test that builds guests: a *testing.T or *testing.B.
type Builder interface {
	T
	TempDir() string
}

// Root is the project's root folder.
func Root(t T) string {
	t.Helper()
	_, file, _, ok := runtime.Caller(0)
	if !ok {
		t.Fatal("abitest: this test does not know where its source is")
	}
	return filepath.Join(filepath.Dir(file), "..", "..")
}

var built struct {
	sync.Mutex
	modules map[string][]byte
}

// BuildGo is the module of a Go guest, built once in this process: a folder of guest-sdk/go (conform, example, kernel) or an
// absolute folder of a product's main package.
func BuildGo(t Builder, folder string) []byte {
	t.Helper()
	if !filepath.IsAbs(folder) {
		folder = filepath.Join(Root(t), "guest-sdk", "go", folder)
	}
	built.Lock()
	defer built.Unlock()
	if b := built.modules[folder]; b != nil {
		return b
	}
	out := filepath.Join(t.TempDir(), "guest.wasm")
	cmd := exec.Command("go", "build", "-buildmode=c-shared", "-trimpath", "-ldflags=-w", "-o", out, ".")
	cmd.Dir = folder
	cmd.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm", "CGO_ENABLED=0")
	if text, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("building %s: %v\n%s", folder, err, text)
	}
	b, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	if built.modules == nil {
		built.modules = map[string][]byte{}
	}
	built.modules[folder] = b
	return b
}

// PrebuiltRust is the committed module of a Rust guest: conform, example or kernel. guest-sdk/rust/README.md says how it was
// built; TestRustPrebuilt rebuilds it where a toolchain is at hand.
func PrebuiltRust(t T, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(Root(t), "guest-sdk", "rust", "prebuilt", name+".wasm"))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.HasPrefix(b, []byte("\x00asm")) {
		t.Fatalf("prebuilt %s is not Wasm", name)
	}
	return b
}
