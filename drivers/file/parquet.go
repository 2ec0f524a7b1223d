package file

import (
	"context"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/apache/arrow-go/v18/parquet"
	pqfile "github.com/apache/arrow-go/v18/parquet/file"
	"github.com/apache/arrow-go/v18/parquet/metadata"
	"github.com/apache/arrow-go/v18/parquet/pqarrow"

	"github.com/adp-host/adp/drivers"
)

const (
	// parquetRows and parquetBytes bound a batch, the bytes by the file's own account of its columns.
	parquetRows  = 64 << 10
	parquetBytes = 16 << 20
	// columnAhead is how many batches a column is decoded ahead of the slowest.
	columnAhead = 2
)

// parquetScan reads a Parquet file. Each wanted column is decoded and cast by a goroutine of its own, which never
// waits for the others but through columnAhead; batches are put together from what they give.
//
// It does not use pqarrow's parallel record reader: that has a panic of a damaged file end the process.
type parquetScan struct {
	origin  string
	schema  *arrow.Schema
	columns []*parquetColumn // by the schema; nil: not in the file
	rows    int64            // of the file
	read    int64
	batch   int64
	started bool // the columns' goroutines own their readers
	cancel  context.CancelFunc
}

// parquetColumn is a column on its way from the file.
type parquetColumn struct {
	field  arrow.Field
	name   string // in the file
	reader *pqarrow.ColumnReader
	cast   caster
	out    chan columnPart
}

// columnPart is the values of one column for one batch.
type columnPart struct {
	source []arrow.Array // as the file has them, one after another
	values arrow.Array
	bad    []int // rows whose value does not fit
	err    error
}

func (p columnPart) release() {
	for _, a := range p.source {
		a.Release()
	}
	if p.values != nil {
		p.values.Release()
	}
}

// at is a row as the file has it; nil when the file does not have the column.
func (p columnPart) at(row int) (arrow.Array, int) {
	for _, a := range p.source {
		if row < a.Len() {
			return a, row
		}
		row -= a.Len()
	}
	return nil, 0
}

// guard turns a panic of the Parquet library, which damaged files can cause, into an error.
func guard(err *error) {
	switch p := recover().(type) {
	case nil:
	case *drivers.Error:
		*err = p
	default:
		*err = damaged(fmt.Errorf("%v", p))
	}
}

func damaged(err error) error {
	return &drivers.Error{Kind: drivers.ErrFormat, Message: "is damaged, or is not Parquet", Err: err}
}

// openParquet reads the footer. The Arrow schema that some writers embed is not looked at: it is a flatbuffer of
// somebody else's making, a few flipped bytes of which can ask for gigabytes; Parquet's own schema says what is needed.
func openParquet(f *os.File, e entry, mem memory.Allocator) (r *pqarrow.FileReader, err error) {
	defer guard(&err)
	pf, err := pqfile.NewParquetReader(io.NewSectionReader(f, 0, e.size), pqfile.WithReadProps(parquet.NewReaderProperties(mem)))
	if err != nil {
		return nil, damaged(err)
	}
	for _, kv := range pf.MetaData().KeyValueMetadata() {
		if kv.Key == "ARROW:schema" {
			kv.Key = "ARROW:schema (not used)"
		}
	}
	props := pqarrow.ArrowReadProperties{PreAllocBinaryData: true}
	for leaf := range pf.MetaData().Schema.NumColumns() {
		if inDictionary(pf.MetaData(), leaf) {
			props.SetReadDict(leaf, true)
		}
	}
	if r, err = pqarrow.NewFileReader(pf, props, mem); err != nil {
		return nil, damaged(err)
	}
	return r, nil
}

