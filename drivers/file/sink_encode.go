package file

import (
	"errors"
	"io"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/arrow-go/v18/parquet/compress"
	"github.com/apache/arrow-go/v18/parquet/pqarrow"

	"github.com/adp-host/adp/drivers/arrowtext"
)

// encode writes rows in a format, as this driver reads it.
func encode(w io.Writer, rec arrow.RecordBatch, format string) error {
	switch format {
	case FormatCSV:
		e := arrowtext.NewCSV(w, rec.Schema())
		return errors.Join(e.Write(rec), e.Close())
	case FormatParquet:
		return encodeParquet(w, rec)
	}
	e := arrowtext.NewJSONLines(w)
	return errors.Join(e.Write(rec), e.Close())
}

func encodeParquet(w io.Writer, rec arrow.RecordBatch) error {
	e, err := pqarrow.NewFileWriter(rec.Schema(), open{w}, parquet.NewWriterProperties(parquet.WithCompression(compress.Codecs.Zstd)),
		pqarrow.NewArrowWriterProperties())
	if err != nil {
		return err
	}
	return errors.Join(e.Write(rec), e.Close())
}

// open hides that a writer can be closed: Parquet's closes what it writes to.
type open struct{ io.Writer }
