package rest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/adp-host/adp/host"
)

func writes(s string) func(io.Writer) error {
	return func(w io.Writer) error { _, err := io.WriteString(w, s); return err }
}

func readAll(t *testing.T, f *os.File, err error) string {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	b, err := io.ReadAll(f)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// TestCacheOnce: many callers at once, one maker.
func TestCacheOnce(t *testing.T) {
	p, err := openParquetCache(t.TempDir(), 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	var made atomic.Int32
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			f, err := p.open(context.Background(), "k", func(w io.Writer) error {
				made.Add(1)
				return writes("content")(w)
			})
			if err != nil {
				t.Error(err)
				return
			}
			defer f.Close()
			if b, _ := io.ReadAll(f); string(b) != "content" {
				t.Errorf("%q", b)
			}
		})
	}
	wg.Wait()
	if made.Load() != 1 {
		t.Errorf("made %d times", made.Load())
	}
}

// TestCacheMakerLeaves: when the one who makes the file goes away, a waiting caller makes it.
func TestCacheMakerLeaves(t *testing.T) {
	p, err := openParquetCache(t.TempDir(), 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	begun, leave := make(chan struct{}), make(chan struct{})
	first := make(chan error, 1)
	go func() {
		_, err := p.open(context.Background(), "k", func(io.Writer) error { close(begun); <-leave; return context.Canceled })
		first <- err
	}()
	<-begun
	second := make(chan string, 1)
	go func() {
		f, err := p.open(context.Background(), "k", writes("second"))
		if err != nil {
			second <- err.Error()
			return
		}
		defer f.Close()
		b, _ := io.ReadAll(f)
		second <- string(b)
	}()
	gone, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := p.open(gone, "k", writes("third")); !errors.Is(err, context.Canceled) {
		t.Errorf("a caller who left waits on: %v", err)
	}
	close(leave)
	if err := <-first; !errors.Is(err, context.Canceled) {
		t.Errorf("the first: %v", err)
	}
	if got := <-second; got != "second" {
		t.Errorf("the second: %s", got)
	}
}

// TestCacheEvicts: the limit holds, the least recently used file goes, an open one stays readable.
func TestCacheEvicts(t *testing.T) {
	dir := t.TempDir()
	p, err := openParquetCache(dir, 10)
	if err != nil {
		t.Fatal(err)
	}
	var open *os.File
	for i := range 4 {
		f, err := p.open(context.Background(), fmt.Sprint(i), writes("12345"))
		if err != nil {
			t.Fatal(err)
		}
		old := time.Now().Add(time.Duration(i-10) * time.Minute)
		if err := os.Chtimes(filepath.Join(dir, fmt.Sprint(i)+cacheSuffix), old, old); err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			open = f
		} else {
			f.Close()
		}
		if i == 1 { // 0 is used again: 1 is the older one now
			g, err := p.open(context.Background(), "0", writes("other"))
			if readAll(t, g, err) != "12345" {
				t.Error("made twice")
			}
		}
	}
	names, _ := filepath.Glob(filepath.Join(dir, "*"))
	if len(names) != 2 || filepath.Base(names[0]) != "0.parquet" || filepath.Base(names[1]) != "3.parquet" {
		t.Errorf("kept %v", names)
	}
	if readAll(t, open, nil) != "12345" {
		t.Error("the open file changed")
	}
}

// TestCacheDiskFull: a write that fails leaves nothing and says what to do.
func TestCacheDiskFull(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "making-old"), []byte("left by a killed process"), 0o600); err != nil {
		t.Fatal(err)
	}
	p, err := openParquetCache(dir, 10)
	if err != nil {
		t.Fatal(err)
	}
	_, err = p.open(context.Background(), "k", func(w io.Writer) error {
		_ = writes("half")(w)
		return fmt.Errorf("writing: %w", &os.PathError{Op: "write", Path: "x", Err: syscall.ENOSPC})
	})
	var e *host.Error
	if !errors.As(err, &e) || e.Code != host.CodeRunStore || e.Hint == "" || !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("%v", err)
	}
	if entries, _ := os.ReadDir(dir); len(entries) != 0 {
		t.Errorf("left behind %v", entries)
	}
	f, err := p.open(context.Background(), "k", writes("whole"))
	if got := readAll(t, f, err); got != "whole" {
		t.Errorf("afterwards %q", got)
	}
}
