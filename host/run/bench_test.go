package run_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/adp-host/adp/drivers/file"
	"github.com/adp-host/adp/host"
	"github.com/adp-host/adp/host/table"
)

// BenchmarkSmallCommit is a whole run of one small batch, everything fsynced, with Iceberg tables and etcd, against the
// floor: four files fsynced one after another and their folder.
func BenchmarkSmallCommit(b *testing.B) {
	b.Run("floor", func(b *testing.B) {
		dir := b.TempDir()
		for i := range b.N {
			d := filepath.Join(dir, fmt.Sprint(i))
			if err := os.Mkdir(d, 0o755); err != nil {
				b.Fatal(err)
			}
			for j := range 4 {
				syncedFile(b, filepath.Join(d, fmt.Sprint(j)))
			}
			syncFolder(b, d)
		}
	})
	for _, mode := range []host.OutputMode{host.Append, host.Upsert} {
		b.Run(string(mode), func(b *testing.B) {
			w := benchWorld(b, mode)
			b.ResetTimer()
			for i := range b.N {
				w.inputs.add("in", text(int64(i%100), "x"), text(int64(i), "y"))
				w.execute(host.RunCommitted)
			}
		})
	}
}

func benchWorld(b *testing.B, mode host.OutputMode) *world {
	w := newWorld(b, mode, pass)
	store, err := file.NewStore(b.TempDir())
	if err != nil {
		b.Fatal(err)
	}
	w.store, w.runner.Store = store, store
	w.runner.Tables = icebergs{table.New(store, table.Options{})}
	return w
}

func syncedFile(b *testing.B, name string) {
	f, err := os.Create(name)
	if err != nil {
		b.Fatal(err)
	}
	if _, err := f.Write(make([]byte, 2000)); err != nil {
		b.Fatal(err)
	}
	if err := f.Sync(); err != nil {
		b.Fatal(err)
	}
	f.Close()
}

func syncFolder(b *testing.B, name string) {
	d, err := os.Open(name)
	if err != nil {
		b.Fatal(err)
	}
	if err := d.Sync(); err != nil {
		b.Fatal(err)
	}
	d.Close()
}
