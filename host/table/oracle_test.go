package table

import (
	"context"
	"io/fs"
	"maps"
	"testing"

	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	icebergio "github.com/apache/iceberg-go/io"
	icetable "github.com/apache/iceberg-go/table"

	"github.com/adp-host/adp/drivers"
	"github.com/adp-host/adp/host/columnar"
)

// storeIO lets iceberg-go read a store.
type storeIO struct{ drivers.Store }

type storeIOFile struct{ drivers.StoreFile }

func (f storeIOFile) Stat() (fs.FileInfo, error) { return f.StoreFile.(fs.File).Stat() }

func (s storeIO) Open(uri string) (icebergio.File, error) {
	name, ok := s.Name(uri)
	if !ok {
		return nil, fs.ErrNotExist
	}
	f, err := s.Store.Open(context.Background(), name)
	if err != nil {
		return nil, err
	}
	return storeIOFile{f}, nil
}

func (s storeIO) Remove(string) error { return fs.ErrPermission }

// compareWithIceberg reads the port with iceberg-go's own scan.
func compareWithIceberg(t *testing.T, p *port) {
	t.Helper()
	tbl, err := icetable.NewFromLocation(t.Context(), icetable.Identifier{"d", "out"}, p.store.URI(p.ref.Metadata),
		func(context.Context) (icebergio.IO, error) { return storeIO{p.store}, nil }, nil)
	if err != nil {
		t.Fatal(err)
	}
	all, err := tbl.Scan().ToArrowTable(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer all.Release()
	want, err := columnar.Schema(p.out.Schema)
	if err != nil {
		t.Fatal(err)
	}
	got := content{}
	r := array.NewTableReader(all, 0)
	defer r.Release()
	for r.Next() {
		rec, err := conformRows(memory.DefaultAllocator, r.RecordBatch(), want)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range encodings(rec, int(rec.NumCols())) {
			got[e]++
		}
		rec.Release()
	}
	if !maps.Equal(got, p.rows) {
		t.Fatalf("iceberg-go reads %d rows, want %d", got.rows(), p.rows.rows())
	}
}
