package file

import (
	"context"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/fsnotify/fsnotify"
)

const (
	// debounce joins the events of one change: a rename makes two, a small write three.
	debounce = 20 * time.Millisecond
	// rescan is how often a watcher calls without an event: network file systems send none.
	rescan = time.Minute
	// poll is the same where folders cannot be watched, because the system's watches are used up.
	poll = 2 * time.Second
	// maxFolders bounds the watched folders of one source; deeper trees are seen by the rescan.
	maxFolders = 1024
)

// Watch calls changed when files of the source may be there to be read, that is when they rest, until ctx ends. It
// begins with one call, since a file may have come before the watch. A source that does not exist yet is waited for.
// Calls come from one goroutine, one after another.
func (d *Driver) Watch(ctx context.Context, uri string, changed func()) error {
	path, err := pathOf(uri)
	if err != nil {
		return err
	}
	w := &watcher{path: path, quiet: d.cfg.Quiet, due: make(chan struct{}, 1), resting: map[string]time.Time{}}
	d.addWatcher(w)
	defer d.removeWatcher(w)
	d.notify.join(w)
	defer d.notify.leave(w)
	w.callAt(time.Now())
	for {
		if err := w.sleep(ctx); err != nil {
			return nil // the end of ctx is how a watch ends
		}
		d.follow(w)
		changed()
	}
}

// watcher is one Watch under way.
type watcher struct {
	path  string
	quiet time.Duration
	due   chan struct{} // next has been moved

	dirs map[string]bool // watched folders; belongs to the notifier
	idle time.Duration   // until the next call without any event

	mu      sync.Mutex
	next    time.Time            // when to call; zero: not planned
	resting map[string]time.Time // files that were written to, and when they will rest
}

// callAt plans a call, unless an earlier one is planned already. A later need is found again by the look that follows
// the earlier call.
func (w *watcher) callAt(at time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.plan(at)
}

func (w *watcher) plan(at time.Time) {
	if !w.next.IsZero() && !at.Before(w.next) {
		return
	}
	w.next = at
	select {
	case w.due <- struct{}{}:
	default:
	}
}

// sleep returns nil when it is time to call.
func (w *watcher) sleep(ctx context.Context) error {
	idle := w.idle
	if idle == 0 {
		idle = rescan
	}
	latest := time.Now().Add(idle)
	for {
		timer := time.NewTimer(max(0, time.Until(w.planned(latest))))
		select {
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		case <-w.due:
			timer.Stop()
		case now := <-timer.C:
			if w.ripe(now, latest) {
				return nil
			}
		}
	}
}

// planned is when to call, at the latest at that time.
func (w *watcher) planned(latest time.Time) time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.next.IsZero() || w.next.After(latest) {
		return latest
	}
	return w.next
}

// ripe reports whether the planned time has come. The next call is then for files that do not rest yet.
func (w *watcher) ripe(now, latest time.Time) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if now.Before(latest) && (w.next.IsZero() || now.Before(w.next)) {
		return false
	}
	w.next = time.Time{}
	for name, at := range w.resting {
		if at.After(now) {
			w.plan(at)
		} else {
			delete(w.resting, name)
		}
	}
	return true
}

// event plans a call for when the file will rest. Each event moves only its own file's time: a file that is written
// without end does not keep others waiting.
func (w *watcher) event(ev fsnotify.Event) {
	if ev.Op == fsnotify.Chmod || !w.concerns(ev.Name) {
		return
	}
	now := time.Now()
	at := now.Add(debounce)
	st, err := os.Stat(ev.Name)
	w.mu.Lock()
	defer w.mu.Unlock()
	if err == nil && st.Mode().IsRegular() {
		e := entry{mtime: st.ModTime().UnixNano()}
		if rests := e.quietAt(w.quiet, now).Add(time.Millisecond); rests.After(at) {
			at = rests
			w.resting[ev.Name] = rests
		}
	}
	w.plan(at)
}

// concerns reports whether a name is the source, in it, or on the way to it. Whatever happens beside a source that is
// a symbolic link may move its end.
func (w *watcher) concerns(name string) bool {
	if within(name, w.path) {
		return true
	}
	if within(w.path, name) {
		return !ignored(filepath.Base(name))
	}
	if filepath.Dir(name) != filepath.Dir(w.path) {
		return false
	}
	st, err := os.Lstat(w.path)
	return err == nil && st.Mode()&os.ModeSymlink != 0
}

// within reports whether path is dir or below it.
func within(dir, path string) bool {
	rel, err := filepath.Rel(dir, path)
	return err == nil && filepath.IsLocal(rel)
}

// follow has the watcher hear of the folders that matter now. Where some cannot be watched it calls more often.
func (d *Driver) follow(w *watcher) {
	added, all := d.notify.want(w, w.folders())
	if w.idle = rescan; !all {
		w.idle = poll
	}
	if added { // something may have come before the watch did
		w.callAt(time.Now().Add(debounce))
	}
}

// folders are the source's folder and those in it, and the nearest folder above that exists: it tells when the source
// is made, or replaced by another.
func (w *watcher) folders() map[string]bool {
	want := map[string]bool{}
	if isDir(w.path) {
		below(w.path, want)
	}
	for dir := filepath.Dir(w.path); ; dir = filepath.Dir(dir) {
		if isDir(dir) {
			want[dir] = true
			return want
		}
		if dir == filepath.Dir(dir) {
			return want
		}
	}
}

func isDir(path string) bool {
	st, err := os.Stat(path)
	return err == nil && st.IsDir()
}

func below(dir string, want map[string]bool) {
	want[dir] = true
	found, err := os.ReadDir(dir)
	if err != nil {
		return
	}
	for _, e := range found {
		if e.IsDir() && !ignored(e.Name()) && len(want) < maxFolders {
			below(filepath.Join(dir, e.Name()), want)
		}
	}
}

func (d *Driver) addWatcher(w *watcher) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.watchers[w.path] == nil {
		d.watchers[w.path] = map[*watcher]struct{}{}
	}
	d.watchers[w.path][w] = struct{}{}
}

func (d *Driver) removeWatcher(w *watcher) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.watchers[w.path], w)
	if len(d.watchers[w.path]) == 0 {
		delete(d.watchers, w.path)
	}
}

// callAt lets the watchers of a path call at a time at which a look found that a file will rest.
func (d *Driver) callAt(path string, at time.Time) {
	if at.IsZero() {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	for w := range d.watchers[path] {
		w.callAt(at.Add(time.Millisecond))
	}
}
