package build

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/adp-host/adp/host"
)

// from are the arguments that have cargo take crates from a folder and from nowhere else.
func from(dir string) []string {
	return []string{"--config", `source.crates-io.replace-with="vendored"`, "--config", "source.vendored.directory=" + strconv.Quote(dir)}
}

// vendor has Cargo fill the folder to with the crates that the lock file of the crate in dir pins, by its checksums, beside those that the
// standard library is made of where that is compiled along. It does nothing where the folder is there. whose says for whom, to a person who
// waits. The folder is to lie below Cargo's output, so that no path of this machine gets into a module.
func (b *Builder) vendor(ctx context.Context, rust rustTool, dir, to, whose, sdk string) error {
	if isDir(to) {
		return nil
	}
	cargo, err := b.tool("cargo", rustHint)
	if err != nil {
		return err
	}
	b.talk("fetching the crates of %s from crates.io, once", whose)
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return cacheError(err)
	}
	work, err := os.MkdirTemp(filepath.Dir(to), ".crates-*")
	if err != nil {
		return cacheError(err)
	}
	defer os.RemoveAll(work)
	fetched := filepath.Join(work, "crates")
	said, err := b.run(ctx, dir, nil, cargo, "vendor", "--locked", "--versioned-dirs", "--quiet", "--config", patched(sdk), fetched)
	if err != nil {
		return fetchError(ctx, whose, said)
	}
	if err := linkCrates(fetched, rust.crates); err != nil {
		return cacheError(err)
	}
	err = os.Rename(fetched, to)
	if isDir(to) {
		err = nil // another build was faster
	}
	return cacheError(err)
}

func fetchError(ctx context.Context, whose, said string) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return host.Errorf(host.CodeBuildToolchain, "cargo could not fetch the crates of %s: %s", whose, lastLines(strings.TrimSpace(said), 5)).
		WithHint("the first build needs crates.io; after it they lie in the build cache")
}

// crateSet names the set of crates that a crate's lock file pins by checksums, "" for none.
func crateSet(dir string) (string, error) {
	lock, err := os.ReadFile(filepath.Join(dir, "Cargo.lock"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	var sums []string
	for line := range strings.Lines(string(lock)) {
		if strings.HasPrefix(line, "checksum = ") {
			sums = append(sums, line)
		}
	}
	if len(sums) == 0 {
		return "", nil
	}
	slices.Sort(sums)
	sum := sha256.Sum256([]byte(strings.Join(sums, "")))
	return hex.EncodeToString(sum[:])[:16], nil
}

// patched has Cargo take the SDK from a folder.
func patched(sdk string) string { return fmt.Sprintf("patch.crates-io.%s.path=%q", rustCrate, sdk) }

// linkCrates adds those of the standard library, which is compiled along, to a folder: Cargo takes crates from one place only.
func linkCrates(to, from string) error {
	if from == "" {
		return nil
	}
	entries, err := os.ReadDir(from)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if err := os.Symlink(filepath.Join(from, e.Name()), filepath.Join(to, "std-"+e.Name())); err != nil {
			return err
		}
	}
	return nil
}
