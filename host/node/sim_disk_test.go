package node

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/adp-host/adp/drivers"
	"github.com/adp-host/adp/host"
)

// simDisk is the shared store. A file survives the crash of the node that wrote it for certain only when it was synced.
type simDisk struct {
	w     *simWorld
	mu    sync.Mutex
	files map[string]*simFile
}

type simFile struct {
	data   []byte
	by     *simProcess
	synced bool
	made   time.Time
}

func digestOf(b []byte) host.Digest { return host.Digest(fmt.Sprintf("sha256:%x", sha256.Sum256(b))) }

func (d *simDisk) look(name string) (data []byte, synced, ok bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	f := d.files[name]
	if f == nil {
		return nil, false, false
	}
	return f.data, f.synced, true
}

// crash takes what a process had not made durable: some files, parts of others.
func (d *simDisk) crash(p *simProcess) {
	d.mu.Lock()
	names := slices.Collect(maps.Keys(d.files))
	d.mu.Unlock()
	for _, name := range names {
		r := d.w.die(p.name, "crash "+name)
		d.mu.Lock()
		if f := d.files[name]; f != nil && f.by == p && !f.synced {
			switch r.IntN(3) {
			case 0:
				delete(d.files, name)
			case 1:
				f.data = f.data[:r.IntN(len(f.data)+1)]
			}
		}
		d.mu.Unlock()
	}
}

// placeOf reads the epoch and the seq out of a name.
func placeOf(name string) (epoch host.Epoch, seq host.Seq, ok bool) {
	parts := strings.Split(name, "/")
	if len(parts) < 7 {
		return 0, 0, false
	}
	n, _ := fmt.Sscanf(parts[4]+" "+parts[5], "e%d s%d", &epoch, &seq)
	return epoch, seq, n == 2
}

// collect removes the files below prefix that no committed head names and that orphan says are orphans.
func (d *simDisk) collect(prefix string, orphan func(f *simFile, epoch host.Epoch, seq host.Seq) bool) {
	d.w.mu.Lock()
	kept := maps.Clone(d.w.kept)
	d.w.mu.Unlock()
	d.mu.Lock()
	var gone []string
	for name, f := range d.files {
		if e, s, ok := placeOf(name); ok && strings.HasPrefix(name, prefix) && !kept[name] && orphan(f, e, s) {
			delete(d.files, name)
			gone = append(gone, name)
		}
	}
	d.mu.Unlock()
	for _, name := range gone {
		d.w.missing(name)
	}
}

// simStore is the disk as one process reaches it.
type simStore struct {
	d *simDisk
	p *simProcess
}

var errDisk = errors.New("the disk did not answer")

// reach is the way to the disk: it takes time, fails now and then, and ends with the process.
func (s simStore) reach(ctx context.Context, verb, name string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	r := s.d.w.die(s.p.name, verb+name)
	if err := s.p.wait(ctx, upTo(r, time.Millisecond)); err != nil {
		return err
	}
	if !s.d.w.isCalm() && r.IntN(400) == 0 {
		return errDisk
	}
	return nil
}

func (s simStore) Create(ctx context.Context, name string) (io.WriteCloser, error) {
	if err := s.reach(ctx, "create", name); err != nil {
		return nil, err
	}
	s.d.mu.Lock()
	defer s.d.mu.Unlock()
	if s.d.files[name] != nil {
		return nil, &fs.PathError{Op: "create", Path: name, Err: fs.ErrExist}
	}
	f := &simFile{by: s.p, made: time.Now()}
	s.d.files[name] = f
	return &simWriter{s: s, f: f}, nil
}

type simWriter struct {
	s simStore
	f *simFile
}

func (w *simWriter) Write(b []byte) (int, error) {
	if w.s.p.dead() {
		return 0, errDisk
	}
	w.s.d.mu.Lock()
	defer w.s.d.mu.Unlock()
	w.f.data = append(w.f.data, b...)
	return len(b), nil
}

func (w *simWriter) Close() error { return nil }

func (s simStore) Open(ctx context.Context, name string) (drivers.StoreFile, error) {
	if err := s.reach(ctx, "open", name); err != nil {
		return nil, err
	}
	b, _, ok := s.d.look(name)
	if !ok {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	return simReader{bytes.NewReader(b)}, nil
}

type simReader struct{ *bytes.Reader }

func (r simReader) Size() int64  { return r.Reader.Size() }
func (r simReader) Close() error { return nil }

func (s simStore) List(ctx context.Context, prefix string) iter.Seq2[drivers.StoreInfo, error] {
	return func(yield func(drivers.StoreInfo, error) bool) {
		if err := s.reach(ctx, "list", prefix); err != nil {
			yield(drivers.StoreInfo{}, err)
			return
		}
		s.d.mu.Lock()
		var found []drivers.StoreInfo
		for name, f := range s.d.files {
			if strings.HasPrefix(name, prefix) {
				found = append(found, drivers.StoreInfo{Name: name, Size: int64(len(f.data))})
			}
		}
		s.d.mu.Unlock()
		for _, info := range found {
			if !yield(info, nil) {
				return
			}
		}
	}
}

func (s simStore) Remove(ctx context.Context, name string) error {
	if err := s.reach(ctx, "remove", name); err != nil {
		return err
	}
	s.d.mu.Lock()
	_, there := s.d.files[name]
	delete(s.d.files, name)
	s.d.mu.Unlock()
	if there {
		s.d.w.missing(name)
	}
	return nil
}

func (s simStore) Sync(ctx context.Context, names ...string) error {
	if s.d.w.mutant == "head before files" { // made durable some time after the commit
		go func() {
			if s.p.wait(context.Background(), time.Second) == nil {
				_ = s.sync(names)
			}
		}()
		return nil
	}
	if err := s.reach(ctx, "sync", names[0]); err != nil {
		return err
	}
	return s.sync(names)
}

func (s simStore) sync(names []string) error {
	s.d.mu.Lock()
	defer s.d.mu.Unlock()
	for _, name := range names {
		f := s.d.files[name]
		if f == nil {
			return &fs.PathError{Op: "sync", Path: name, Err: fs.ErrNotExist}
		}
		f.synced = true
	}
	return nil
}

func (s simStore) URI(name string) string         { return "mem:///" + name }
func (s simStore) Name(uri string) (string, bool) { return strings.CutPrefix(uri, "mem:///") }
