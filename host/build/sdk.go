package build

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sort"

	"github.com/adp-host/adp/host"
)

// unpack lays an SDK's sources down in the cache, in a folder named by their content, and returns the folder. What is
// there already is compared: a file that somebody changed would change every artifact built with it.
func (b *Builder) unpack(name string, source fs.FS) (string, error) {
	want, err := treeDigest(source)
	if err != nil {
		return "", fmt.Errorf("sources of the %s SDK: %w", name, err)
	}
	dir := filepath.Join(b.Cache, "sdk", name+"-"+want[:16])
	if have, err := treeDigest(os.DirFS(dir)); err == nil && have == want {
		return dir, nil
	}
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return "", cacheError(err)
	}
	tmp, err := os.MkdirTemp(filepath.Dir(dir), ".unpacking-*")
	if err != nil {
		return "", cacheError(err)
	}
	defer os.RemoveAll(tmp)
	if err := os.CopyFS(filepath.Join(tmp, "sdk"), source); err != nil {
		return "", cacheError(err)
	}
	if err := os.RemoveAll(dir); err != nil {
		return "", cacheError(err)
	}
	err = os.Rename(filepath.Join(tmp, "sdk"), dir)
	if have, readErr := treeDigest(os.DirFS(dir)); err != nil && readErr == nil && have == want {
		err = nil // another build was faster
	}
	return dir, cacheError(err)
}

func cacheError(err error) error {
	if err == nil {
		return nil
	}
	return host.Errorf(host.CodeBuildToolchain, "the build cache: %w", err).WithHint("free space, or name another folder with ADP_CACHE")
}

// treeDigest names the content of a tree: names and bytes of its files, nothing else.
func treeDigest(tree fs.FS) (string, error) {
	var names []string
	err := fs.WalkDir(tree, ".", func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			names = append(names, path)
		}
		return err
	})
	if err != nil {
		return "", err
	}
	if len(names) == 0 {
		return "", errors.New("no files")
	}
	sort.Strings(names)
	sum := sha256.New()
	for _, name := range names {
		f, err := tree.Open(name)
		if err != nil {
			return "", err
		}
		content := sha256.New()
		_, err = io.Copy(content, f)
		_ = f.Close() // it was only read
		if err != nil {
			return "", err
		}
		fmt.Fprintf(sum, "%q %x\n", name, content.Sum(nil))
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}
