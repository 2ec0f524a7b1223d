package table

import (
	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/iceberg-go"
	icetable "github.com/apache/iceberg-go/table"

	"github.com/adp-host/adp/host"
)

// state is a table as one metadata file describes it. It is immutable and may be shared.
type state struct {
	ref    place // of the metadata file
	meta   icetable.Metadata
	schema *arrow.Schema // of data files written now, with field ids

	files   []dataFile    // live data files, in the order of the table's rows
	deletes []*deleteFile // live position delete files
	data    []*manifest   // data manifests; their live files, one after the other, are files
	dels    []*manifest   // delete manifests
	rows    int64         // that a scan gives
}

// place is an immutable file: its name and the hash of its bytes.
type place struct {
	name string
	hash host.Digest
}

// storedFile is a data or delete file as a manifest records it.
type storedFile struct {
	content  iceberg.ManifestEntryContent
	name     string // in the store
	path     string // absolute, as Iceberg has it
	rows     int64
	bytes    int64
	sum      digest
	stats    iceberg.DataFile // column statistics
	snapshot int64            // that added it
	seq      int64            // of that snapshot
}

// dataFile is a live data file with the positions that deletes remove. Two of them are the same file when their
// storedFile is the same pointer.
type dataFile struct {
	*storedFile
	dead *bitmap // nil: none
}

func (f dataFile) live() int64 { return f.rows - f.dead.count() }

// deleteFile is a live position delete file.
type deleteFile struct {
	*storedFile
	targets []string // names of the data files that it names
}

// manifest is a manifest file as the manifest list records it.
type manifest struct {
	name, path string
	bytes      int64
	sum        digest
	content    iceberg.ManifestContent
	seq        int64 // of the snapshot that wrote it
	minSeq     int64 // of the live files in it
	snapshot   int64

	files [3]int32      // added, existing, deleted
	rows  [3]int64      // likewise
	live  []*storedFile // in the order of entries
}

// kinds of manifest counts.
const (
	added = iota
	existing
	deleted
)

// ice is the table's current schema.
func (s *state) ice() *iceberg.Schema { return s.meta.CurrentSchema() }

func countRows(files []dataFile) (rows int64) {
	for _, f := range files {
		rows += f.live()
	}
	return rows
}
