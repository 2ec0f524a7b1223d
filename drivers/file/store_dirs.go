package file

import (
	"path"
	"path/filepath"
	"sync"
)

// maxDurable bounds what durableDirs remembers; forgetting costs a few extra fsyncs, nothing else.
const maxDurable = 8192

// durableDirs remembers the folders whose own entry is known to be durable, so that a commit syncs only new ones.
// Unknown folders count as new, also those that another process made: it may have died before it synced them.
type durableDirs struct {
	mu     sync.Mutex
	known  map[string]bool
	pruned int64 // rises with every forget: what a Sync saw before a removal is not remembered after it
}

// missing returns the folders at and above dirs (slash separated, "." is the root) that are not known to be durable.
func (d *durableDirs) missing(dirs map[string]bool) ([]string, int64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	seen := map[string]bool{}
	var out []string
	for dir := range dirs {
		for ; dir != "." && !seen[dir] && !d.known[dir]; dir = path.Dir(dir) {
			seen[dir] = true
			out = append(out, dir)
		}
	}
	return out, d.pruned
}

func (d *durableDirs) remember(dirs []string, pruned int64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if pruned != d.pruned {
		return
	}
	if d.known == nil || len(d.known)+len(dirs) > maxDurable {
		d.known = map[string]bool{}
	}
	for _, dir := range dirs {
		d.known[dir] = true
	}
}

// vanished is called for each folder that is about to be made; most of them were never known.
func (d *durableDirs) vanished(dir string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if dir = filepath.ToSlash(dir); d.known[dir] {
		d.pruned++
		delete(d.known, dir)
	}
}

func (d *durableDirs) forget(dir string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.pruned++
	delete(d.known, filepath.ToSlash(dir))
}