// inDictionary reports whether all of a column's texts stand in dictionaries. They are then read as indices and put
// together by castDictionary, which takes a third of the time of reading them one by one.
func inDictionary(md *metadata.FileMetaData, leaf int) bool {
	column := md.Schema.Column(leaf)
	if column.PhysicalType() != parquet.Types.ByteArray || len(column.ColumnPath()) != 1 || column.MaxRepetitionLevel() > 0 {
		return false
	}
	for g := range md.RowGroups {
		chunk, err := md.RowGroup(g).ColumnChunk(leaf)
		if err != nil || !slices.ContainsFunc(chunk.Encodings(), isDictionary) {
			return false
		}
		// Writers that count no encodings: a plain text takes four bytes for its length alone.
		if len(chunk.EncodingStats()) == 0 && chunk.TotalUncompressedSize() >= 4*chunk.NumValues() {
			return false
		}
		for _, s := range chunk.EncodingStats() {
			data := strings.HasPrefix(s.PageType.String(), "DATA_PAGE")
			if data && !isDictionary(s.Encoding) {
				return false
			}
		}
	}
	return len(md.RowGroups) > 0
}

func isDictionary(e parquet.Encoding) bool {
	return e == parquet.Encodings.PlainDict || e == parquet.Encodings.RLEDict
}

func newParquetScan(f *os.File, e entry, schema *arrow.Schema, o *options, mem memory.Allocator) (s *parquetScan, err error) {
	r, err := openParquet(f, e, mem)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	s = &parquetScan{origin: e.name, schema: schema, cancel: cancel}
	defer func() {
		if err != nil {
			_ = s.close()
		}
	}()
	defer guard(&err)
	md := r.ParquetReader().MetaData()
	if s.rows = md.GetNumRows(); s.rows < 0 {
		return s, damaged(fmt.Errorf("it claims %d rows", s.rows))
	}
	leaves, err := s.plan(r, o)
	if err != nil {
		return s, err
	}
	if s.batch, err = batchSize(r, leaves, s.rows); err != nil {
		return s, err
	}
	groups := make([]int, r.ParquetReader().NumRowGroups())
	for i := range groups {
		groups[i] = i
	}
	for i, c := range s.columns {
		if c == nil || s.rows == 0 {
			continue
		}
		included := map[int]bool{}
		for _, leaf := range leaves[i] {
			included[leaf] = true
		}
		at := fieldIndex(r, c.name)
		if c.reader, err = r.GetFieldReader(ctx, at, included, groups); err != nil {
			return s, damaged(err)
		}
	}
	s.start(ctx)
	return s, nil
}

func fieldIndex(r *pqarrow.FileReader, name string) int {
	for i := range r.Manifest.Fields {
		if r.Manifest.Fields[i].Field.Name == name {
			return i
		}
	}
	return -1
}

// plan finds the wanted columns and how they are cast. It returns the leaves of each.
func (s *parquetScan) plan(r *pqarrow.FileReader, o *options) ([][]int, error) {
	names := make([]string, len(r.Manifest.Fields))
	for i := range r.Manifest.Fields {
		names[i] = r.Manifest.Fields[i].Field.Name
	}
	fields := s.schema.Fields()
	at, err := match(names, fields, o)
	if err != nil {
		return nil, err
	}
	s.columns = make([]*parquetColumn, len(fields))
	leaves := make([][]int, len(fields))
	for i, f := range fields {
		if at[i] < 0 {
			continue
		}
		have := r.Manifest.Fields[at[i]].Field
		cast, ok := newCaster(f, have.Type, o.times[f.Name])
		if !ok {
			is := have.Type
			if d, ok := is.(*arrow.DictionaryType); ok {
				is = d.ValueType
			}
			return nil, schemaError("column %q is %s there and cannot become %s", have.Name, is, f.Type)
		}
		s.columns[i] = &parquetColumn{field: f, name: have.Name, cast: cast, out: make(chan columnPart, columnAhead)}
		leaves[i] = leavesOf(&r.Manifest.Fields[at[i]], nil)
	}
	return leaves, nil
}

func leavesOf(f *pqarrow.SchemaField, leaves []int) []int {
	if f.IsLeaf() {
		return append(leaves, f.ColIndex)
	}
	for i := range f.Children {
		leaves = leavesOf(&f.Children[i], leaves)
	}
	return leaves
}

