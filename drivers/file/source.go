package file

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/adp-host/adp/drivers"
)

// Scheme begins the addresses of the driver: file:PATH, the path absolute.
const Scheme = "file"

// pathOf reads file:PATH. file:///PATH is the same, as a URL writes it.
func pathOf(uri string) (string, error) {
	rest, ok := strings.CutPrefix(uri, Scheme+":")
	if ok && strings.HasPrefix(rest, "//") {
		u, err := url.Parse(uri)
		if ok = err == nil && (u.Host == "" || u.Host == "localhost"); ok {
			rest = u.Path
		}
	}
	p := filepath.FromSlash(rest)
	if !ok || !filepath.IsAbs(p) || strings.ContainsRune(p, 0) {
		return "", &drivers.Error{Kind: drivers.ErrRequest, Message: fmt.Sprintf("%q is not file: and an absolute path", uri)}
	}
	return filepath.Clean(p), nil
}

// source is a folder or a single file, with how it is to be read.
type source struct {
	path string
	opts options
}

// entry is a file of a source as it was listed.
type entry struct {
	name  string // slash separated, relative to the folder; the base name of a single file
	size  int64
	mtime int64 // nanoseconds since the epoch
}

func (e entry) sameAs(st fs.FileInfo) bool {
	return st.Size() == e.size && st.ModTime().UnixNano() == e.mtime
}

// skew is how far the clock of a file server may be ahead.
const skew = 5 * time.Second

// quietAt is when the file will have rested for the window. A time further in the future than clocks are apart was set
// by hand and says nothing.
func (e entry) quietAt(window time.Duration, now time.Time) time.Time {
	m := time.Unix(0, e.mtime)
	if m.After(now.Add(skew)) {
		return now
	}
	return m.Add(window)
}

func (d *Driver) source(uri string, o map[string]string, schema *arrow.Schema) (*source, error) {
	p, err := pathOf(uri)
	if err != nil {
		return nil, err
	}
	s := &source{path: p}
	if s.opts, err = parseOptions(o, d.cfg.Quiet, schema); err != nil {
		return nil, err
	}
	return s, s.opts.check()
}

// listing is what a source holds at one moment. Files are opened through root: a symbolic link in the folder cannot
// lead out of it.
type listing struct {
	root    *os.Root
	target  string  // of a single file: its name in root, where links have led; "" for a folder
	entries []entry // by name
	unknown string  // the first file that no format claims
}

func (l *listing) close() error { return l.root.Close() }

// list looks at the source. A file that is named itself is taken whatever its name is; in a folder hidden and
// temporary files, and those that no format claims, are left out.
func (s *source) list(ctx context.Context) (*listing, error) {
	st, err := os.Stat(s.path)
	if err != nil {
		return nil, unavailable(s.path, err)
	}
	dir, target := s.path, ""
	if !st.IsDir() { // who names a link means what it leads to
		real, err := filepath.EvalSymlinks(s.path)
		if err != nil {
			return nil, unavailable(s.path, err)
		}
		dir, target = filepath.Split(real)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, unavailable(s.path, err)
	}
	l := &listing{root: root, target: target}
	if target != "" {
		err = l.addSingle(s, st)
	} else {
		err = l.addFolder(ctx, s, ".")
	}
	if err == nil && len(l.entries) == 0 && l.unknown != "" {
		err = &drivers.Error{Kind: drivers.ErrFormat, Origin: l.unknown, Message: "its name does not tell its format, nor does any other file's here",
			Hint: "set the option format to csv, ndjson or parquet"}
	}
	if err != nil {
		_ = l.close()
		return nil, err
	}
	slices.SortFunc(l.entries, func(a, b entry) int { return strings.Compare(a.name, b.name) })
	return l, nil
}

func (l *listing) addSingle(s *source, st fs.FileInfo) error {
	name := filepath.Base(s.path)
	if !st.Mode().IsRegular() {
		return &drivers.Error{Kind: drivers.ErrUnavailable, Origin: s.path, Message: "is neither a file nor a folder"}
	}
	if s.opts.formatOf(name).kind == "" {
		l.unknown = name
		return nil
	}
	l.entries = append(l.entries, entry{name, st.Size(), st.ModTime().UnixNano()})
	return nil
}

