package build

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/adp-host/adp/host/manifest"
)

// watchEvery is how often a product's files are looked at, and settled how long they must have been as they are: editors write
// in several steps.
const (
	watchEvery = 150 * time.Millisecond
	settled    = 2 // looks in a row that see the same
)

// unwatched are folders that builds write to, and files too.
var unwatched = []string{"build", "target", "node_modules", manifest.LockFile, manifest.UpstreamDir}

// Watched tells the state of a product's own files: its documents, sources and fixtures, and nothing that a build or a run
// writes. Equal texts are equal states.
func Watched(dir string) string {
	sum := sha256.New()
	_ = filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return nil // it went away under way: the next look sees that
		}
		if path != dir && (slices.Contains(unwatched, e.Name()) || strings.HasPrefix(e.Name(), ".") || strings.HasSuffix(e.Name(), "~")) {
			if e.IsDir() {
				return fs.SkipDir
			}
			return nil
		}
		if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() {
			fmt.Fprintln(sum, path, info.Size(), info.ModTime().UnixNano())
		}
		return nil
	})
	return fmt.Sprintf("%x", sum.Sum(nil))
}

// AwaitEdit waits until a product's files are not as they were, and have come to rest. The error is that of the context.
// Looking is used instead of the system's events since folders are also edited through networks and containers, which give
// none.
func AwaitEdit(ctx context.Context, dir, was string) error {
	last, calm := was, 0
	for {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(watchEvery):
		}
		now := Watched(dir)
		if now == last {
			calm++
		} else {
			last, calm = now, 0
		}
		if now != was && calm >= settled-1 {
			return nil
		}
	}
}
