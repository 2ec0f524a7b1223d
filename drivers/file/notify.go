package file

import (
	"errors"
	"sync"
	"time"

	"github.com/fsnotify/fsnotify"
)

// notifier is the driver's one connection to the kernel's file events, shared by all watchers: systems allow few of
// them (128 a user is usual), and a node may have many sources. It exists while somebody watches.
type notifier struct {
	mu       sync.Mutex
	fs       *fsnotify.Watcher // nil: nobody watches, or the system gives none
	watchers map[*watcher]bool
	users    map[string]int // watched folders, by how many watchers want them
}

func newNotifier() *notifier {
	return &notifier{watchers: map[*watcher]bool{}, users: map[string]int{}}
}

// join lets a watcher receive events.
func (n *notifier) join(w *watcher) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.watchers[w] = true
	if n.fs != nil {
		return
	}
	fs, err := fsnotify.NewWatcher()
	if err != nil {
		return // watchers look for themselves
	}
	n.fs = fs
	go n.dispatch(fs)
}

// leave ends that, and the connection with the last.
func (n *notifier) leave(w *watcher) {
	n.want(w, nil)
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.watchers, w)
	if len(n.watchers) == 0 && n.fs != nil {
		_ = n.fs.Close()
		n.fs = nil
		clear(n.users)
	}
}

// want makes dirs the folders that a watcher hears of. It reports whether one of them is newly watched, and whether
// all of them are.
func (n *notifier) want(w *watcher, dirs map[string]bool) (added, all bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.fs == nil {
		return false, false
	}
	for d := range w.dirs {
		if !dirs[d] {
			n.drop(d)
		}
	}
	live := map[string]bool{}
	for _, d := range n.fs.WatchList() { // what was deleted is not watched any more
		live[d] = true
	}
	all = true
	for d := range dirs {
		if !w.dirs[d] {
			n.users[d]++
		}
		if live[d] {
			continue
		}
		if err := n.fs.Add(d); err == nil {
			added = true
		} else if within(w.path, d) || !isDir(w.path) { // a folder above may be closed to us: it seldom matters
			all = false
		}
	}
	w.dirs = dirs
	return added, all
}

// drop forgets one watcher's use of a folder.
func (n *notifier) drop(dir string) {
	if n.users[dir]--; n.users[dir] <= 0 {
		delete(n.users, dir)
		_ = n.fs.Remove(dir)
	}
}

// dispatch hands events to the watchers they concern, until the connection is closed.
func (n *notifier) dispatch(fs *fsnotify.Watcher) {
	for {
		select {
		case ev, ok := <-fs.Events:
			if !ok {
				return
			}
			for _, w := range n.all() {
				w.event(ev)
			}
		case err, ok := <-fs.Errors:
			if !ok {
				return
			}
			// Events were lost, or a folder cannot be watched any more: everybody looks for himself.
			at := time.Now().Add(debounce)
			if !errors.Is(err, fsnotify.ErrEventOverflow) {
				at = time.Now().Add(poll)
			}
			for _, w := range n.all() {
				w.callAt(at)
			}
		}
	}
}

func (n *notifier) all() []*watcher {
	n.mu.Lock()
	defer n.mu.Unlock()
	out := make([]*watcher, 0, len(n.watchers))
	for w := range n.watchers {
		out = append(out, w)
	}
	return out
}
