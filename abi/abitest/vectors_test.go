package abitest_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/adp-host/adp/abi"
	"github.com/adp-host/adp/abi/abitest"
	"github.com/adp-host/adp/host/build/buildtest"
)

// TestVectors: the layout is that of the committed bytes, and they decode to the rows they were made of.
func TestVectors(t *testing.T) {
	for _, v := range abitest.Vectors() {
		b, text := v.Encode()
		golden(t, v.Name+".bin", b)
		golden(t, v.Name+".txt", []byte(text))
		memory := append(make([]byte, abitest.VectorBase), b...)
		rows, err := abitest.Decode(memory, v.Spec.Inputs[0].Fields, arrayOf(text))
		if err != nil {
			t.Errorf("%s: %v", v.Name, err)
		} else if abitest.Text(rows) != abitest.Text(v.Rows) {
			t.Errorf("%s: decoded to other rows:\n%s", v.Name, abitest.Text(rows))
		}
	}
}

// arrayOf reads the address behind "array" in a vector's text.
func arrayOf(text string) (addr uint32) {
	_, rest, _ := bytes.Cut([]byte(text), []byte("\narray "))
	for _, c := range rest {
		if c < '0' || c > '9' {
			break
		}
		addr = addr*10 + uint32(c-'0')
	}
	return addr
}

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s is not as committed; if the layout changed on purpose, so did the ABI's version", path)
	}
}

// TestDecodeRefuses: each rule of arrays that a guest may break is found, by its words.
func TestDecodeRefuses(t *testing.T) {
	fields := []abitest.Field{{Name: "n", Format: "l"}, {Name: "s", Format: "u", Nullable: true}, {Name: "l", Format: "+l", Children: []abitest.Field{{Name: "item", Format: "i"}}}}
	rows := []abitest.Row{{int64(1), "é", []any{int32(1)}}, {int64(2), nil, []any{}}}
	block := abitest.Block{Base: 4096}
	root := block.Batch(fields, rows)
	child := func(m []byte, i uint32) uint32 {
		return le32(m, le32(m, root+abi.ArrayChildren)+4*i)
	}
	buffer := func(m []byte, array, i uint32) uint32 { return le32(m, le32(m, array+abi.ArrayBuffers)+4*i) }
	for name, breakIt := range map[string]func(m []byte){
		"length below zero":      func(m []byte) { put64(m, child(m, 0)+abi.ArrayLength, -1) },
		"length of the sky":      func(m []byte) { put64(m, root+abi.ArrayLength, 1<<40) },
		"a child too short":      func(m []byte) { put64(m, child(m, 1)+abi.ArrayLength, 1) },
		"offset beyond":          func(m []byte) { put64(m, child(m, 0)+abi.ArrayOffset, 1<<30) },
		"null count":             func(m []byte) { put64(m, child(m, 1)+abi.ArrayNullCount, 2) },
		"null count, no bitmap":  func(m []byte) { put64(m, child(m, 0)+abi.ArrayNullCount, 1) },
		"buffers":                func(m []byte) { put64(m, child(m, 0)+abi.ArrayNBuffers, 3) },
		"children":               func(m []byte) { put64(m, root+abi.ArrayNChildren, 4) },
		"dictionary":             func(m []byte) { put32(m, child(m, 0)+abi.ArrayDictionary, 64) },
		"pointer out of memory":  func(m []byte) { put32(m, root+abi.ArrayChildren, 1<<31) },
		"pointer off the line":   func(m []byte) { put32(m, root+abi.ArrayChildren, le32(m, root+abi.ArrayChildren)+2) },
		"values off the line":    func(m []byte) { put32(m, le32(m, child(m, 0)+abi.ArrayBuffers)+4, 4097) },
		"falling offsets":        func(m []byte) { put32(m, buffer(m, child(m, 1), 1)+4, 9) },
		"offsets below zero":     func(m []byte) { put32(m, buffer(m, child(m, 1), 1), 1<<31) },
		"list beyond its child":  func(m []byte) { put32(m, buffer(m, child(m, 2), 1)+8, 77) },
		"not UTF-8":              func(m []byte) { m[buffer(m, child(m, 1), 2)] = 0xff },
		"null where it is not":   func(m []byte) { put32(m, le32(m, child(m, 0)+abi.ArrayBuffers), buffer(m, child(m, 1), 0)) },
		"root leaves memory":     nil,
		"every pointer is wrong": func(m []byte) { clear(m[4096+40 : 4096+48]) },
	} {
		m := append(make([]byte, 4096), block.Bytes...)
		at := root
		if breakIt == nil {
			at = uint32(len(m)) - 8
		} else {
			breakIt(m)
		}
		if got, err := abitest.Decode(m, fields, at); err == nil {
			t.Errorf("%s: decoded to\n%s", name, abitest.Text(got))
		}
	}
}

