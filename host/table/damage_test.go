package table

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/adp-host/adp/host"
	"github.com/adp-host/adp/host/columnar"
)

// nestedSchema has every shape that is decoded differently.
var nestedSchema = host.Schema{Fields: []host.Field{
	{Name: "id", Type: host.Type{Kind: host.Int64}, Required: true},
	{Name: "part", Type: host.Type{Kind: host.String}, Required: true},
	{Name: "n", Type: host.Type{Kind: host.Int32}},
	{Name: "f", Type: host.Type{Kind: host.Float64}, Required: true},
	{Name: "d", Type: host.Type{Kind: host.Decimal, Precision: 30, Scale: 3}},
	{Name: "b", Type: host.Type{Kind: host.Bool}},
	{Name: "s", Type: host.Type{Kind: host.Struct, Fields: []host.Field{
		{Name: "x", Type: host.Type{Kind: host.String}},
		{Name: "y", Type: host.Type{Kind: host.List, Elem: &host.Field{Name: "item", Type: host.Type{Kind: host.Timestamp}}}},
	}}},
	{Name: "l", Type: host.Type{Kind: host.List, Elem: &host.Field{Name: "item", Type: host.Type{Kind: host.Struct, Fields: []host.Field{
		{Name: "z", Type: host.Type{Kind: host.Binary}}}}}}},
}}

// drain reads everything a reader gives.
func drain(ctx context.Context, r Reader, err error) (rows int64, _ error) {
	if err != nil {
		return 0, err
	}
	defer r.Close()
	for {
		rec, err := r.Next(ctx)
		if err == io.EOF {
			return rows, nil
		}
		if err != nil {
			return rows, err
		}
		rows += rec.NumRows()
		rec.Release()
	}
}

// TestDamagedFiles flips bytes in every file of a table. Reading never panics; what fails is a host.Error of code T004;
// Verify finds every flip.
func TestDamagedFiles(t *testing.T) {
	g := generator{rand.New(rand.NewPCG(5, 5))}
	mem := newMemStore()
	o := &host.Output{Name: "out", Mode: host.Upsert, Key: []string{"id"}, Schema: nestedSchema}
	emitted, err := columnar.Emitted(o)
	if err != nil {
		t.Fatal(err)
	}
	tables := New(mem, Options{})
	tables.sizes = tinySizes
	var s Staged
	for seq := host.Seq(1); seq <= 4; seq++ {
		var prev *host.OutputRef
		if seq > 1 {
			prev = &s.Ref
		}
		s = commitRows(t, tables, o, prev, seq, g.batch(emitted, 60, 100))
	}
	files, err := tables.Files(t.Context(), s.Ref)
	if err != nil {
		t.Fatal(err)
	}
	kinds := map[string]bool{}
	for _, name := range files {
		good := mem.files[name]
		kinds[name[strings.LastIndexByte(name, '.'):]] = true
		for range 40 {
			bad := bytes.Clone(good)
			switch g.IntN(10) {
			case 0:
				bad = bad[:g.IntN(len(bad))]
			case 1:
				bad = append(bad, 0)
			default:
				for range 1 + g.IntN(3) {
					at := g.IntN(len(bad))
					if g.IntN(2) == 0 { // footers are small and decide most
						at = len(bad) - 1 - g.IntN(min(len(bad), 1200))
					}
					bad[at] ^= byte(1 + g.IntN(255))
				}
			}
			if bytes.Equal(bad, good) {
				continue
			}
			mem.files[name] = bad
			fresh := New(mem, Options{})
			fresh.sizes = tinySizes
			r, err := fresh.Scan(t.Context(), s.Ref, o.Schema, ScanOptions{})
			_, err = drain(t.Context(), r, err)
			checkDamage(t, name, err)
			r, err = fresh.Changes(t.Context(), s.Ref.Changes, o.Mode, o.Schema, s.Ref.Changed, ScanOptions{})
			_, err = drain(t.Context(), r, err)
			checkDamage(t, name, err)
			if err := fresh.Verify(t.Context(), s.Ref); host.CodeOf(err) != host.CodeTableDamaged {
				t.Fatalf("%s: Verify says %v", name, err)
			}
			// A stage on top of it fails or works, but does not panic.
			err = runStage(t.Context(), fresh, o, &s.Ref, 9, false, []arrow.RecordBatch{g.batch(emitted, 20, 100)})
			checkDamage(t, name, err)
			for _, n := range mem.names() {
				if strings.Contains(n, "/s9/") {
					mem.Remove(t.Context(), n)
				}
			}
		}
		mem.files[name] = good
		delete(mem.files, name)
		if err := New(mem, Options{}).Verify(t.Context(), s.Ref); host.CodeOf(err) != host.CodeTableDamaged {
			t.Fatalf("%s is missing, Verify says %v", name, err)
		}
		mem.files[name] = good
	}
	if len(kinds) != 3 {
		t.Fatalf("only files of %v were damaged", kinds)
	}
}

func checkDamage(t *testing.T, name string, err error) {
	t.Helper()
	if err == nil {
		return
	}
	switch host.CodeOf(err) {
	case host.CodeTableDamaged, host.CodeTableSchema, host.CodeTableKey:
	default:
		t.Fatalf("%s: %v", name, fmt.Sprintf("%T %v", err, err))
	}
}
