package run

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"hash"
	"io"
	"io/fs"
	"sync"
	"syscall"

	"github.com/adp-host/adp/drivers"
	"github.com/adp-host/adp/host"
)

// file is a new file of the store that is hashed while it is written.
type file struct {
	name string
	w    io.WriteCloser
	buf  *bufio.Writer
	sum  hash.Hash
	size int64
	rows int64 // counted by the writer's user
}

// createFile starts a file. Nothing is to be read from it before close.
func createFile(ctx context.Context, s drivers.Store, name string) (*file, error) {
	w, err := s.Create(ctx, name)
	if err != nil {
		return nil, storeError("create", err)
	}
	buf := buffers.Get().(*bufio.Writer)
	buf.Reset(w)
	return &file{name: name, w: w, buf: buf, sum: sha256.New()}, nil
}

// buffers are those of files that are closed: a run writes one or a few small ones.
var buffers = sync.Pool{New: func() any { return bufio.NewWriterSize(nil, 32<<10) }}

func (f *file) Write(b []byte) (int, error) {
	n, err := f.buf.Write(b)
	f.sum.Write(b[:n])
	f.size += int64(n)
	return n, storeError("write", err)
}

// close completes the file and names it. It fails when the file is closed, and does no harm then.
func (f *file) close() (host.FileRef, error) {
	var err error
	if f.buf != nil {
		err = f.buf.Flush()
		f.buf.Reset(nil)
		buffers.Put(f.buf)
		f.buf = nil
	}
	if err = errors.Join(err, f.w.Close()); err != nil {
		return host.FileRef{}, storeError("write", err)
	}
	return host.FileRef{Location: f.name, Hash: host.Digest("sha256:" + hex.EncodeToString(f.sum.Sum(nil))), Bytes: f.size, Rows: f.rows}, nil
}

// writeFile makes a file of these bytes.
func writeFile(ctx context.Context, s drivers.Store, name string, b []byte) (host.FileRef, error) {
	f, err := createFile(ctx, s, name)
	if err != nil {
		return host.FileRef{}, err
	}
	_, err = f.Write(b)
	ref, cerr := f.close()
	if err == nil {
		err = cerr
	}
	return ref, err
}

// storeError gives a failure of the store its code, R006, and says what can be done about it. Errors with a code of
// their own keep it, except that a full disk is always said as such.
func storeError(verb string, err error) error {
	var coded *host.Error
	full := errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
	switch {
	case err == nil || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded):
		return err
	case errors.As(err, &coded) && (!full || coded.Code == host.CodeRunStore):
		return err
	case full:
		return host.Errorf(host.CodeRunStore, "the disk is full: %w", err).
			WithHint("free some space; the last snapshot is intact, and the run is tried again")
	case errors.Is(err, fs.ErrPermission):
		return host.Errorf(host.CodeRunStore, "cannot %s a file of the store: %w", verb, err).
			WithHint("the node needs read and write permission on its data directory")
	}
	return host.Errorf(host.CodeRunStore, "cannot %s a file of the store: %w", verb, err)
}
