package table

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"strings"
	"sync"
	"syscall"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/arrow-go/v18/parquet/compress"
	"github.com/apache/arrow-go/v18/parquet/metadata"
	"github.com/apache/arrow-go/v18/parquet/pqarrow"

	"github.com/adp-host/adp/drivers"
	"github.com/adp-host/adp/host"
)

// digest is the sha256 of a file's bytes.
type digest [sha256.Size]byte

func (d digest) String() host.Digest { return host.Digest("sha256:" + hex.EncodeToString(d[:])) }

// written is a file that a stage has completed.
type written struct {
	name  string
	bytes int64
	rows  int64
	sum   digest
	meta  *metadata.FileMetaData // of Parquet files
}

func (w written) ref() host.FileRef {
	return host.FileRef{Location: w.name, Hash: w.sum.String(), Bytes: w.bytes, Rows: w.rows}
}

// storeError is a failed write as people see it.
func storeError(name string, err error) error {
	var coded *host.Error
	if err == nil || errors.As(err, &coded) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	e := host.Errorf(host.CodeRunStore, "cannot write %s: %w", name, err)
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return e.WithHint("the disk is full: free some space; the last published snapshot is intact")
	}
	return e
}

// sumWriter counts and hashes what it passes on.
type sumWriter struct {
	w   io.Writer
	sum hash.Hash
	n   int64
}

func (w *sumWriter) Write(p []byte) (int, error) {
	n, err := w.w.Write(p)
	w.sum.Write(p[:n])
	w.n += int64(n)
	return n, err
}

func (w *sumWriter) digest() (d digest) {
	w.sum.Sum(d[:0])
	return d
}

// writeFile stores bytes under a new name.
func writeFile(ctx context.Context, store drivers.Store, name string, b []byte) (written, error) {
	w, err := store.Create(ctx, name)
	if err != nil {
		return written{}, storeError(name, err)
	}
	_, err = w.Write(b)
	if cerr := w.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return written{}, storeError(name, err)
	}
	return written{name: name, bytes: int64(len(b)), sum: sha256.Sum256(b)}, nil
}

// parquetFile encodes row groups into one file of the store.
type parquetFile struct {
	name string
	raw  io.WriteCloser
	out  *sumWriter
	pq   *pqarrow.FileWriter
	rows int64
}

func createParquet(ctx context.Context, store drivers.Store, mem memory.Allocator, name string, schema *arrow.Schema, sample arrow.Table) (f *parquetFile, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("encoding %s: %v", name, r)
		}
	}()
	raw, err := store.Create(ctx, name)
	if err != nil {
		return nil, storeError(name, err)
	}
	f = &parquetFile{name: name, raw: raw, out: &sumWriter{w: raw, sum: sha256.New()}}
	f.pq, err = pqarrow.NewFileWriter(schema, f.out, writerProperties(mem, sample), pqarrow.NewArrowWriterProperties(pqarrow.WithAllocator(mem)))
	if err != nil {
		_ = raw.Close()
		return nil, storeError(name, err)
	}
	return f, nil
}

// writerProperties are measured: see RATIONALE.md. Decimals of up to 18 digits are integers, as the Iceberg
// specification wants them.
func writerProperties(mem memory.Allocator, sample arrow.Table) *parquet.WriterProperties {
	props := []parquet.WriterProperty{
		parquet.WithAllocator(mem),
		parquet.WithCreatedBy("adp"),
		parquet.WithDataPageSize(64 << 10), // with the page index, single rows are found without decoding the row group
		parquet.WithPageIndexEnabled(true),
		parquet.WithCompression(compress.Codecs.Snappy),
		parquet.WithStoreDecimalAsInteger(true),
		parquet.WithMaxRowGroupLength(1 << 30), // the writer cuts,
		parquet.WithBatchSize(4096),
		parquet.WithDictionaryDefault(true), // of nested leaves: the writer gives up by itself when a dictionary grows
	}
	for i := range int(sample.NumCols()) {
		c := sample.Column(i)
		if !nested(c.DataType()) {
			props = append(props, parquet.WithDictionaryPath(parquet.ColumnPath{c.Name()}, repeats(c.Data())))
		}
	}
	return parquet.NewWriterProperties(props...)
}

func nested(t arrow.DataType) bool {
	_, ok := t.(arrow.NestedType)
	return ok
}

// writeGroup encodes rows as one row group.
func (f *parquetFile) writeGroup(rows arrow.Table) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("encoding %s: %v", f.name, r)
		}
	}()
	if err := f.pq.WriteTable(rows, rows.NumRows()); err != nil {
		return storeError(f.name, err)
	}
	f.rows += rows.NumRows()
	return nil
}

// finish completes the file.
func (f *parquetFile) finish() (w written, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("encoding %s: %v", f.name, r)
		}
	}()
	err = f.pq.Close()
	if cerr := f.raw.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return written{}, storeError(f.name, err)
	}
	meta, err := f.pq.FileMetadata()
	if err != nil {
		return written{}, fmt.Errorf("footer of %s: %w", f.name, err)
	}
	return written{name: f.name, bytes: f.out.n, rows: f.rows, sum: f.out.digest(), meta: meta}, nil
}

