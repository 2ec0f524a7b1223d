//go:build cgo && duckdb_arrow

package duckdb

// #include <stdlib.h>
import "C"

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
	"unsafe"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/cdata"
	mapping "github.com/duckdb/duckdb-go-bindings"

	"github.com/adp-host/adp/drivers"
)

// instance is one locked database in memory, with one connection.
type instance struct {
	db     mapping.Database
	conn   mapping.Connection
	opened bool
}

// lockdown is set in this order: each of the last two makes those before it final.
func lockdown(memory int64, threads int, files []string) []string {
	var paths []string
	for _, f := range files {
		paths = append(paths, literal(f))
	}
	all := []string{
		"SET autoinstall_known_extensions = false",
		"SET autoload_known_extensions = false",
		"SET allow_community_extensions = false",
		"SET allow_unsigned_extensions = false",
		"SET allow_persistent_secrets = false",
		fmt.Sprintf("SET memory_limit = '%dB'", memory),
		fmt.Sprintf("SET threads = %d", threads),
		"SET temp_directory = ''",
		"SET TimeZone = 'UTC'",
		"SET errors_as_json = true",
		"SET allowed_paths = [" + strings.Join(paths, ", ") + "]",
		"SET allowed_directories = []",
	}
	if len(files) == 0 {
		all = append(all, "SET disabled_filesystems = 'LocalFileSystem'")
	}
	return append(all, "SET enable_external_access = false", "SET lock_configuration = true")
}

// raised is what DuckDB says that went wrong.
type raised struct{ text string }

func (r raised) Error() string { return r.text }

// open makes a database that can read these files, absolute paths, and nothing else that lies outside of it.
func open(ctx context.Context, memory int64, threads int, files ...string) (in *instance, err error) {
	in = &instance{}
	var said string
	if mapping.OpenExt(":memory:", &in.db, mapping.Config{}, &said) == mapping.StateError {
		return in, raised{said}
	}
	if mapping.Connect(in.db, &in.conn) == mapping.StateError {
		mapping.Close(&in.db)
		return in, errors.New("DuckDB takes no connection")
	}
	in.opened = true
	for _, s := range lockdown(memory, threads, files) {
		if err := in.exec(ctx, s); err != nil {
			return in, errors.Join(fmt.Errorf("locking DuckDB down: %s: %w", s, err), in.close())
		}
	}
	return in, nil
}

func (in *instance) close() error {
	if in.opened {
		in.opened = false
		mapping.Disconnect(&in.conn)
		mapping.Close(&in.db)
	}
	return nil
}

// again is how often a statement is told to end until it does: one that has not begun yet does not hear it.
const again = 10 * time.Millisecond

// until runs a part of a statement, which ends soon after ctx does.
func (in *instance) until(ctx context.Context, do func() error) error {
	if ctx.Done() == nil {
		return do()
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	done, over := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(over)
		select {
		case <-ctx.Done():
		case <-done:
			return
		}
		for {
			mapping.Interrupt(in.conn)
			select {
			case <-time.After(again):
			case <-done:
				return
			}
		}
	}()
	err := do()
	close(done)
	<-over
	return err
}

func (in *instance) exec(ctx context.Context, statement string) error {
	return in.until(ctx, func() error {
		var res mapping.Result
		defer mapping.DestroyResult(&res)
		if mapping.Query(in.conn, statement, &res) == mapping.StateError {
			return raised{mapping.ResultError(&res)}
		}
		return nil
	})
}

// texts are the rows of a query whose columns are all text.
func (in *instance) texts(ctx context.Context, query string, arguments ...string) (all [][]string, err error) {
	rows, err := in.query(ctx, query, arguments...)
	if err != nil {
		return nil, err
	}
	defer rows.close()
	for {
		batches, err := rows.next(ctx, 1)
		if len(batches) == 0 || err != nil {
			return all, err
		}
		rec := batches[0]
		for i := range int(rec.NumRows()) {
			row := make([]string, rec.NumCols())
			for j := range row {
				if c := rec.Column(j).(*array.String); c.IsValid(i) { // null is ""
					row[j] = strings.Clone(c.Value(i))
				}
			}
			all = append(all, row)
		}
		rec.Release()
	}
}

// stream is the rows of a statement, computed as they are read.
type stream struct {
	in       *instance
	prepared mapping.PreparedStatement
	pending  mapping.PendingResult
	res      mapping.Result
	options  mapping.ArrowOptions
	schema   *arrow.Schema
	over     bool
}

