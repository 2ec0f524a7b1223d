package rest

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"

	"crypto/sha256"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/arrow-go/v18/parquet/compress"
	"github.com/apache/arrow-go/v18/parquet/pqarrow"
	"github.com/labstack/echo/v4"

	"github.com/adp-host/adp/host"
)

// sendParquet sends a file: the stored one where it is the whole truth, else one that is made once per snapshot. Either
// way readers may ask for ranges, which engines use to read a footer and the columns they need.
func (s *Server) sendParquet(c echo.Context, ds Dataset, schema *arrow.Schema, q query, etag string, changed time.Time) error {
	if q.columns == nil && q.limit < 0 {
		stored, whole, err := ds.Stored(c.Request().Context())
		if err != nil {
			return err
		}
		if whole {
			defer stored.Close()
			return s.sendFile(c, stored, changed)
		}
	}
	key := sha256.Sum256([]byte(etag))
	f, err := s.cache.open(c.Request().Context(), hex.EncodeToString(key[:]), func(w io.Writer) error {
		return writeParquet(c.Request().Context(), w, ds, schema, q)
	})
	if err != nil {
		return err
	}
	defer f.Close()
	return s.sendFile(c, f, changed)
}

// sendFile answers whole, range and conditional requests; ETag and Content-Type are set.
func (s *Server) sendFile(c echo.Context, content io.ReadSeeker, changed time.Time) error {
	w := &rangeWriter{ResponseWriter: c.Response()}
	http.ServeContent(w, c.Request(), "", changed, content)
	if w.unsatisfiable {
		c.Response().Header().Del("Content-Length")
		return withStatus(http.StatusRequestedRangeNotSatisfiable,
			host.Errorf(host.CodeAccessRequest, "the range %q lies outside the file", c.Request().Header.Get("Range")))
	}
	return nil
}

// rangeWriter keeps net/http's plain text for an unsatisfiable range back: errors here are problem documents.
type rangeWriter struct {
	http.ResponseWriter
	unsatisfiable bool
}

func (w *rangeWriter) WriteHeader(status int) {
	if status == http.StatusRequestedRangeNotSatisfiable {
		w.unsatisfiable = true
		return
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *rangeWriter) Write(b []byte) (int, error) {
	if w.unsatisfiable {
		return len(b), nil
	}
	return w.ResponseWriter.Write(b)
}

func (w *rangeWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// rowGroupRows bounds what the writer keeps in memory and gives readers something to skip.
const rowGroupRows = 256 << 10

// writeParquet makes the file of a dataset. The same rows give the same bytes.
func writeParquet(ctx context.Context, w io.Writer, ds Dataset, schema *arrow.Schema, q query) (err error) {
	defer func() {
		if p := recover(); p != nil { // the writer panics on types that it does not know
			err = fmt.Errorf("writing Parquet: %v", p)
		}
	}()
	src, err := openSource(ctx, ds, schema, q)
	if err != nil {
		return err
	}
	defer src.close()
	props := parquet.NewWriterProperties(parquet.WithCompression(compress.Codecs.Snappy), parquet.WithMaxRowGroupLength(rowGroupRows),
		parquet.WithCreatedBy("adp"))
	fw, err := pqarrow.NewFileWriter(schema, w, props, pqarrow.NewArrowWriterProperties(pqarrow.WithStoreSchema()))
	if err != nil {
		return fmt.Errorf("writing Parquet: %w", err)
	}
	for {
		rec, err := src.next(ctx)
		if errors.Is(err, io.EOF) {
			return fw.Close()
		}
		if err != nil {
			return err
		}
		err = fw.WriteBuffered(rec)
		rec.Release()
		if err != nil {
			return fmt.Errorf("writing Parquet: %w", err)
		}
	}
}

// storeError says that the cache's disk refused something.
func storeError(err error) error {
	if err == nil || host.CodeOf(err) != "" || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	var path *os.PathError
	if errors.As(err, &path) {
		return host.Errorf(host.CodeRunStore, "a Parquet file could not be made: %w", err).WithHint("free space in the node's data directory, or read .arrow, .csv or .ndjson, which need none")
	}
	return err
}
