package table

import (
	"context"
	"fmt"
	"io"
	"path"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/adp-host/adp/drivers"
)

// attempt is the store as one stage sees it: it names the stage's files and knows which of them exist, so that they can
// be synced together or removed together.
type attempt struct {
	drivers.Store
	prefix string

	mu    sync.Mutex
	names []string
	parts int
}

func newAttempt(store drivers.Store, dir, port string) *attempt {
	return &attempt{Store: store, prefix: path.Join(dir, escapeName(port))}
}

// Create remembers what was made.
func (a *attempt) Create(ctx context.Context, name string) (io.WriteCloser, error) {
	w, err := a.Store.Create(ctx, name)
	if err == nil {
		a.mu.Lock()
		a.names = append(a.names, name)
		a.mu.Unlock()
	}
	return w, err
}

// named is the name of a file of the attempt that there is one of.
func (a *attempt) named(what string) string { return a.prefix + "." + what }

// nextData names the next data file.
func (a *attempt) nextData() string {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.parts++
	return fmt.Sprintf("%s.%d.parquet", a.prefix, a.parts-1)
}

// files lists what exists, sorted.
func (a *attempt) files() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Sorted(slices.Values(a.names))
}

// drop removes files. One that cannot be removed is an orphan: nothing refers to it, and the orphan rule finds it.
func (a *attempt) drop(names ...string) {
	ctx := context.Background() // also after the run's own has ended
	for _, n := range names {
		_ = a.Remove(ctx, n)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.names = slices.DeleteFunc(a.names, func(n string) bool { return slices.Contains(names, n) })
}

// dropAll removes every file of the attempt.
func (a *attempt) dropAll() { a.drop(a.files()...) }

// escapeName keeps a port's name apart from the rest of a file name and from its folder.
func escapeName(port string) string {
	var b strings.Builder
	for _, r := range []byte(port) {
		switch {
		case 'a' <= r && r <= 'z', 'A' <= r && r <= 'Z', '0' <= r && r <= '9', r == '_', r == '-':
			b.WriteByte(r)
		default:
			fmt.Fprintf(&b, "~%02x", r)
		}
	}
	return b.String()
}

// attemptTail is what an attempt adds to the folder of a product.
var attemptTail = regexp.MustCompile(`/e\d+/s\d+/[^/]+/?$`)

// tableLocation is the folder that Iceberg calls the table's: nothing but its name is used, since every file is named
// in full.
func tableLocation(store drivers.Store, dir, port string) string {
	return store.URI(path.Join(attemptTail.ReplaceAllString(dir, ""), escapeName(port)))
}