func le32(m []byte, at uint32) uint32     { return binary.LittleEndian.Uint32(m[at:]) }
func put32(m []byte, at uint32, v uint32) { binary.LittleEndian.PutUint32(m[at:], v) }
func put64(m []byte, at uint32, v int64)  { binary.LittleEndian.PutUint64(m[at:], uint64(v)) }

// FuzzDecode: whatever a guest hands over gives rows or an error, in bounded time and memory.
func FuzzDecode(f *testing.F) {
	for _, v := range abitest.Vectors() {
		b, text := v.Encode()
		f.Add(b, arrayOf(text), uint16(300), byte(0xff))
	}
	fields := abitest.AllFields()
	f.Fuzz(func(t *testing.T, b []byte, addr uint32, at uint16, flip byte) {
		memory := append(make([]byte, abitest.VectorBase), b...)
		if i := int(addr) + int(at); i < len(memory) {
			memory[i] ^= flip
		}
		rows, err := abitest.Decode(memory, fields, addr)
		if err == nil && len(rows) > len(memory)*8 {
			t.Errorf("%d rows from %d bytes", len(rows), len(b))
		}
	})
}

// TestDecodeSurvives: thousands of damaged batches give rows or an error, never anything else.
func TestDecodeSurvives(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	fields := abitest.AllFields()
	refused := 0
	for _, v := range abitest.Vectors()[2:6] {
		b, text := v.Encode()
		array := arrayOf(text)
		memory := append(make([]byte, abitest.VectorBase), b...)
		for range 1500 {
			i := int(array) + r.IntN(len(memory)-int(array))
			old := memory[i]
			memory[i] = byte(r.Uint32())
			if _, err := abitest.Decode(memory, fields, array); err != nil {
				refused++
			}
			memory[i] = old
		}
	}
	if refused == 0 {
		t.Error("nothing was refused")
	}
}

// lend makes memory reach over n bytes at base. What it grows belongs to no allocator of the guest; in guests whose memory reaches as far by
// itself the bytes lie in a part of the stack that a reader of vectors does not come down to.
func (in *instance) lend(base, n int) {
	const page = 1 << 16
	if short := base + n - int(in.module.Memory().Size()); short > 0 {
		if _, ok := in.module.Memory().Grow(uint32((short + page - 1) / page)); !ok {
			in.t.Fatalf("memory does not grow by %d bytes", short)
		}
	}
}

// TestVectorsOfKits: kits whose code runs in the sandbox only read the vectors as their texts say.
func TestVectorsOfKits(t *testing.T) {
	for _, language := range []string{"c", "assemblyscript"} {
		t.Run(language, func(t *testing.T) {
			module := buildtest.Guest(t, language, "vectors")
			for _, v := range abitest.Vectors() {
				b, text := v.Encode()
				var block, array uint32
				var rebuild bool
				if _, err := fmt.Sscanf(text, "block %d\narray %d\nrebuild %t", &block, &array, &rebuild); err != nil {
					t.Fatal(err)
				}
				in := newPlain(t, module).Start(t, abitest.Spec{}).(*instance)
				in.lend(abitest.VectorBase, len(b))
				in.write(abitest.VectorBase, b)
				if status := in.call(abi.ExportOpen, uint64(block), uint64(len(b))); status != 0 {
					t.Fatalf("%s: open: %v", v.Name, in.outcome(status))
				}
				if status := in.call(abi.ExportProcess, 0, uint64(array)); status != 0 {
					t.Fatalf("%s: process: %v", v.Name, in.outcome(status))
				}
				got := fmt.Sprintf("block %d\narray %d\n", block, array)
				for _, l := range in.result.Logs {
					got += l.Message + "\n"
				}
				if got != text {
					t.Errorf("%s:\n%s\nwant\n%s", v.Name, got, text)
				}
				in.Close()
			}
		})
	}
}
