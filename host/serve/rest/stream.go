package rest

import (
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/labstack/echo/v4"
)

// next gives the next batch in the source's schema; io.EOF when all that was asked for is read.
func (s *source) next(ctx context.Context) (arrow.RecordBatch, error) {
	if s.left == 0 {
		return nil, io.EOF
	}
	rec, err := s.reader.Next(ctx)
	if err != nil {
		return nil, err
	}
	defer rec.Release()
	cols := make([]arrow.Array, s.schema.NumFields())
	for i, f := range s.schema.Fields() {
		at := rec.Schema().FieldIndices(f.Name)
		if len(at) == 0 || !arrow.TypeEqual(rec.Column(at[0]).DataType(), f.Type) {
			return nil, fmt.Errorf("a batch lacks column %s %s: it has %s", f.Name, f.Type, rec.Schema())
		}
		cols[i] = rec.Column(at[0])
	}
	out := array.NewRecordBatch(s.schema, cols, rec.NumRows())
	if s.left > 0 && out.NumRows() > s.left {
		cut := out.NewSlice(0, s.left)
		out.Release()
		out = cut
	}
	if s.left > 0 {
		s.left -= out.NumRows()
	}
	return out, nil
}

func (s *source) close() error {
	if s.reader == nil {
		return nil
	}
	return s.reader.Close()
}

// stream sends rows as they are read. The first batch is read before the first byte is sent, so that what fails at
// once is still a problem document.
func (s *Server) stream(c echo.Context, ds Dataset, schema *arrow.Schema, q query, f format, zip bool) error {
	ctx := c.Request().Context()
	src, err := openSource(ctx, ds, schema, q)
	if err != nil {
		return err
	}
	defer src.close()
	rec, err := src.next(ctx)
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	return s.send(c, f, zip, schema, func(enc encoder) error {
		for ; err == nil; rec, err = src.next(ctx) {
			s.metrics.rows.WithLabelValues(string(f)).Add(float64(rec.NumRows()))
			failed := enc.Write(rec)
			rec.Release()
			if failed != nil {
				return failed
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		return err
	})
}

// send writes a body with an encoder.
func (s *Server) send(c echo.Context, f format, zip bool, schema *arrow.Schema, fill func(encoder) error) error {
	return s.sendWith(c, zip, func(w io.Writer) error {
		enc, err := newEncoder(f, w, schema)
		if err != nil {
			return err
		}
		if err := fill(enc); err != nil {
			return err
		}
		return enc.Close()
	})
}

// sendWith writes a body, compressed or not. From here on an error cuts the connection: the compressor is not closed
// then, since its trailer would make half a body look whole.
func (s *Server) sendWith(c echo.Context, zip bool, fill func(io.Writer) error) error {
	c.Response().WriteHeader(http.StatusOK)
	if !zip {
		return fill(c.Response())
	}
	zw, err := gzip.NewWriterLevel(c.Response(), gzip.BestSpeed)
	if err != nil {
		return err
	}
	if err := fill(zw); err != nil {
		return err
	}
	return zw.Close()
}