// query begins a statement, whose rows are closed before the next one.
func (in *instance) query(ctx context.Context, text string, arguments ...string) (*stream, error) {
	s := &stream{in: in}
	err := in.until(ctx, func() error { return s.begin(text, arguments) })
	if err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

func (s *stream) begin(text string, arguments []string) error {
	if mapping.Prepare(s.in.conn, text, &s.prepared) == mapping.StateError {
		return raised{mapping.PrepareError(s.prepared)}
	}
	for i, a := range arguments {
		if mapping.BindVarcharLength(s.prepared, mapping.IdxT(i+1), a, mapping.IdxT(len(a))) == mapping.StateError {
			return raised{mapping.PrepareError(s.prepared)}
		}
	}
	if mapping.PendingPreparedStreaming(s.prepared, &s.pending) == mapping.StateError {
		return raised{mapping.PendingError(s.pending)}
	}
	if mapping.ExecutePending(s.pending, &s.res) == mapping.StateError {
		return raised{mapping.ResultError(&s.res)}
	}
	s.options = mapping.ResultGetArrowOptions(&s.res)
	var names []string
	var types []mapping.LogicalType
	for i := range mapping.ColumnCount(&s.res) {
		names = append(names, mapping.ColumnName(&s.res, i))
		types = append(types, mapping.ColumnLogicalType(&s.res, i))
	}
	defer func() {
		for i := range types {
			mapping.DestroyLogicalType(&types[i])
		}
	}()
	schema, failed := mapping.NewArrowSchema(s.options, types, names)
	s.schema = schema
	return failedWith(failed)
}

// next gives the next rows, at least so many unless they end, in as many batches as DuckDB makes of them; none at the end. The
// receiver releases them.
func (s *stream) next(ctx context.Context, least int64) (all []arrow.RecordBatch, err error) {
	err = s.in.until(ctx, func() error {
		for rows := int64(0); rows < least && !s.over; {
			rec, err := s.chunk()
			if err != nil {
				return err
			}
			if rec != nil {
				all, rows = append(all, rec), rows+rec.NumRows()
			}
		}
		return nil
	})
	if err != nil {
		release(all)
		all = nil
	}
	return all, err
}

// chunk is what DuckDB makes at a time, nil when it is over.
func (s *stream) chunk() (arrow.RecordBatch, error) {
	chunk := mapping.FetchChunk(s.res)
	if chunk.Ptr == nil { // the end, or an error
		s.over = true
		if said := mapping.ResultError(&s.res); said != "" {
			return nil, raised{said}
		}
		return nil, nil
	}
	defer mapping.DestroyDataChunk(&chunk)
	if s.over = mapping.DataChunkGetSize(chunk) == 0; s.over {
		return nil, nil
	}
	rec, failed := mapping.DataChunkToArrowArray(s.options, s.schema, chunk)
	return rec, failedWith(failed)
}

func release(all []arrow.RecordBatch) {
	for _, rec := range all {
		rec.Release()
	}
}

func (s *stream) close() {
	mapping.DestroyArrowOptions(&s.options)
	mapping.DestroyResult(&s.res)
	mapping.DestroyPending(&s.pending)
	mapping.DestroyPrepare(&s.prepared)
}

// failedWith gives an error of DuckDB's and lets it go.
func failedWith(e mapping.ErrorData) error {
	defer mapping.DestroyErrorData(&e)
	if mapping.ErrorDataHasError(e) {
		return raised{mapping.ErrorDataMessage(e)}
	}
	return nil
}

// copy makes a table of rows. They pass through a view, called passing, of which all is read and once: DuckDB asks a
// stream of C Data to leave columns and rows out, which none does, and takes what comes for what it asked for.
func (in *instance) copy(ctx context.Context, name, passing string, rows array.RecordReader) error {
	at := C.calloc(1, C.size_t(unsafe.Sizeof(cdata.CArrowArrayStream{})))
	c := (*cdata.CArrowArrayStream)(at)
	defer func() {
		cdata.ReleaseCArrowArrayStream(c)
		C.free(at)
	}()
	cdata.ExportRecordReader(rows, c)
	if mapping.ArrowScan(in.conn, passing, mapping.ArrowStream{Ptr: at}) == mapping.StateError {
		return errors.New("DuckDB does not take the rows")
	}
	if err := in.exec(ctx, "CREATE TABLE "+quoted(name)+" AS SELECT * FROM "+quoted(passing)); err != nil {
		return err
	}
	return in.exec(ctx, "DROP VIEW "+quoted(passing))
}

// files makes a table of Parquet files, which DuckDB reads as far as statements need them.
func (in *instance) files(ctx context.Context, t drivers.Table) error {
	var columns, paths []string
	for _, f := range t.Schema.Fields() {
		columns = append(columns, quoted(f.Name))
	}
	for _, f := range t.Files {
		paths = append(paths, literal(f))
	}
	return in.exec(ctx, "CREATE VIEW "+quoted(t.Name)+" AS SELECT "+strings.Join(columns, ", ")+" FROM read_parquet(["+strings.Join(paths, ", ")+"])")
}

// literal is a text as SQL writes it.
func literal(text string) string { return "'" + strings.ReplaceAll(text, "'", "''") + "'" }

func quoted(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }

// watchedReader keeps a table's reader the caller's while DuckDB has it.
type watchedReader struct{ array.RecordReader }

// Retain does nothing.
func (watchedReader) Retain() {}

// Release does nothing.
func (watchedReader) Release() {}
