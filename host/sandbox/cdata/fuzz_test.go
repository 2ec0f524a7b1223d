package cdata

import (
	"errors"
	"math/rand/v2"
	"testing"
)

// FuzzTake reads batches from memory that a guest may have filled with anything: the reader never panics, never takes
// more than it measured, and what it takes can be read whole.
//
// The inputs are a valid image and changes to it, three bytes each: a place (two bytes, scaled to the image) and a value.
// Most of random memory would fail at the first pointer.
func FuzzTake(f *testing.F) {
	l := layout(f, everyType(true))
	var images [][]byte
	for n, rows := range []int{0, 1, 3, 12} {
		rec := randomBatch(l.Schema(), rows, rand.New(rand.NewPCG(7, uint64(n))))
		images = append(images, put(f, l, rec, 64))
		f.Add(uint8(n), uint32(64), []byte{})
		f.Add(uint8(n), uint32(64), []byte{0, 1, 0xff, 9, 200, 1})
		f.Add(uint8(n), uint32(0), []byte{255, 255, 255})
	}
	f.Fuzz(func(t *testing.T, image uint8, at uint32, changes []byte) {
		mem := append([]byte(nil), images[int(image)%len(images)]...)
		for ; len(changes) >= 3; changes = changes[3:] {
			mem[(int(changes[0])<<8|int(changes[1]))%len(mem)] = changes[2]
		}
		r := l.NewReader()
		bytes, err := r.Measure(mem, at)
		if err != nil {
			var e *Error
			if !errors.As(err, &e) || e.Status == 0 {
				t.Fatalf("not an error of a batch: %v", err)
			}
			return
		}
		if most := int64(len(r.slots)) * 9 * int64(len(mem)); bytes > most || r.size > most {
			t.Fatalf("measured %d, copies %d, of a memory of %d", bytes, r.size, len(mem))
		}
		rec, err := r.Take()
		if err != nil {
			return
		}
		defer rec.Release()
		if err := validate(rec); err != nil {
			t.Fatal(err)
		}
	})
}

// The same on every plain test run: single bytes of a small image, all of them, even ones to 1 and odd ones to 255.
func TestEveryByte(t *testing.T) {
	l := layout(t, everyType(true))
	image := put(t, l, randomBatch(l.Schema(), 5, rand.New(rand.NewPCG(8, 9))), 64)
	taken := 0
	for at := 64; at < len(image); at++ {
		old := image[at]
		if image[at] = 0xff; at%2 == 0 {
			image[at] = 1
		}
		if rec, err := take(l, image, 64); err == nil {
			for _, c := range rec.Columns() {
				for i := range c.Len() {
					_ = c.ValueStr(i)
				}
			}
			taken++
		}
		image[at] = old
	}
	if taken == 0 {
		t.Error("no change at all was harmless")
	}
}
