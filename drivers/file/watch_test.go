package file

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/adp-host/adp/drivers"
)

// watching starts a watch; wait gives up after a time that no working watcher needs.
func watching(t *testing.T, d *Driver, path string) (wait func(what string, done func() bool)) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	called, ended := make(chan struct{}, 1), make(chan error, 1)
	go func() {
		ended <- d.Watch(ctx, "file:"+path, func() {
			select {
			case called <- struct{}{}:
			default:
			}
		})
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Watch: %v", err)
		}
	})
	<-called // the first, without an event
	return func(what string, done func() bool) {
		t.Helper()
		timeout := time.After(30 * time.Second)
		for !done() {
			select {
			case <-called:
			case <-timeout:
				t.Fatalf("%s: nobody called", what)
			}
		}
	}
}

func pending(t *testing.T, d *Driver, r drivers.Request) func() bool {
	return func() bool {
		p, err := d.Pending(t.Context(), r)
		return err == nil && p
	}
}

// The watcher calls when a file that was still being written rests, though nothing happens then.
func TestWatchCallsWhenFilesRest(t *testing.T) {
	dir, d := t.TempDir(), newDriver(t)
	wait := watching(t, d, dir)
	if err := os.WriteFile(filepath.Join(dir, "a.csv"), csvOf(1), 0o644); err != nil {
		t.Fatal(err)
	}
	wait("a file that was written in place", pending(t, d, request(dir, nil)))
}

// A source with a longer window than the driver's is called about when its own window ends.
func TestWatchKnowsTheSourcesWindow(t *testing.T) {
	dir, d := t.TempDir(), newDriver(t)
	wait := watching(t, d, dir)
	if err := os.WriteFile(filepath.Join(dir, "a.csv"), csvOf(1), 0o644); err != nil {
		t.Fatal(err)
	}
	wait("a file of a slow source", pending(t, d, request(dir, nil, OptionQuiet, "400ms")))
}

func TestWatchWaitsForTheFolder(t *testing.T) {
	base, d := t.TempDir(), newDriver(t)
	dir := filepath.Join(base, "not", "yet")
	wait := watching(t, d, dir)
	write(t, filepath.Join(dir, "a.csv"), csvOf(1))
	wait("a folder that was made", pending(t, d, request(dir, nil)))
	r := mustRead(t, d, request(dir, nil))
	// And made again.
	if err := os.RemoveAll(filepath.Join(base, "not")); err != nil {
		t.Fatal(err)
	}
	wait("a folder that was removed", func() bool { _, err := d.Pending(t.Context(), request(dir, r.Cursor)); return err != nil })
	write(t, filepath.Join(dir, "b.csv"), csvOf(2))
	wait("a folder that was made again", pending(t, d, request(dir, r.Cursor)))
}

func TestWatchSingleFile(t *testing.T) {
	dir, d := t.TempDir(), newDriver(t)
	path := filepath.Join(dir, "a.csv")
	write(t, path, csvOf(1))
	q := request(path, nil)
	q.Mode = drivers.Snapshot
	q.Cursor = mustRead(t, d, q).Cursor
	wait := watching(t, d, path)
	write(t, path, csvOf(1, 2)) // by rename
	wait("a replaced file", pending(t, d, q))
	q.Cursor = mustRead(t, d, q).Cursor
	f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString("3,x\n"); err != nil {
		t.Fatal(err)
	}
	_ = f.Close()
	wait("a file that grew", pending(t, d, q))
}

// A link that is turned to another file, as orchestrators publish settings.
func TestWatchTurnedLink(t *testing.T) {
	dir, d := t.TempDir(), newDriver(t)
	write(t, filepath.Join(dir, "v1", "a.csv"), csvOf(1))
	write(t, filepath.Join(dir, "v2", "a.csv"), csvOf(1, 2))
	link := filepath.Join(dir, "a.csv")
	turn := func(to string) {
		tmp := filepath.Join(dir, ".tmp-link")
		if err := os.Symlink(filepath.Join(to, "a.csv"), tmp); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(tmp, link); err != nil {
			t.Fatal(err)
		}
	}
	turn("v1")
	q := request(link, nil)
	q.Mode = drivers.Snapshot
	q.Cursor = mustRead(t, d, q).Cursor
	wait := watching(t, d, link)
	turn("v2")
	wait("a turned link", pending(t, d, q))
}

func TestWatchSubfolders(t *testing.T) {
	dir, d := t.TempDir(), newDriver(t)
	wait := watching(t, d, dir)
	write(t, filepath.Join(dir, "year=2026", "month=1", "a.csv"), csvOf(1))
	q := request(dir, nil, OptionRecursive, "true")
	wait("a new folder in a folder", pending(t, d, q))
	q.Cursor = mustRead(t, d, q).Cursor
	write(t, filepath.Join(dir, "year=2026", "month=1", "b.csv"), csvOf(2))
	wait("a file in it", pending(t, d, q))
}

// Many sources share one connection to the kernel, and the last to leave closes it.
func TestWatchManySources(t *testing.T) {
	base, d := t.TempDir(), newDriver(t)
	t.Run("watching", func(t *testing.T) {
		const sources = 200
		waits := make([]func(string, func() bool), sources)
		dir := func(i int) string { return filepath.Join(base, "s", string(rune('a'+i%26)), string(rune('a'+i/26))) }
		for i := range sources {
			if err := os.MkdirAll(dir(i), 0o755); err != nil {
				t.Fatal(err)
			}
			waits[i] = watching(t, d, dir(i))
		}
		for i := 0; i < sources; i += 37 {
			write(t, filepath.Join(dir(i), "a.csv"), csvOf(i))
			waits[i]("one of many", pending(t, d, request(dir(i), nil)))
		}
	})
	if d.notify.fs != nil || len(d.notify.users) > 0 || len(d.notify.watchers) > 0 || len(d.watchers) > 0 {
		t.Errorf("left behind: %+v", d.notify)
	}
}

// Where the system gives no events, watchers look for themselves.
func TestWatchWithoutEvents(t *testing.T) {
	dir, d := t.TempDir(), newDriver(t)
	w := &watcher{path: dir}
	if d.follow(w); w.idle != poll { // nobody joined: there is no connection
		t.Errorf("looks every %s", w.idle)
	}
}

// What does not concern the source calls nobody.
func TestWatchIgnoresOthers(t *testing.T) {
	base, d := t.TempDir(), newDriver(t)
	dir := filepath.Join(base, "in")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	w := &watcher{path: dir}
	for name, want := range map[string]bool{
		filepath.Join(dir, "a.csv"): true, filepath.Join(dir, ".a.csv"): false, filepath.Join(dir, "a.csv.tmp"): false,
		dir: true, base: true, filepath.Join(base, "other"): false, filepath.Join(base, "inside"): false,
	} {
		if got := w.concerns(name); got != want {
			t.Errorf("%s concerns the source: %v", name, got)
		}
	}
	if err := d.Watch(t.Context(), "http://x", nil); err == nil {
		t.Error("watched nonsense")
	}
}
