package wasm_test

import (
	"encoding/binary"
	"hash/fnv"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/imports/wasi_snapshot_preview1"

	"github.com/adp-host/adp/host/wasm"
)

// guest is a real module with the kernels of testdata/guests.
type guest struct {
	name  string
	wasm  []byte
	inGo  bool
	sorts bool // has the functions that only kernel.c has
}

// guests are the committed binaries and one in Go, which is built here.
func guests(t testing.TB) []guest {
	t.Helper()
	gs := []guest{{name: "c", sorts: true}, {name: "c_simd", sorts: true}, {name: "as"}}
	for i := range gs {
		b, err := os.ReadFile("testdata/guests/kernel_" + gs[i].name + ".wasm")
		if err != nil {
			t.Fatal(err)
		}
		gs[i].wasm = b
	}
	return append(gs, guest{name: "go", wasm: goGuest(t), inGo: true})
}

var builtGo []byte

// goGuest builds the guest in Go, once.
func goGuest(t testing.TB) []byte {
	t.Helper()
	if builtGo != nil {
		return builtGo
	}
	out := filepath.Join(t.TempDir(), "go.wasm")
	c := exec.Command("go", "build", "-C", "testdata/guests/go", "-buildmode=c-shared", "-ldflags=-s -w", "-o", out, ".")
	c.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm", "GOWORK=off", "GOFLAGS=")
	if msg, err := c.CombinedOutput(); err != nil {
		t.Fatalf("building the Go guest: %v\n%s", err, msg)
	}
	b, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	builtGo = b
	return b
}

// table is the input of the kernels: rows of a made-up table.
type table struct {
	rows                       int
	keys, values, others, offs []byte
	text                       []byte
}

func newTable(rows int) *table {
	r := rand.New(rand.NewPCG(1, 2))
	t := &table{rows: rows, offs: binary.LittleEndian.AppendUint32(nil, 0)}
	for range rows {
		t.keys = binary.LittleEndian.AppendUint64(t.keys, uint64(r.IntN(1000)))
		t.values = binary.LittleEndian.AppendUint64(t.values, math.Float64bits(r.Float64()*100))
		t.others = binary.LittleEndian.AppendUint64(t.others, math.Float64bits(r.Float64()))
		for range r.IntN(8) {
			t.text = append(t.text, byte('a'+r.IntN(26)))
		}
		t.offs = binary.LittleEndian.AppendUint32(t.offs, uint32(len(t.text)))
	}
	return t
}

// placed are the addresses of a table in a guest.
type placed struct{ keys, values, others, offs, text, out, sums uint64 }

// place copies the table into a guest's memory: where its allocator says, or behind everything it has.
func (d *table) place(t testing.TB, m api.Module) placed {
	t.Helper()
	alloc := m.ExportedFunction("alloc")
	put := func(b []byte) uint64 {
		var at uint64
		if alloc != nil {
			r, err := alloc.Call(ctx, uint64(len(b)))
			if err != nil {
				t.Fatal(err)
			}
			at = r[0]
		} else {
			at = uint64(m.Memory().Size())
			if _, ok := m.Memory().Grow(uint32(len(b)+0xffff) >> 16); !ok {
				t.Fatal("memory does not grow")
			}
		}
		if !m.Memory().Write(uint32(at), b) {
			t.Fatal("outside of memory")
		}
		return at
	}
	return placed{put(d.keys), put(d.values), put(d.others), put(d.offs), put(d.text), put(make([]byte, 8*d.rows)), put(make([]byte, 128))}
}

type kernelCall struct {
	name string
	args []uint64
}

// kernels are the calls that every guest answers.
func (d *table) kernels(p placed) []kernelCall {
	n := uint64(d.rows)
	return []kernelCall{
		{"spin", []uint64{2 * n}},
		{"kernel", []uint64{n, p.keys, p.values, p.offs, p.text, p.out, p.sums}},
		{"dense", []uint64{n, p.values, p.others, p.out}},
		{"bytesum", []uint64{uint64(len(d.text)), p.text}},
		{"fib", []uint64{17}},
	}
}

func instantiateGuest(t testing.TB, w *world, g guest) api.Module {
	t.Helper()
	if g.inGo {
		wasi_snapshot_preview1.MustInstantiate(ctx, w.r)
	}
	m, err := w.instantiate(g.wasm, "")
	if err != nil {
		t.Fatalf("%s in %s: %v", g.name, w.name, err)
	}
	if f := m.ExportedFunction("_initialize"); f != nil {
		if _, err := f.Call(ctx); err != nil {
			t.Fatalf("%s in %s: %v", g.name, w.name, err)
		}
	}
	return m
}

// TestGuests runs what real compilers make of ordinary code: results, memory and fuel are the same in all worlds.
func TestGuests(t *testing.T) {
	d := newTable(2000)
	for _, g := range guests(t) {
		t.Run(g.name, func(t *testing.T) {
			ws := worlds(t, wasm.Options{StackBudget: wasm.DefaultStackBudget})
			ws = append(ws, newWorld(t, "original, compiler", true, nil))
			mods := make([]api.Module, len(ws))
			var p placed
			for i, w := range ws {
				mods[i] = instantiateGuest(t, w, g)
				p = d.place(t, mods[i]) // the same in each
			}
			last := len(ws) - 1 // has no fuel to compare
			for _, k := range d.kernels(p) {
				if _, err := call(t, g.name, ws[:last], mods[:last], k.name, k.args...); err != nil {
					t.Errorf("%s: %v", k.name, err)
				}
				if _, err := mods[last].ExportedFunction(k.name).Call(ctx, k.args...); err != nil {
					t.Errorf("%s: %v", k.name, err)
				}
			}
			if g.inGo {
				call(t, g.name, ws[:last], mods[:last], "ordinary", 300)
				return // clocks and addresses differ between two runs of Go: no comparison of memory
			}
			if g.sorts {
				for _, k := range d.sortKernels(p) {
					call(t, g.name, ws[:last], mods[:last], k.name, k.args...)
					_, _ = mods[last].ExportedFunction(k.name).Call(ctx, k.args...)
				}
			}
			for i, m := range mods {
				if memoryHash(m) != memoryHash(mods[0]) {
					t.Errorf("memory in %s differs", ws[i].name)
				}
			}
		})
	}
}

func (d *table) sortKernels(p placed) []kernelCall {
	n := uint64(d.rows)
	return []kernelCall{
		{"sortints", []uint64{p.keys, n}},
		{"machine", []uint64{10_000, p.text, 1000}},
		{"copy", []uint64{p.out, p.values, 8 * n}},
		{"copy", []uint64{p.out, p.values, 1 << 31}}, // out of bounds
		{"find", []uint64{p.text, 5000, p.text + 4000, 20}},
		{"find", []uint64{p.text, 5000, p.sums, 3}},
	}
}

func memoryHash(m api.Module) uint64 {
	b, _ := m.Memory().Read(0, m.Memory().Size())
	h := fnv.New64a()
	h.Write(b)
	return h.Sum64()
}