func (l *listing) addFolder(ctx context.Context, s *source, dir string) error {
	f, err := l.root.Open(filepath.FromSlash(dir))
	if err != nil {
		return unavailable(path.Join(s.path, dir), err)
	}
	found, err := f.ReadDir(-1)
	_ = f.Close()
	if err != nil {
		return unavailable(path.Join(s.path, dir), err)
	}
	for i, d := range found {
		if i&1023 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		if err := l.add(ctx, s, path.Join(dir, d.Name()), d); err != nil {
			return err
		}
	}
	return nil
}

func (l *listing) add(ctx context.Context, s *source, name string, d fs.DirEntry) error {
	if ignored(d.Name()) {
		return nil
	}
	if d.IsDir() {
		if s.opts.recursive {
			return l.addFolder(ctx, s, name)
		}
		return nil
	}
	if s.opts.files != "" {
		if ok, _ := path.Match(s.opts.files, d.Name()); !ok {
			return nil
		}
	}
	if s.opts.formatOf(name).kind == "" {
		if l.unknown == "" && d.Type().IsRegular() {
			l.unknown = name
		}
		return nil
	}
	st, err := d.Info()
	if d.Type()&fs.ModeSymlink != 0 {
		if st, err = l.root.Stat(filepath.FromSlash(name)); err != nil {
			return &drivers.Error{Kind: drivers.ErrUnavailable, Origin: name, Err: reasonOf(err),
				Message: "is a symbolic link to nothing, or out of its folder"}
		}
	}
	switch {
	case errors.Is(err, fs.ErrNotExist): // removed since the folder was read
		return nil
	case err != nil:
		return unavailable(name, err)
	case st.Mode().IsRegular():
		l.entries = append(l.entries, entry{name, st.Size(), st.ModTime().UnixNano()})
	}
	return nil
}

// ignored reports names that writers use for files which are not meant to be read yet, or ever.
func ignored(name string) bool {
	switch name[0] {
	case '.', '_', '~':
		return true
	}
	for _, suffix := range []string{"~", ".tmp", ".temp", ".part", ".partial", ".crdownload", ".swp", ".filepart"} {
		if strings.HasSuffix(strings.ToLower(name), suffix) {
			return true
		}
	}
	return false
}

// inRoot is where a file lies below root.
func (l *listing) inRoot(name string) string {
	if l.target != "" {
		return l.target
	}
	return filepath.FromSlash(name)
}

// open opens a file that was listed. One that has vanished since makes the read fail, to be tried again.
func (l *listing) open(name string) (*os.File, error) {
	f, err := l.root.Open(l.inRoot(name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, moving(name)
	}
	if err != nil {
		return nil, unavailable(name, err)
	}
	return f, nil
}

// moved reports whether a file is not what was listed any more. A file that has been removed has not moved.
func (l *listing) moved(e entry) bool {
	st, err := l.root.Stat(l.inRoot(e.name))
	return err == nil && !e.sameAs(st)
}

// reasonOf is an error without the path, which stands before it already.
func reasonOf(err error) error {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		return pe.Err
	}
	return err
}

func unavailable(origin string, err error) error {
	err = reasonOf(err)
	message, hint := "cannot be read", ""
	switch {
	case errors.Is(err, fs.ErrNotExist):
		message = "does not exist"
	case errors.Is(err, fs.ErrPermission):
		message, hint = "may not be read", "give the user that runs adp the right to read it"
	}
	return &drivers.Error{Kind: drivers.ErrUnavailable, Origin: origin, Message: message, Hint: hint, Err: err}
}

func moving(name string) error {
	return &drivers.Error{Kind: drivers.ErrMoving, Origin: name, Message: "changed while it was read",
		Hint: "it will be read once it rests; writers should write under another name and rename"}
}
