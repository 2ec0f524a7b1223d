package table

import (
	"bytes"
	"compress/flate"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
)

// Avro object container files, as manifests and manifest lists are. Only what Iceberg's two schemas need is here: see
// RATIONALE.md for why they are not written with iceberg-go. Reading is iceberg-go's, except of the header.

// avroBuf appends values in Avro's binary encoding.
type avroBuf []byte

func (b *avroBuf) long(v int64) { *b = binary.AppendVarint(*b, v) }

func (b *avroBuf) bytes(v []byte) {
	b.long(int64(len(v)))
	*b = append(*b, v...)
}

func (b *avroBuf) str(v string) {
	b.long(int64(len(v)))
	*b = append(*b, v...)
}

// null and some choose the branch of an optional value.
func (b *avroBuf) null() { b.long(0) }
func (b *avroBuf) some() { b.long(1) }

func (b *avroBuf) optLong(v *int64) {
	if v == nil {
		b.null()
		return
	}
	b.some()
	b.long(*v)
}

// mapOf appends an optional map from field ids, as Iceberg encodes it: an array of key-value records. It is never null,
// which some readers do not expect.
func mapOf[V any](b *avroBuf, m map[int]V, value func(V)) {
	b.some()
	if len(m) > 0 {
		b.long(int64(len(m)))
	}
	for _, k := range slices.Sorted(maps.Keys(m)) {
		b.long(int64(k))
		value(m[k])
	}
	b.long(0)
}

var avroMagic = []byte("Obj\x01")

// deflateAbove is the block size from which compression is worth its CPU and the compressor's 800 KB.
const deflateAbove = 16 << 10

var deflaters = sync.Pool{New: func() any {
	w, _ := flate.NewWriter(nil, flate.BestSpeed) // the level is valid
	return w
}}

// avroFile is a container file of one block with count records.
func avroFile(header map[string]string, schema string, count int, block avroBuf) ([]byte, error) {
	codec := "null"
	if len(block) > deflateAbove {
		packed, err := deflate(block)
		if err != nil {
			return nil, err
		}
		codec, block = "deflate", packed
	}
	out := make(avroBuf, 0, len(schema)+len(block)+1024)
	out = append(out, avroMagic...)
	out.long(int64(len(header) + 2))
	out.str("avro.schema")
	out.str(schema)
	out.str("avro.codec")
	out.str(codec)
	for _, k := range slices.Sorted(maps.Keys(header)) {
		out.str(k)
		out.str(header[k])
	}
	out.long(0)
	sum := sha256.Sum256(block)
	sync := sum[:16]
	out = append(out, sync...)
	out.long(int64(count))
	out.bytes(block)
	return append(out, sync...), nil
}

func deflate(block []byte) ([]byte, error) {
	w := deflaters.Get().(*flate.Writer)
	defer deflaters.Put(w)
	var packed bytes.Buffer
	w.Reset(&packed)
	if _, err := w.Write(block); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return packed.Bytes(), nil
}

var errAvroHeader = errors.New("not an Avro container file")

// avroHeader reads the metadata of a container file.
func avroHeader(file []byte) (map[string]string, error) {
	rest, ok := bytes.CutPrefix(file, avroMagic)
	if !ok {
		return nil, errAvroHeader
	}
	out := map[string]string{}
	long := func() (int64, error) {
		v, n := binary.Varint(rest)
		if n <= 0 {
			return 0, errAvroHeader
		}
		rest = rest[n:]
		return v, nil
	}
	text := func() (string, error) {
		n, err := long()
		if err != nil || n < 0 || n > int64(len(rest)) {
			return "", errAvroHeader
		}
		s := string(rest[:n])
		rest = rest[n:]
		return s, nil
	}
	for {
		n, err := long()
		if err != nil || n == 0 {
			return out, err
		}
		if n < 0 { // the block's size in bytes follows
			if _, err := long(); err != nil {
				return nil, err
			}
			n = -n
		}
		for range n {
			k, err := text()
			if err != nil {
				return nil, err
			}
			if out[k], err = text(); err != nil {
				return nil, fmt.Errorf("key %s: %w", k, err)
			}
		}
	}
}
