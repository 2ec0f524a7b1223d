package drivertest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/adp-host/adp/drivers"
)

// Store checks a drivers.Store. open gives an empty one for each subtest.
func Store(t *testing.T, open func(t *testing.T) drivers.Store) {
	for _, c := range []struct {
		name string
		test func(*testing.T, drivers.Store)
	}{
		{"RoundTrip", storeRoundTrip},
		{"CreateIsExclusive", storeExclusive},
		{"CreateRace", storeCreateRace},
		{"Missing", storeMissing},
		{"Read", storeRead},
		{"List", storeList},
		{"Remove", storeRemove},
		{"Sync", storeSync},
		{"Names", storeNames},
		{"URI", storeURI},
		{"Cancelled", storeCancelled},
	} {
		t.Run(c.name, func(t *testing.T) { c.test(t, open(t)) })
	}
}

func put(t *testing.T, s drivers.Store, name string, content []byte) {
	t.Helper()
	w, err := s.Create(t.Context(), name)
	if err != nil {
		t.Fatalf("create %s: %v", name, err)
	}
	if _, err := w.Write(content); err != nil {
		t.Fatalf("write %s: %v", name, err)
	}
	if err := w.Close(); err != nil {
		t.Fatalf("close %s: %v", name, err)
	}
}

func get(t *testing.T, s drivers.Store, name string) []byte {
	t.Helper()
	f, err := s.Open(t.Context(), name)
	if err != nil {
		t.Fatalf("open %s: %v", name, err)
	}
	defer f.Close()
	b, err := io.ReadAll(f)
	if err != nil {
		t.Fatalf("read %s: %v", name, err)
	}
	if f.Size() != int64(len(b)) {
		t.Errorf("%s: Size %d, read %d bytes", name, f.Size(), len(b))
	}
	return b
}

func list(t *testing.T, s drivers.Store, prefix string) []string {
	t.Helper()
	names := []string{}
	for info, err := range s.List(t.Context(), prefix) {
		if err != nil {
			t.Fatalf("list %q: %v", prefix, err)
		}
		names = append(names, info.Name)
	}
	slices.Sort(names)
	return names
}

