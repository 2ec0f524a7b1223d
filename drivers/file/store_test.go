package file

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/adp-host/adp/drivers"
	"github.com/adp-host/adp/drivers/drivertest"
)

func newStore(t *testing.T) *Store {
	t.Helper()
	s, err := NewStore(filepath.Join(t.TempDir(), "made", "on demand"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func TestStoreConformance(t *testing.T) {
	drivertest.Store(t, func(t *testing.T) drivers.Store { return newStore(t) })
}

func create(t *testing.T, s *Store, name string) {
	t.Helper()
	w, err := s.Create(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestStoreLinksCannotEscape(t *testing.T) {
	s := newStore(t)
	outside := t.TempDir()
	if err := os.WriteFile(filepath.Join(outside, "secret"), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(outside, filepath.Join(s.Path(), "link")); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Open(t.Context(), "link/secret"); err == nil {
		t.Error("opened a file outside the store")
	}
	if _, err := s.Create(t.Context(), "link/new"); err == nil {
		t.Error("made a file outside the store")
	}
	if err := s.Remove(t.Context(), "link/secret"); err == nil {
		t.Error("removed a file outside the store")
	}
	if err := s.Sync(t.Context(), "link/secret"); err == nil {
		t.Error("synced a file outside the store")
	}
	for info, err := range s.List(t.Context(), "") {
		t.Errorf("listed %v, %v", info, err)
	}
	if _, err := os.Stat(filepath.Join(outside, "secret")); err != nil {
		t.Error(err)
	}
}

func TestStoreNamesAreTyped(t *testing.T) {
	s := newStore(t)
	for _, name := range []string{"../x", "/x", `a\b`, ""} {
		if _, err := s.Open(t.Context(), name); !errors.Is(err, ErrName) {
			t.Errorf("Open(%q): %v", name, err)
		}
	}
}

// A new folder's entry is synced once, not with every commit.
func TestStoreRemembersDurableFolders(t *testing.T) {
	s := newStore(t)
	create(t, s, "p/e1/s1/a")
	missing := func(dir string) []string {
		m, _ := s.dirs.missing(map[string]bool{dir: true})
		return m
	}
	if m := missing("p/e1/s1"); len(m) != 3 {
		t.Errorf("before the first sync: %q", m)
	}
	if err := s.Sync(t.Context(), "p/e1/s1/a"); err != nil {
		t.Fatal(err)
	}
	if m := missing("p/e1/s1"); len(m) != 0 {
		t.Errorf("after the sync: %q", m)
	}
	if m := missing("p/e1/s2"); len(m) != 1 {
		t.Errorf("a sibling: %q", m)
	}
	// A folder that was pruned and made again is new.
	if err := s.Remove(t.Context(), "p/e1/s1/a"); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(s.Path(), "p")); !errors.Is(err, fs.ErrNotExist) {
		t.Error("empty folders stayed")
	}
	if m := missing("p/e1/s1"); len(m) != 3 {
		t.Errorf("after the removal: %q", m)
	}
	// Also when another process pruned it.
	create(t, s, "q/r/a")
	if err := s.Sync(t.Context(), "q/r/a"); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(filepath.Join(s.Path(), "q")); err != nil {
		t.Fatal(err)
	}
	create(t, s, "q/r/b")
	if m := missing("q/r"); len(m) != 2 {
		t.Errorf("after foreign pruning: %q", m)
	}
	// And made it again.
	if err := s.Sync(t.Context(), "q/r/b"); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.RemoveAll(filepath.Join(s.Path(), "q")), os.MkdirAll(filepath.Join(s.Path(), "q/r"), storeDirMode)); err != nil {
		t.Fatal(err)
	}
	create(t, s, "q/r/c")
	if m := missing("q/r"); len(m) != 2 {
		t.Errorf("after foreign pruning and making: %q", m)
	}
	if _, err := os.Stat(filepath.Join(s.Path(), "q/r/c")); err != nil {
		t.Error(err)
	}
}

// A file that stays open until its Sync is synced only if it is still what is under its name.
func TestStoreSyncsWhatIsNamed(t *testing.T) {
	s := newStore(t)
	at := func(name string) string { return filepath.Join(s.Path(), name) }
	create(t, s, "d/removed")
	create(t, s, "d/replaced")
	if err := errors.Join(os.Remove(at("d/removed")), os.Remove(at("d/replaced")), os.WriteFile(at("d/replaced"), nil, storeFileMode)); err != nil {
		t.Fatal(err)
	}
	if err := s.Sync(t.Context(), "d/removed"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a file that is gone: %v", err)
	}
	if f := s.fresh("d/replaced"); f != nil {
		t.Error("another file has the name, and the one that had it is synced")
	}
	if err := s.Sync(t.Context(), "d/replaced"); err != nil {
		t.Error(err)
	}
	// A whole folder that another process has put in the place of ours: its entries are synced, not those of ours.
	create(t, s, "e/f/file")
	if err := errors.Join(os.RemoveAll(at("e")), os.MkdirAll(at("e/f"), storeDirMode), os.WriteFile(at("e/f/file"), nil, storeFileMode)); err != nil {
		t.Fatal(err)
	}
	if err := s.Sync(t.Context(), "e/f/file"); err != nil {
		t.Error(err)
	}
}

// However many files are made before a Sync, few stay open, and all are synced.
func TestStoreKeepsFewOpen(t *testing.T) {
	s := newStore(t)
	var names []string
	for i := range 2*maxFresh + maxEntered {
		names = append(names, fmt.Sprintf("d%d/file", i))
		create(t, s, names[i])
	}
	if files, folders := len(s.files.named), len(s.folders.named); files != maxFresh || folders != maxEntered {
		t.Errorf("%d files and %d folders are open", files, folders)
	}
	synced := map[string]bool{}
	var mu sync.Mutex
	s.fail = func(op, name string) error {
		mu.Lock()
		defer mu.Unlock()
		synced[op+" "+name] = true
		return nil
	}
	if err := s.Sync(t.Context(), names...); err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if !synced["sync "+name] || !synced["sync folder "+path.Dir(name)] {
			t.Errorf("%s or its folder is not synced", name)
		}
	}
	if len(s.files.named) != 0 {
		t.Errorf("%d files stay open after their sync", len(s.files.named))
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Create(t.Context(), "d1/another"); !errors.Is(err, fs.ErrClosed) {
		t.Errorf("a store that is closed makes a file: %v", err)
	}
}

func TestStoreCreateAgainstPruning(t *testing.T) {
	s := newStore(t)
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			for j := range 100 {
				name := fmt.Sprintf("x/y/%d-%d", i, j)
				w, err := s.Create(t.Context(), name)
				if err != nil {
					t.Error(err)
					return
				}
				if err := errors.Join(w.Close(), s.Remove(t.Context(), name)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
}

func TestStoreFileModes(t *testing.T) {
	s := newStore(t)
	create(t, s, "d/f")
	for name, want := range map[string]fs.FileMode{"d": storeDirMode, "d/f": storeFileMode} {
		st, err := os.Stat(filepath.Join(s.Path(), name))
		if err != nil {
			t.Fatal(err)
		}
		if st.Mode().Perm() != want {
			t.Errorf("%s: mode %o, want %o", name, st.Mode().Perm(), want)
		}
	}
}

// The write that fails is reported by Close, whoever ignored it before, and leaves no half file.
func TestStoreFailedWrite(t *testing.T) {
	s := newStore(t)
	w, err := s.Create(t.Context(), "full")
	if err != nil {
		t.Fatal(err)
	}
	_ = w.(*storeWriter).f.Close() // every write fails from now on
	_, _ = w.Write(make([]byte, 3*writeBuffer))
	if err := w.Close(); err == nil {
		t.Error("Close forgot the failed write")
	}
	if _, err := s.Open(t.Context(), "full"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("half a file stayed: %v", err)
	}
	if err := w.Close(); !errors.Is(err, fs.ErrClosed) {
		t.Errorf("second Close: %v", err)
	}
}

// Each call to the system fails once: whoever writes and syncs hears of it, no half file stays under its name, and a
// folder whose sync failed is synced again.
func TestStoreFailsAtEveryStep(t *testing.T) {
	s := newStore(t)
	boom := errors.New("input/output error")
	attempt := func(name string) error {
		w, err := s.Create(t.Context(), name)
		if err != nil {
			return err
		}
		_, _ = w.Write(make([]byte, 3*writeBuffer)) // some callers look at Close alone
		if err := w.Close(); err != nil {
			return err
		}
		if err := s.Sync(t.Context(), name); err != nil {
			return err
		}
		return s.Remove(t.Context(), name)
	}
	file := 0
	for _, op := range []string{"create", "write", "close", "sync", "sync folder", "remove"} {
		for n := 1; ; n++ { // the nth call of this kind; calls of one Sync come in any order
			var calls atomic.Int64
			s.fail = func(o, _ string) error {
				if o == op && calls.Add(1) == int64(n) {
					return boom
				}
				return nil
			}
			file++
			name := fmt.Sprintf("e1/s%d/file", file)
			err := attempt(name)
			s.fail = nil
			if calls.Load() < int64(n) {
				if err != nil || n == 1 {
					t.Errorf("%s: %v after %d failures", op, err, n-1)
				}
				break
			}
			if !errors.Is(err, boom) {
				t.Fatalf("%s %d failed, and the writer heard %v", op, n, err)
			}
			f, err := s.Open(t.Context(), name)
			if err != nil {
				continue
			}
			if f.Size() != 3*writeBuffer {
				t.Errorf("%s %d: %d bytes stayed", op, n, f.Size())
			}
			_ = f.Close()
			if m, _ := s.dirs.missing(map[string]bool{path.Dir(name): true}); len(m) == 0 && op != "remove" {
				t.Errorf("%s %d: the folder is taken for durable", op, n)
			}
			if err := s.Sync(t.Context(), name); err != nil {
				t.Error(err)
			}
		}
	}
}
