package table

import (
	"context"
	"errors"

	"github.com/adp-host/adp/drivers"
	"github.com/adp-host/adp/host"
)

// Options tune Tables. The zero value is usable.
type Options struct {
	// BufferBytes is how many bytes of rows a stage holds in memory before it starts writing data files. 0: 32 MiB.
	BufferBytes int64
	// IndexRows bounds the rows that all in-memory indexes together hold between commits. The index of the port that
	// committed longest ago is dropped first, and built again by a scan when it is needed. 0: 16 Mi (about 40 bytes each).
	IndexRows int64
}

// Tables stages and reads ports as Iceberg tables. It is safe for concurrent use; a port has one Stage at a time.
type Tables struct {
	store drivers.Store
	opts  Options
}

// New keeps tables in store.
func New(store drivers.Store, o Options) *Tables {
	return &Tables{store: store, opts: o}
}

var errNotYet = errors.New("not yet")

// Begin starts the stage of one port for one commit. The error is a host.Error of code T002 when the output's schema
// cannot follow the table's, T003 when its key is unusable, T001 when a type is outside the type table.
func (t *Tables) Begin(ctx context.Context, s StageSpec) (Stage, error) { return nil, errNotYet }

// Scan reads a table as of ref, deletes applied, in the columns of schema: a column that the table does not have yet is
// null. Columns of the table that schema does not have are left out.
func (t *Tables) Scan(ctx context.Context, ref host.OutputRef, schema host.Schema, o ScanOptions) (Reader, error) {
	return nil, errNotYet
}

// Changes reads change files of one seq: the rows alone when mode is append, otherwise the rows followed by _op and _seq.
func (t *Tables) Changes(ctx context.Context, changes []host.FileRef, mode host.OutputMode, schema host.Schema, seq host.Seq, o ScanOptions) (Reader, error) {
	return nil, errNotYet
}

// ParquetFile names the one stored file that is the whole content of the table as of ref, when there is one: a single
// data file, no deletes, all columns of schema in its order. ok is false otherwise.
func (t *Tables) ParquetFile(ctx context.Context, ref host.OutputRef, schema host.Schema) (name string, ok bool, err error) {
	return "", false, errNotYet
}

// Files lists, sorted, the names of all files that reading ref needs, its change files included.
func (t *Tables) Files(ctx context.Context, ref host.OutputRef) ([]string, error) { return nil, errNotYet }

// Verify checks that every file that ref needs exists and is what the references say: hashes where they are recorded,
// sizes and row counts elsewhere. The first mismatch is a host.Error of code T004.
func (t *Tables) Verify(ctx context.Context, ref host.OutputRef) error { return errNotYet }
