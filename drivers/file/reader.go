package file

import (
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/adp-host/adp/drivers"
)

// restTries bounds how long Open waits for a snapshot that is being written, in windows.
const restTries = 20

// ahead is how many batches are read before they are asked for.
const ahead = 2

// Open begins a read of what is there now. A snapshot whose files do not rest yet is waited for; new files of an
// incremental source that do not rest are left for the next read.
func (d *Driver) Open(ctx context.Context, r drivers.Request) (drivers.Reader, error) {
	if r.Schema == nil {
		return nil, &drivers.Error{Kind: drivers.ErrRequest, Message: "no schema"}
	}
	s, err := d.source(r.URI, r.Options, r.Schema)
	if err != nil {
		return nil, err
	}
	c, err := parseCursor(r.Cursor, r.Mode)
	if err != nil {
		return nil, err
	}
	var l *listing
	var todo []entry
	switch r.Mode {
	case drivers.Snapshot:
		if l, err = d.restingListing(ctx, s); err == nil {
			todo = l.entries
		}
	case drivers.Incremental:
		if l, err = s.list(ctx); err == nil {
			if todo, err = d.unread(ctx, s, l, c); err != nil {
				_ = l.close()
			}
		}
	default:
		err = &drivers.Error{Kind: drivers.ErrRequest, Message: fmt.Sprintf("there is no mode %q", r.Mode)}
	}
	if err != nil {
		return nil, err
	}
	return d.newReader(ctx, s, l, r, c, todo), nil
}

// restingListing lists the source once all its files rest.
func (d *Driver) restingListing(ctx context.Context, s *source) (*listing, error) {
	for range restTries {
		l, err := s.list(ctx)
		if err != nil {
			return nil, err
		}
		at := restsAt(s, l)
		if at.IsZero() {
			return l, nil
		}
		_ = l.close()
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(time.Until(at) + time.Millisecond):
		}
	}
	return nil, moving(s.path)
}

// reader delivers files one after another. A goroutine reads ahead, so that parsing goes on while the receiver works.
type reader struct {
	d      *Driver
	s      *source
	l      *listing
	req    drivers.Request
	start  cursor
	todo   []entry
	cancel context.CancelFunc
	out    chan result

	delivered int // batches of the file that is being read

	position json.RawMessage
	err      error // what Next returned last
}

type result struct {
	batch drivers.Batch
	err   error // io.EOF: position is complete
	at    json.RawMessage
}

func (d *Driver) newReader(ctx context.Context, s *source, l *listing, req drivers.Request, c cursor, todo []entry) *reader {
	ctx, cancel := context.WithCancel(ctx)
	r := &reader{d: d, s: s, l: l, req: req, start: c, todo: todo, cancel: cancel,
		out: make(chan result, ahead), position: req.Cursor}
	if len(r.position) == 0 {
		r.position = c.json()
	}
	go r.run(ctx)
	return r
}

// Next returns the next batch. After an error it returns that error again.
func (r *reader) Next(ctx context.Context) (drivers.Batch, error) {
	if r.err != nil {
		return drivers.Batch{}, r.err
	}
	select {
	case <-ctx.Done():
		return drivers.Batch{}, ctx.Err()
	case x, ok := <-r.out:
		if !ok {
			x.err = context.Canceled
		}
		if x.err == nil {
			return x.batch, nil
		}
		if r.err = x.err; x.err == io.EOF {
			r.position = x.at
		}
		return drivers.Batch{}, r.err
	}
}

// Cursor is where the read began until Next has returned io.EOF, and then where it ended: files count as a whole.
func (r *reader) Cursor() json.RawMessage { return r.position }

// Close stops reading ahead and waits for it. It is safe to call it twice.
func (r *reader) Close() error {
	r.cancel()
	for x := range r.out {
		if x.batch.Record != nil {
			x.batch.Record.Release()
		}
	}
	return nil
}

func (r *reader) run(ctx context.Context) {
	defer close(r.out)
	defer r.l.close()
	records, err := r.files(ctx)
	if err != nil {
		r.send(ctx, result{err: err})
		return
	}
	at, err := r.finish(ctx, records)
	if err == nil {
		err = io.EOF
	}
	r.send(ctx, result{err: err, at: at})
}

// files delivers all files. Of an incremental source one that cannot be read is set aside, so that it does not keep the
// others waiting; unless none can be read, which is the source's failure and no file's.
func (r *reader) files(ctx context.Context) ([]record, error) {
	records := make([]record, 0, len(r.todo))
	var unfit []*drivers.Error
	for _, e := range r.todo {
		hash, err := r.file(ctx, e)
		if err == nil {
			records = append(records, record{e, hash})
			continue
		}
		err = inFile(e.name, err)
		why := r.unfit(e, err)
		if why == nil {
			return nil, err
		}
		unfit = append(unfit, why)
		records = append(records, record{e, setAside})
	}
	if len(unfit) > 0 && len(unfit) == len(records) {
		return nil, unfit[0]
	}
	for _, why := range unfit {
		if !r.send(ctx, result{batch: wholeFile(r.req.Schema, r.d.cfg.Allocator, why)}) {
			return nil, ctx.Err()
		}
	}
	return records, nil
}

// send reports whether the receiver still listens.
func (r *reader) send(ctx context.Context, x result) bool {
	select {
	case r.out <- x:
		return true
	case <-ctx.Done():
		if x.batch.Record != nil {
			x.batch.Record.Release()
		}
		return false
	}
}

