package file

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/adp-host/adp/drivers"
	"github.com/adp-host/adp/host/failpoint"
)

// What a sink writes is for other programs to read, unlike the files of a store.
const (
	sinkFileMode = 0o644
	sinkDirMode  = 0o755
)

// Deliver writes an effect as one file of the folder that the URI names; the folder is made when missing. The file's
// name tells product, commit and ordinal, so files sort as they were written, and the same effect is the same file. It
// appears under its name complete and durable.
//
// Beside the effects the folder holds, for each product, a hidden file with the newest epoch and key, and a lock. One
// option is known: format, ndjson (the default), csv or parquet.
func (d *Driver) Deliver(ctx context.Context, dl drivers.Delivery) error {
	format, err := sinkFormat(dl.Options)
	if err != nil {
		return err
	}
	dir, err := pathOf(dl.URI)
	if err != nil {
		return err
	}
	if k := dl.Key; k.Product == "" || k.Seq < 1 || k.Ordinal < 1 || dl.Record == nil {
		return badOption("an effect needs a product, a commit and an ordinal from 1, and a record; it has %q, %d, %d", k.Product, k.Seq, k.Ordinal)
	}
	t, err := d.openTarget(ctx, dir, dl.Key.Product)
	if err != nil {
		return sinkError(dir, err)
	}
	defer t.close()
	return sinkError(dir, t.deliver(dl, format))
}

// sinkFormat reads the options of a target.
func sinkFormat(o map[string]string) (string, error) {
	format := FormatNDJSON
	for key, value := range o {
		if key != OptionFormat {
			return "", badOption("there is no option %q for a folder that is written to; the option is %s", key, OptionFormat)
		}
		switch format = strings.ToLower(value); format {
		case FormatCSV, FormatNDJSON, FormatParquet:
		default:
			return "", badOption("option %s: %q is not csv, ndjson or parquet", key, value)
		}
	}
	return format, nil
}

// target is a folder that one product delivers to, locked.
type target struct {
	root    *os.Root
	product string
	stem    string // of the product's file names
	lock    *os.File
	fail    func(op, name string) error // see Driver.fail
}

// openTarget waits until no other delivery of the product to the folder is under way.
func (d *Driver) openTarget(ctx context.Context, dir, product string) (*target, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	t := &target{product: product, stem: fileStem(product), fail: d.fail}
	if st, err := os.Stat(dir); err == nil && !st.IsDir() {
		return nil, &drivers.Error{Kind: drivers.ErrRequest, Origin: dir, Message: "is not a folder", Hint: "effects are files of their own: name a folder"}
	}
	if err := t.at("mkdir", dir, func() error { return makeDurable(dir, sinkDirMode) }); err != nil {
		return nil, err
	}
	var err error
	if t.root, err = os.OpenRoot(dir); err != nil {
		return nil, err
	}
	err = t.at("lock", dir, func() error { return t.acquire(ctx) })
	if err != nil {
		t.close()
		return nil, err
	}
	return t, nil
}

func (t *target) acquire(ctx context.Context) (err error) {
	if t.lock, err = t.root.OpenFile("."+t.stem+".lock", os.O_RDWR|os.O_CREATE, sinkFileMode); err != nil {
		return err
	}
	return waitLock(ctx, t.lock)
}

// close gives the lock back, as the end of the process would.
func (t *target) close() {
	if t.lock != nil {
		_ = t.lock.Close()
	}
	if t.root != nil {
		_ = t.root.Close()
	}
}

// at makes a call to the system, unless a test has it fail.
func (t *target) at(op, name string, call func() error) error {
	if t.fail != nil {
		if err := t.fail(op, name); err != nil {
			return &fs.PathError{Op: op, Path: name, Err: err}
		}
	}
	return call()
}

