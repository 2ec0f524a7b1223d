package file

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/fsnotify/fsnotify"

	"github.com/adp-host/adp/drivers"
)

const (
	// debounce joins the events of one change: a rename makes two, a small write three.
	debounce = 20 * time.Millisecond
	// rescan is how often a watcher calls without an event: network file systems send none.
	rescan = time.Minute
)

// Watch calls changed when files of the source may be there to be read, that is when they rest, until ctx ends. It
// begins with one call, since a file may have come before the watch. A source that does not exist yet is waited for.
func (d *Driver) Watch(ctx context.Context, uri string, changed func()) error {
	path, err := pathOf(uri)
	if err != nil {
		return err
	}
	fw, err := fsnotify.NewWatcher()
	if err != nil {
		return &drivers.Error{Kind: drivers.ErrUnavailable, Origin: path, Message: "cannot be watched", Err: err,
			Hint: "the system's limit of watches (fs.inotify.max_user_instances) may be used up"}
	}
	defer fw.Close()
	w := &watcher{path: path, quiet: d.cfg.Quiet, fs: fw, due: make(chan struct{}, 1), dirs: map[string]bool{}}
	d.addWatcher(w)
	defer d.removeWatcher(w)
	if err := w.follow(); err != nil {
		return err
	}
	w.callAt(time.Now())
	return w.loop(ctx, changed)
}

// watcher is one Watch under way.
type watcher struct {
	path  string
	quiet time.Duration
	fs    *fsnotify.Watcher
	dirs  map[string]bool // watched folders
	due   chan struct{}   // next has been moved

	mu   sync.Mutex
	next time.Time // when to call; zero: not planned
}

// callAt plans a call, unless an earlier one is planned already. A later need is found again by the look that follows
// the earlier call.
func (w *watcher) callAt(at time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.next.IsZero() && !at.Before(w.next) {
		return
	}
	w.next = at
	select {
	case w.due <- struct{}{}:
	default:
	}
}

// take gives the planned time and forgets it when it has come.
func (w *watcher) take(now time.Time) (next time.Time, ripe bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	next = w.next
	if ripe = !next.IsZero() && !now.Before(next); ripe {
		w.next = time.Time{}
	}
	return next, ripe
}

func (w *watcher) loop(ctx context.Context, changed func()) error {
	timer := time.NewTimer(rescan)
	defer timer.Stop()
	pending := map[string]time.Time{} // files that were written to, and when they will rest
	for {
		wait := rescan
		if next, _ := w.take(time.Time{}); !next.IsZero() {
			wait = time.Until(next)
		}
		timer.Reset(max(wait, 0))
		select {
		case <-ctx.Done():
			return nil
		case <-w.due:
		case ev, ok := <-w.fs.Events:
			if !ok {
				return &drivers.Error{Kind: drivers.ErrUnavailable, Origin: w.path, Message: "cannot be watched any more"}
			}
			w.event(ev, pending)
		case err, ok := <-w.fs.Errors:
			if ok && !errors.Is(err, fsnotify.ErrEventOverflow) {
				return &drivers.Error{Kind: drivers.ErrUnavailable, Origin: w.path, Message: "cannot be watched any more", Err: err}
			}
			w.callAt(time.Now().Add(debounce)) // events were lost: look at everything
		case now := <-timer.C:
			if wait == rescan {
				w.callAt(now)
			}
			if _, ripe := w.take(now); ripe {
				w.rearm(pending, now)
				if err := w.follow(); err != nil {
					return err
				}
				changed()
			}
		}
	}
}

// event plans a call for when the file will rest. Each event moves only its own file's time: a file that is written
// without end does not keep others waiting.
func (w *watcher) event(ev fsnotify.Event, pending map[string]time.Time) {
	if ev.Op == fsnotify.Chmod || !w.concerns(ev.Name) {
		return
	}
	now := time.Now()
	at := now.Add(debounce)
	if st, err := os.Stat(ev.Name); err == nil && st.Mode().IsRegular() {
		e := entry{mtime: st.ModTime().UnixNano()}
		if rests := e.quietAt(w.quiet, now).Add(time.Millisecond); rests.After(at) {
			at = rests
			pending[ev.Name] = rests
		}
	}
	w.callAt(at)
}

// rearm plans the next call for the files that do not rest yet.
func (w *watcher) rearm(pending map[string]time.Time, now time.Time) {
	for name, at := range pending {
		if !at.After(now) {
			delete(pending, name)
			continue
		}
		w.callAt(at)
	}
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
	st, err := os.Lstat(w.path)
	return err == nil && st.Mode()&os.ModeSymlink != 0
}

// within reports whether path is dir or below it.
func within(dir, path string) bool {
	rel, err := filepath.Rel(dir, path)
	return err == nil && filepath.IsLocal(rel)
}

// follow watches the source's folder and the folders in it; for a single file the folder that names it; when that does
// not exist, the nearest above that does.
func (w *watcher) follow() error {
	want := map[string]bool{}
	dir := w.path
	st, err := os.Stat(dir)
	if err == nil && st.IsDir() {
		w.below(dir, want)
	}
	for {
		dir = filepath.Dir(dir) // the folder above too: it tells when the source itself is replaced
		if st, err := os.Stat(dir); err == nil && st.IsDir() {
			want[dir] = true
			break
		}
		if dir == filepath.Dir(dir) {
			break
		}
	}
	have := map[string]bool{}
	for _, d := range w.fs.WatchList() { // what was deleted is not watched any more
		have[d] = true
	}
	for d := range w.dirs {
		if !want[d] && have[d] {
			_ = w.fs.Remove(d)
		}
	}
	w.dirs = want
	for d := range want {
		if have[d] {
			continue
		}
		err := w.fs.Add(d)
		if err != nil && !errors.Is(err, os.ErrNotExist) && within(w.path, d) { // folders above may be closed to us
			return &drivers.Error{Kind: drivers.ErrUnavailable, Origin: d, Message: "cannot be watched", Err: err}
		}
		w.callAt(time.Now().Add(debounce)) // something may have come before the watch did
	}
	return nil
}

// maxFolders bounds the watches of one source; deeper trees are seen by the rescan.
const maxFolders = 1024

func (w *watcher) below(dir string, want map[string]bool) {
	if want[dir] = true; len(want) >= maxFolders {
		return
	}
	found, err := os.ReadDir(dir)
	if err != nil {
		return
	}
	for _, e := range found {
		if e.IsDir() && !ignored(e.Name()) && len(want) < maxFolders {
			w.below(filepath.Join(dir, e.Name()), want)
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