// abandon closes the file without completing it. The encoder lets go of its memory only when it believes to have.
func (f *parquetFile) abandon() {
	_ = f.raw.Close()
	f.out.w = io.Discard
	defer func() { _ = recover() }()
	_ = f.pq.Close()
}

// rowWriter writes rows to one or more Parquet files. It collects row groups and encodes them in a goroutine of its own
// while the next are collected; a writer that never fills a row group has none. How rows are cut into row groups and
// files depends on the rows alone, not on how they arrive. It is used by one goroutine.
type rowWriter struct {
	store  drivers.Store
	mem    memory.Allocator
	sizes  *sizes
	schema *arrow.Schema
	name   func() string // of the next file

	group []arrow.RecordBatch
	fill  int64 // rows in group
	rows  int64 // in all

	ctx    context.Context
	cancel context.CancelFunc
	jobs   chan []arrow.RecordBatch
	done   chan struct{}

	mu    sync.Mutex // guards err; file and files belong to the encoder until it is done
	err   error
	file  *parquetFile
	files []written
}

func (t *Tables) newRowWriter(ctx context.Context, store drivers.Store, schema *arrow.Schema, name func() string) *rowWriter {
	w := &rowWriter{store: store, mem: t.opts.Allocator, sizes: &t.sizes, schema: schema, name: name}
	w.ctx, w.cancel = context.WithCancel(context.WithoutCancel(ctx))
	return w
}

// add takes rows in the writer's schema; rec stays the caller's.
func (w *rowWriter) add(rec arrow.RecordBatch) error {
	for at := int64(0); at < rec.NumRows(); {
		n := min(rec.NumRows()-at, w.sizes.rowGroupRows-w.fill)
		w.group = append(w.group, rec.NewSlice(at, at+n))
		w.fill += n
		w.rows += n
		at += n
		if w.fill == w.sizes.rowGroupRows {
			if err := w.submit(); err != nil {
				return err
			}
		}
	}
	return nil
}

func (w *rowWriter) submit() error {
	if w.jobs == nil {
		w.jobs, w.done = make(chan []arrow.RecordBatch, 1), make(chan struct{})
		go w.encoder()
	}
	w.jobs <- w.group // the encoder drains even after an error
	w.group, w.fill = nil, 0
	return w.failed()
}

func (w *rowWriter) failed() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.err
}

func (w *rowWriter) encoder() {
	defer close(w.done)
	for group := range w.jobs {
		if w.failed() == nil {
			if err := w.encode(group); err != nil {
				w.mu.Lock()
				w.err = err
				w.mu.Unlock()
			}
		}
		release(group)
	}
}

func release[T interface{ Release() }](all []T) {
	for _, r := range all {
		r.Release()
	}
}

// encode writes one row group, into a new file when there is none or the last one is full.
func (w *rowWriter) encode(group []arrow.RecordBatch) error {
	if err := w.ctx.Err(); err != nil {
		return err
	}
	rows := array.NewTableFromRecords(w.schema, group)
	defer rows.Release()
	if w.file == nil {
		f, err := createParquet(w.ctx, w.store, w.mem, w.name(), w.schema, rows)
		if err != nil {
			return err
		}
		w.file = f
	}
	if err := w.file.writeGroup(rows); err != nil {
		return err
	}
	if w.file.out.n >= w.sizes.fileBytes {
		return w.finishFile()
	}
	return nil
}

func (w *rowWriter) finishFile() error {
	f, err := w.file.finish()
	if err == nil {
		w.file = nil
		w.files = append(w.files, f)
	}
	return err
}

// close completes the files and lists them, in the order of their rows. No rows make no file.
func (w *rowWriter) close() ([]written, error) {
	w.join()
	defer w.cancel()
	defer func() { release(w.group); w.group = nil }()
	if w.err == nil && len(w.group) > 0 {
		w.err = w.encode(w.group)
	}
	if w.err == nil && w.file != nil {
		w.err = w.finishFile()
	}
	w.drop() // none is left but after an error
	if w.err != nil {
		return nil, w.err
	}
	return w.files, nil
}

func (w *rowWriter) join() {
	if w.jobs != nil {
		close(w.jobs)
		<-w.done
		w.jobs = nil
	}
}

// abort ends the writer; its files stay, for the stage to remove.
func (w *rowWriter) abort() {
	w.cancel()
	w.join()
	release(w.group)
	w.group = nil
	w.drop()
}

func (w *rowWriter) drop() {
	if w.file != nil {
		w.file.abandon()
		w.file = nil
	}
}

// parseDigest reads the form of host.Digest.
func parseDigest(h host.Digest) (d digest, err error) {
	text, ok := strings.CutPrefix(string(h), "sha256:")
	if ok && hex.DecodedLen(len(text)) == len(d) {
		if _, err = hex.Decode(d[:], []byte(text)); err == nil {
			return d, nil
		}
	}
	return d, fmt.Errorf("%q is not a sha256 digest", h)
}
