package file

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"sync"

	"github.com/adp-host/adp/host/failpoint"
)

// maxFresh bounds the files that stay open between their Close and their Sync. A commit under way has about five.
const maxFresh = 192

// Sync makes files, and the folders that name them, durable: each file and each folder once, at the same time.
func (s *Store) Sync(ctx context.Context, names ...string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	files, dirs := map[string]bool{}, map[string]bool{}
	for _, name := range names {
		p, err := local("sync", name)
		if err != nil {
			return err
		}
		files[p] = true
		dirs[path.Dir(name)] = true
	}
	made, pruned := s.dirs.missing(dirs)
	for _, d := range made { // the entry of a folder is in the folder above it
		dirs[path.Dir(d)] = true
	}

	var jobs []func() error
	walk := map[string]bool{} // folders whose handles are not to be trusted
	for p := range files {
		f := s.fresh(p)
		for d := path.Dir(filepath.ToSlash(p)); f == nil && !walk[d]; d = path.Dir(d) {
			walk[d] = true
		}
		jobs = append(jobs, func() error { return s.syncFile(p, f) })
	}
	for d := range dirs {
		jobs = append(jobs, func() error { return s.syncFolder(d, walk[d]) })
	}
	if err := parallel(jobs); err != nil {
		return fmt.Errorf("sync: %w", err)
	}
	s.dirs.remember(made, pruned)
	return nil
}

// fresh is a file that is still open since it was made, if it is still what its folder has under its name: then the
// handles of that folder and of those above it are live, too, since a folder that is not empty cannot be removed.
func (s *Store) fresh(p string) *os.File {
	f, ok := s.files.take(p)
	if !ok {
		return nil
	}
	if r, ok := s.folders.get(filepath.Dir(p)); ok {
		there, err := r.Lstat(filepath.Base(p))
		if st, ferr := f.Stat(); err == nil && ferr == nil && os.SameFile(there, st) {
			return f
		}
	}
	_ = f.Close()
	return nil
}

// syncFile makes a file's content durable. f is the file itself if it is still open.
func (s *Store) syncFile(p string, f *os.File) (err error) {
	if f == nil {
		if f, err = s.root.OpenFile(p, os.O_RDWR, 0); err != nil {
			return err
		}
	}
	failpoint.Hit("store.before-file-sync")
	err = errors.Join(s.at("sync", p, f.Sync), f.Close())
	failpoint.Hit("store.after-file-sync")
	return err
}

// syncFolder makes a folder's entries durable; walk: whatever handle there is of it.
func (s *Store) syncFolder(d string, walk bool) (err error) {
	var f *os.File
	if r, ok := s.folders.get(filepath.FromSlash(d)); ok && !walk {
		f, _ = r.Open(".")
	}
	if f == nil {
		if f, err = s.root.Open(filepath.FromSlash(d)); err != nil {
			return err
		}
	}
	err = errors.Join(s.at("sync folder", d, func() error { return syncDir(f) }), f.Close())
	failpoint.Hit("store.after-folder-sync")
	return err
}

// syncWorkers bounds fsyncs under way: enough that a journalling file system joins them into one commit.
const syncWorkers = 16

// parallel runs jobs and joins their errors.
func parallel(jobs []func() error) error {
	var (
		wg   sync.WaitGroup
		mu   sync.Mutex
		errs []error
		slot = make(chan struct{}, syncWorkers)
	)
	for _, job := range jobs {
		slot <- struct{}{}
		wg.Go(func() {
			defer func() { <-slot }()
			if err := job(); err != nil {
				mu.Lock()
				errs = append(errs, err)
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}