func storeRoundTrip(t *testing.T, s drivers.Store) {
	// Sizes around usual buffers, written in odd pieces.
	for _, size := range []int{0, 1, 4095, 4096, 65535, 65536, 65537, 1 << 20} {
		name := fmt.Sprintf("a/b/file-%d.bin", size)
		want := bytes.Repeat([]byte("0123456789abcdef!"), size/17+1)[:size]
		w, err := s.Create(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		for rest := want; len(rest) > 0; {
			n := min(len(rest), 7777)
			if m, err := w.Write(rest[:n]); m != n || err != nil {
				t.Fatalf("write: %d of %d, %v", m, n, err)
			}
			rest = rest[n:]
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(get(t, s, name), want) {
			t.Errorf("%d bytes came back changed", size)
		}
	}
}

func storeExclusive(t *testing.T, s drivers.Store) {
	put(t, s, "a/x", []byte("first"))
	if _, err := s.Create(t.Context(), "a/x"); !errors.Is(err, fs.ErrExist) {
		t.Errorf("creating a taken name: %v, want fs.ErrExist", err)
	}
	if got := get(t, s, "a/x"); string(got) != "first" {
		t.Errorf("the file is now %q", got)
	}
}

func storeCreateRace(t *testing.T, s drivers.Store) {
	var (
		wg  sync.WaitGroup
		mu  sync.Mutex
		won int
	)
	for i := range 8 {
		wg.Go(func() {
			w, err := s.Create(context.Background(), "same/name")
			if errors.Is(err, fs.ErrExist) {
				return
			}
			if err != nil {
				t.Error(err)
				return
			}
			fmt.Fprintf(w, "writer %d", i)
			if err := w.Close(); errors.Is(err, fs.ErrExist) {
				return // a store may decide at Close
			} else if err != nil {
				t.Error(err)
				return
			}
			mu.Lock()
			won++
			mu.Unlock()
		})
	}
	wg.Wait()
	if won != 1 {
		t.Errorf("%d writers made the same file", won)
	}
}

func storeMissing(t *testing.T, s drivers.Store) {
	put(t, s, "folder/file", nil)
	for _, name := range []string{"none", "no/ne", "folder"} {
		if f, err := s.Open(t.Context(), name); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("open %q: %v, want fs.ErrNotExist", name, err)
			if err == nil {
				f.Close()
			}
		}
	}
}

func storeRead(t *testing.T, s drivers.Store) {
	put(t, s, "f", []byte("0123456789"))
	f, err := s.Open(t.Context(), "f")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	b := make([]byte, 4)
	if n, err := f.ReadAt(b, 3); n != 4 || err != nil || string(b) != "3456" {
		t.Errorf("ReadAt(3): %d, %v, %q", n, err, b)
	}
	if n, err := f.ReadAt(b, 8); n != 2 || err != io.EOF || string(b[:n]) != "89" {
		t.Errorf("ReadAt over the end: %d, %v", n, err)
	}
	if at, err := f.Seek(-2, io.SeekEnd); at != 8 || err != nil {
		t.Errorf("Seek: %d, %v", at, err)
	}
	if rest, err := io.ReadAll(f); string(rest) != "89" || err != nil {
		t.Errorf("read after seek: %q, %v", rest, err)
	}
}

func storeList(t *testing.T, s drivers.Store) {
	if got := list(t, s, ""); len(got) != 0 {
		t.Errorf("an empty store lists %q", got)
	}
	for _, n := range []string{"a/1", "a/2", "a/b/3", "ab/4", "b", "a-5"} {
		put(t, s, n, []byte(n))
	}
	for prefix, want := range map[string][]string{
		"":      {"a-5", "a/1", "a/2", "a/b/3", "ab/4", "b"},
		"a":     {"a-5", "a/1", "a/2", "a/b/3", "ab/4"},
		"a/":    {"a/1", "a/2", "a/b/3"},
		"a/b":   {"a/b/3"},
		"a/b/3": {"a/b/3"},
		"a/b/4": {},
		"zz/":   {},
	} {
		if got := list(t, s, prefix); !slices.Equal(got, want) {
			t.Errorf("List(%q) = %q, want %q", prefix, got, want)
		}
	}
	for info, err := range s.List(t.Context(), "a/b/3") {
		if err != nil || info.Size != 5 {
			t.Errorf("size %d, %v", info.Size, err)
		}
	}
	for range s.List(t.Context(), "") {
		break // stopping early must not panic
	}
}

func storeRemove(t *testing.T, s drivers.Store) {
	put(t, s, "d/e/f", []byte("x"))
	put(t, s, "d/g", []byte("y"))
	for range 2 { // removing again is no error
		if err := s.Remove(t.Context(), "d/e/f"); err != nil {
			t.Fatal(err)
		}
	}
	if got := list(t, s, ""); !slices.Equal(got, []string{"d/g"}) {
		t.Errorf("left: %q", got)
	}
	put(t, s, "d/e/f", []byte("again")) // the name is free again
	if err := s.Remove(t.Context(), "d"); err == nil && len(list(t, s, "d/")) != 2 {
		t.Error("removing the name of a folder removed files")
	}
}

func storeSync(t *testing.T, s drivers.Store) {
	put(t, s, "s/1/a", []byte("a"))
	put(t, s, "s/1/b", []byte("b"))
	put(t, s, "s/2/c", []byte("c"))
	if err := s.Sync(t.Context(), "s/1/a", "s/1/b", "s/2/c", "s/1/a"); err != nil {
		t.Fatal(err)
	}
	if err := s.Sync(t.Context()); err != nil {
		t.Errorf("syncing nothing: %v", err)
	}
	if err := s.Sync(t.Context(), "s/1/a", "s/1/none"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("syncing a missing file: %v", err)
	}
}

func storeNames(t *testing.T, s drivers.Store) {
	for _, name := range []string{"", ".", "..", "/abs", "a/../b", "../x", "a//b", "a/", "./a", "a/./b"} {
		if w, err := s.Create(t.Context(), name); err == nil {
			t.Errorf("Create(%q) worked", name)
			w.Close()
		}
		if _, err := s.Open(t.Context(), name); err == nil {
			t.Errorf("Open(%q) worked", name)
		}
		if err := s.Remove(t.Context(), name); err == nil {
			t.Errorf("Remove(%q) worked", name)
		}
		if err := s.Sync(t.Context(), name); err == nil {
			t.Errorf("Sync(%q) worked", name)
		}
	}
	for _, name := range []string{"with space/ü.txt", "a=1/b%20c", "x..y", "…", "a'b\"c"} {
		put(t, s, name, []byte(name))
		if got := get(t, s, name); string(got) != name {
			t.Errorf("%q came back as %q", name, got)
		}
		if back, ok := s.Name(s.URI(name)); !ok || back != name {
			t.Errorf("Name(URI(%q)) = %q, %v", name, back, ok)
		}
	}
}

func storeURI(t *testing.T, s drivers.Store) {
	u := s.URI("a/b.parquet")
	if !strings.Contains(u, "://") || !strings.HasSuffix(u, "/a/b.parquet") {
		t.Errorf("URI %q is not absolute or does not end in the name", u)
	}
	for _, foreign := range []string{"", "a/b", "other://x/a/b", u + "/../../c", s.URI("..") + "/a"} {
		if name, ok := s.Name(foreign); ok {
			t.Errorf("Name(%q) = %q", foreign, name)
		}
	}
}

func storeCancelled(t *testing.T, s drivers.Store) {
	put(t, s, "a", nil)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if w, err := s.Create(ctx, "b"); !errors.Is(err, context.Canceled) {
		t.Errorf("Create: %v", err)
		if err == nil {
			w.Close()
		}
	}
	if _, err := s.Open(ctx, "a"); !errors.Is(err, context.Canceled) {
		t.Errorf("Open: %v", err)
	}
	if err := s.Sync(ctx, "a"); !errors.Is(err, context.Canceled) {
		t.Errorf("Sync: %v", err)
	}
	if err := s.Remove(ctx, "a"); !errors.Is(err, context.Canceled) {
		t.Errorf("Remove: %v", err)
	}
	var err error
	for _, e := range s.List(ctx, "") {
		err = e
	}
	if !errors.Is(err, context.Canceled) {
		t.Errorf("List: %v", err)
	}
}