// deliver fences, then writes the effect, then remembers its key: in this order, each durable before the next. What a
// crash leaves undone is done by the repetition.
func (t *target) deliver(dl drivers.Delivery, format string) error {
	m, err := t.mark()
	if err != nil {
		return err
	}
	switch {
	case dl.Epoch < m.Epoch:
		return fmt.Errorf("epoch %d of %s: epoch %d has delivered here: %w", dl.Epoch, t.product, m.Epoch, drivers.ErrFenced)
	case dl.Epoch > m.Epoch:
		m.Epoch = dl.Epoch
		if err := t.setMark(m); err != nil {
			return err
		}
		if err := t.syncFolder(); err != nil { // before anything of this epoch is written
			return err
		}
		failpoint.Hit("sink.after-fence")
	}
	if dl.Key.Compare(m.key(t.product)) <= 0 {
		return nil
	}
	if err := t.write(dl, format); err != nil {
		return err
	}
	failpoint.Hit("sink.after-folder-sync")
	m.Seq, m.Ordinal = dl.Key.Seq, dl.Key.Ordinal
	err = t.setMark(m) // its loss is harmless while the file is there
	failpoint.Hit("sink.after-mark")
	return err
}

// write makes the effect's file, unless it is there already: then a process died before it remembered the key.
func (t *target) write(dl drivers.Delivery, format string) error {
	there, err := t.holds(dl.Key)
	if err == nil && !there {
		err = t.replace(effectName(t.stem, dl.Key, format), func(w *bufio.Writer) error { return encode(w, dl.Record, format) })
	}
	if err != nil {
		return err
	}
	return t.syncFolder() // also of a file that was found: it may have been renamed a moment before a crash
}

// holds reports whether the effect is there, in whatever format: the option may have changed since.
func (t *target) holds(k drivers.Key) (bool, error) {
	for _, format := range []string{FormatNDJSON, FormatCSV, FormatParquet} {
		if _, err := t.root.Lstat(effectName(t.stem, k, format)); !errors.Is(err, fs.ErrNotExist) {
			return err == nil, err
		}
	}
	return false, nil
}

// replace writes a file beside its name, makes it durable and renames it. The name of the draft is always the same, so
// that a crash leaves at most one behind, which the next attempt overwrites.
func (t *target) replace(name string, content func(*bufio.Writer) error) error {
	draft := "." + strings.TrimPrefix(name, ".") + ".part"
	err := t.draft(draft, content)
	if err == nil {
		failpoint.Hit("sink.after-draft")
		err = t.at("rename", name, func() error { return t.root.Rename(draft, name) })
		failpoint.Hit("sink.after-rename")
	}
	if err != nil {
		_ = t.at("remove", draft, func() error { return t.root.Remove(draft) })
	}
	return err
}

func (t *target) draft(name string, content func(*bufio.Writer) error) error {
	var f *os.File
	err := t.at("create", name, func() (err error) {
		f, err = t.root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, sinkFileMode)
		return err
	})
	if err != nil {
		return err
	}
	w := bufio.NewWriterSize(labelled{t, name, f}, writeBuffer)
	err = content(w)
	if err == nil {
		err = w.Flush()
	}
	if err == nil {
		err = t.at("sync", name, f.Sync)
	}
	return errors.Join(err, f.Close())
}

// labelled is a file whose writes a test can fail.
type labelled struct {
	t    *target
	name string
	f    *os.File
}

func (l labelled) Write(b []byte) (n int, err error) {
	err = l.t.at("write", l.name, func() error { n, err = l.f.Write(b); return err })
	return n, err
}

func (t *target) syncFolder() error {
	return t.at("sync folder", t.root.Name(), func() error {
		f, err := t.root.Open(".")
		if err != nil {
			return err
		}
		return errors.Join(syncDir(f), f.Close())
	})
}

// sinkError says where a delivery failed.
func sinkError(dir string, err error) error {
	var said *drivers.Error
	switch {
	case err == nil, errors.As(err, &said), errors.Is(err, drivers.ErrFenced), errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return err
	}
	e := &drivers.Error{Kind: drivers.ErrUnavailable, Origin: filepath.ToSlash(dir), Message: "cannot be written to", Err: err}
	if errors.Is(err, fs.ErrPermission) {
		e.Hint = "the node needs permission to write there"
	}
	return e
}