// batchSize chooses the rows of a batch by how wide the wanted columns are. It refuses sizes that cannot be: they
// would be allocated before they are found wrong.
func batchSize(r *pqarrow.FileReader, leaves [][]int, rows int64) (int64, error) {
	md := r.ParquetReader().MetaData()
	total := int64(0)
	for g := range md.RowGroups {
		group := md.RowGroup(g)
		for _, columns := range leaves {
			for _, leaf := range columns {
				chunk, err := group.ColumnChunk(leaf)
				if err != nil {
					return 0, damaged(err)
				}
				size := chunk.TotalUncompressedSize()
				if size < 0 || size > 1<<40 {
					return 0, damaged(fmt.Errorf("a column claims %d bytes", size))
				}
				total += size
			}
		}
	}
	n := int64(parquetRows)
	for n > 1024 && rows > 0 && total/rows*n > parquetBytes {
		n /= 2
	}
	return min(n, max(rows, 1)), nil
}

// start sets the columns going.
func (s *parquetScan) start(ctx context.Context) {
	s.started = true
	slots := make(chan struct{}, runtime.GOMAXPROCS(0))
	for _, c := range s.columns {
		if c != nil && c.reader != nil {
			go c.run(ctx, s.rows, s.batch, slots)
		}
	}
}

func (c *parquetColumn) run(ctx context.Context, rows, batch int64, slots chan struct{}) {
	defer close(c.out)
	defer c.release()
	for done := int64(0); done < rows; {
		n := min(batch, rows-done)
		slots <- struct{}{}
		part := c.part(n)
		<-slots
		select {
		case c.out <- part:
		case <-ctx.Done():
			part.release()
			return
		}
		if part.err != nil {
			return
		}
		done += n
	}
}

// release lets a reader go. One that panicked may do so again.
func (c *parquetColumn) release() {
	defer func() { _ = recover() }()
	c.reader.Release()
}

// part decodes and casts the next n rows.
func (c *parquetColumn) part(n int64) (p columnPart) {
	defer func() {
		if p.err != nil {
			p.release()
			p = columnPart{err: p.err}
		}
	}()
	defer guard(&p.err)
	chunks, err := c.reader.NextBatch(n)
	if err != nil {
		return columnPart{err: damaged(err)}
	}
	defer chunks.Release()
	if int64(chunks.Len()) != n {
		return columnPart{err: damaged(fmt.Errorf("column %q has %d rows where the file says %d", c.name, chunks.Len(), n))}
	}
	var parts []arrow.Array
	defer func() {
		for _, a := range parts {
			a.Release()
		}
	}()
	rows := 0
	for _, a := range chunks.Chunks() {
		a.Retain()
		p.source = append(p.source, a)
		values, bad := c.cast(a)
		parts = append(parts, values)
		for _, row := range bad {
			p.bad = append(p.bad, rows+row)
		}
		rows += a.Len()
	}
	if len(parts) == 1 {
		p.values, parts = parts[0], nil
		return p
	}
	if p.values, err = array.Concatenate(parts, memory.DefaultAllocator); err != nil {
		p.err = damaged(err)
	}
	return p
}

func (s *parquetScan) close() error {
	s.cancel()
	for _, c := range s.columns {
		if c == nil || c.reader == nil {
			continue
		}
		if !s.started {
			c.release()
			continue
		}
		for p := range c.out {
			p.release()
		}
	}
	return nil
}

func (s *parquetScan) next(ctx context.Context) (b drivers.Batch, err error) {
	if s.read >= s.rows {
		return b, io.EOF
	}
	n := min(s.batch, s.rows-s.read)
	parts := make([]columnPart, len(s.columns))
	defer func() {
		for _, p := range parts {
			p.release()
		}
	}()
	for i, c := range s.columns {
		if c == nil {
			parts[i].values = array.MakeArrayOfNull(memory.DefaultAllocator, s.schema.Field(i).Type, int(n))
			continue
		}
		select {
		case p := <-c.out:
			if parts[i] = p; p.err != nil {
				return b, p.err
			}
		case <-ctx.Done():
			return b, ctx.Err()
		}
	}
	defer guard(&err)
	b, err = s.assemble(parts, n)
	s.read += n
	return b, err
}