// file delivers one file and returns the hash of its bytes.
func (r *reader) file(ctx context.Context, e entry) (hash contentHash, err error) {
	r.delivered = 0
	if why := r.d.damaged.get(r.l.root.Name(), e); why != nil && r.req.Mode == drivers.Incremental {
		return hash, why
	}
	f, err := r.l.open(e.name)
	if err != nil {
		return hash, err
	}
	defer f.Close()
	if st, err := f.Stat(); err != nil || !e.sameAs(st) {
		return hash, moving(e.name)
	}
	hash, hashErr, err := r.content(ctx, f, e)
	if st, serr := f.Stat(); serr != nil || !e.sameAs(st) || r.l.moved(e) {
		// Whatever was read or went wrong: it was not one version of the file.
		return hash, moving(e.name)
	}
	if err == nil && hashErr == io.ErrUnexpectedEOF {
		return hash, moving(e.name)
	}
	if err == nil {
		err = hashErr
	}
	if err == nil {
		r.d.hashes.put(r.l.root.Name(), e, hash)
	}
	return hash, err
}

// content delivers the rows of a file and hashes its bytes: those of text as they pass, those of Parquet, which is
// read in pieces, beside the reading.
func (r *reader) content(ctx context.Context, f *os.File, e entry) (hash contentHash, hashErr, err error) {
	if r.s.opts.formatOf(e.name).kind != FormatParquet {
		h := newHasher()
		if err = r.scan(ctx, f, io.TeeReader(f, h), e); h.n != e.size {
			hashErr = io.ErrUnexpectedEOF
		}
		return h.sum(), hashErr, err
	}
	hashing, stop := context.WithCancel(ctx)
	defer stop()
	sum := hashAside(hashing, f, e.size)
	if err = r.scan(ctx, f, nil, e); err != nil {
		stop()
	}
	hash, hashErr = sum()
	return hash, hashErr, err
}

// hashAside hashes a file while it is read by somebody else. The result must be waited for.
func hashAside(ctx context.Context, f *os.File, size int64) func() (contentHash, error) {
	type sum struct {
		h   contentHash
		err error
	}
	done := make(chan sum, 1)
	go func() {
		h, err := hashFile(ctx, f, size)
		done <- sum{h, err}
	}()
	return func() (contentHash, error) { s := <-done; return s.h, s.err }
}

func (r *reader) scan(ctx context.Context, f *os.File, text io.Reader, e entry) error {
	scan, err := openScan(f, text, e, r.req.Schema, &r.s.opts, r.d.cfg.Allocator)
	if err != nil {
		return err
	}
	defer scan.close()
	for {
		b, err := scan.next(ctx)
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		if !r.send(ctx, result{batch: b}) {
			return ctx.Err()
		}
		r.delivered++
	}
}

// openScan begins to read a file in its format: Parquet from f, text from the other. f stays the caller's.
func openScan(f *os.File, text io.Reader, e entry, schema *arrow.Schema, o *options, mem memory.Allocator) (fileScan, error) {
	format := o.formatOf(e.name)
	if format.kind == FormatParquet {
		if format.gzip {
			return nil, &drivers.Error{Kind: drivers.ErrFormat, Message: "Parquet is compressed within, not by gzip"}
		}
		return newParquetScan(f, e, schema, o, mem)
	}
	in, closer, err := openText(text, e, format)
	if err != nil {
		return nil, err
	}
	if format.kind == FormatCSV {
		s, err := newCSVScan(in, closer, e.name, format, schema, o)
		if err != nil {
			_ = closer.Close()
			return nil, err
		}
		return s, nil
	}
	return newNDJSONScan(in, closer, e.name, schema, o)
}

// openText is the text of a file without compression and mark.
func openText(src io.Reader, e entry, format fileFormat) (*input, io.Closer, error) {
	var closer io.Closer = io.NopCloser(nil)
	size := e.size
	if format.gzip {
		z, err := gzip.NewReader(src)
		if err != nil {
			return nil, nil, &drivers.Error{Kind: drivers.ErrFormat, Message: "is not gzip", Err: err}
		}
		src, closer, size = z, z, readSize
	}
	in := newInput(src, size)
	return in, closer, in.skipBOM()
}

// finish is the cursor after all files have been read.
func (r *reader) finish(ctx context.Context, records []record) (json.RawMessage, error) {
	if r.req.Mode == drivers.Incremental {
		if len(records) == 0 {
			return r.position, nil
		}
		c, err := r.d.ledger.extend(ctx, r.start, records)
		return c.json(), err
	}
	now, err := r.s.list(ctx)
	if err != nil {
		return nil, err
	}
	defer now.close()
	version := listingHash(r.todo)
	if listingHash(now.entries) != version {
		return nil, moving(r.s.path)
	}
	hashes := make([]contentHash, len(records))
	for i := range records {
		hashes[i] = records[i].hash
	}
	c := cursor{Version: cursorVersion, Files: int64(len(records)), Listing: version, Content: contentHashOf(r.todo, hashes)}
	return c.json(), nil
}

// inFile says which file an error is about.
func inFile(name string, err error) error {
	var e *drivers.Error
	switch {
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return err
	case errors.As(err, &e):
		if e.Origin == "" {
			e.Origin = name
		}
		return err
	case errors.Is(err, gzip.ErrChecksum), errors.Is(err, gzip.ErrHeader), errors.Is(err, io.ErrUnexpectedEOF):
		return &drivers.Error{Kind: drivers.ErrFormat, Origin: name, Message: "is damaged", Err: err}
	}
	return &drivers.Error{Kind: drivers.ErrUnavailable, Origin: name, Message: "cannot be read", Err: err}
}
