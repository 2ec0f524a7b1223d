package run

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"github.com/adp-host/adp/drivers"
	"github.com/adp-host/adp/host"
)

// The state of a product is a base file and the changes since, oldest first. Both have one form: a magic, then entries
// in key order,
//
//	flag byte (1 put, 0 delete) | key length uvarint | key | value length uvarint | value
//
// where a delete has no value part. The hash in the reference vouches for the content.
const stateMagic = "ADPSTATE\x01"

// maxDeltas is how many change files a start has to read at most before they are folded into a new base.
const maxDeltas = 16

// loadState reads a product's state. What is damaged or missing is R004.
func loadState(ctx context.Context, s drivers.Store, ref *host.StateRef) (keys, error) {
	var k keys
	if ref == nil {
		return k, nil
	}
	files := ref.Deltas
	if ref.Base != nil {
		files = append([]host.FileRef{*ref.Base}, ref.Deltas...)
	}
	e := &edit{}
	for _, f := range files {
		b, err := readFile(ctx, s, f)
		if err == nil {
			err = applyState(&k, e, b)
		}
		if err != nil {
			return keys{}, stateDamaged(err)
		}
	}
	if k.count != ref.Keys || k.bytes != ref.Bytes {
		return keys{}, stateDamaged(fmt.Errorf("%d keys of %d bytes instead of %d of %d", k.count, k.bytes, ref.Keys, ref.Bytes))
	}
	return k, nil
}

func stateDamaged(err error) error {
	if host.CodeOf(err) == host.CodeRunStore || errors.Is(err, context.Canceled) {
		return err
	}
	return host.Errorf(host.CodeRunState, "the state cannot be read: %w", err).
		WithHint("bring the file back from a copy, or recompute everything with a rebuild")
}

func applyState(k *keys, e *edit, b []byte) error {
	b, ok := bytes.CutPrefix(b, []byte(stateMagic))
	if !ok {
		return fmt.Errorf("not a state file")
	}
	piece := func() []byte {
		n, used := binary.Uvarint(b)
		if used <= 0 || n > uint64(len(b)-used) {
			ok = false
			return nil
		}
		p := b[used : used+int(n) : used+int(n)]
		b = b[used+int(n):]
		return p
	}
	for len(b) > 0 && ok {
		flag := b[0]
		b = b[1:]
		key := string(piece())
		switch flag {
		case 0:
			k.remove(e, key)
		case 1:
			k.put(e, key, piece())
		default:
			ok = false
		}
	}
	if !ok {
		return fmt.Errorf("an entry of the state file is cut")
	}
	return nil
}

func appendPut(dst []byte, key string, value []byte) []byte {
	dst = binary.AppendUvarint(append(dst, 1), uint64(len(key)))
	dst = append(dst, key...)
	dst = binary.AppendUvarint(dst, uint64(len(value)))
	return append(dst, value...)
}

func appendDelete(dst []byte, key string) []byte {
	dst = binary.AppendUvarint(append(dst, 0), uint64(len(key)))
	return append(dst, key...)
}

// overlay is the state as one run sees and changes it.
type overlay struct {
	keys
	edit  *edit
	dirty map[string]struct{}
	limit int64
}

func newOverlay(base keys, limit int64) *overlay {
	return &overlay{keys: base, edit: &edit{}, dirty: map[string]struct{}{}, limit: limit}
}

// set puts a value; R004 when the state outgrows its limit.
func (o *overlay) set(key, value []byte) error {
	k := string(key)
	o.put(o.edit, k, value)
	o.dirty[k] = struct{}{}
	if o.bytes > o.limit {
		return host.Errorf(host.CodeRunState, "the state has grown past its limit of %d bytes", o.limit).
			WithHint("keep less, or raise limits.state in the product's documents")
	}
	return nil
}

func (o *overlay) delete(key []byte) {
	k := string(key)
	if _, ok := o.get(k); ok {
		o.remove(o.edit, k)
		o.dirty[k] = struct{}{}
	}
}

// write stores what the run changed, as a delta to prev or as a new base, and returns the new reference and the file it
// made, "" for none; the file is named with an error too, since a part of it may be there. Without a change the
// reference is prev.
func (o *overlay) write(ctx context.Context, s drivers.Store, dir string, prev *host.StateRef) (*host.StateRef, string, error) {
	if len(o.dirty) == 0 {
		return prev, "", nil
	}
	if o.count == 0 {
		return nil, "", nil
	}
	next := &host.StateRef{Keys: o.count, Bytes: o.bytes}
	delta := o.delta()
	if o.wantsBase(prev, int64(len(delta))) {
		name := dir + "/state.base"
		ref, err := o.writeBase(ctx, s, name)
		next.Base = &ref
		return next, name, err
	}
	name := dir + "/state.delta"
	ref, err := writeFile(ctx, s, name, delta)
	next.Base, next.Deltas = prev.Base, append(slices.Clone(prev.Deltas), ref)
	return next, name, err
}

// wantsBase keeps a start from reading much more than the state is large.
func (o *overlay) wantsBase(prev *host.StateRef, delta int64) bool {
	if prev == nil || prev.Base == nil || len(prev.Deltas) >= maxDeltas {
		return true
	}
	for _, d := range prev.Deltas {
		delta += d.Bytes
	}
	return delta > prev.Base.Bytes/2
}

func (o *overlay) delta() []byte {
	changed := make([]string, 0, len(o.dirty))
	for k := range o.dirty {
		changed = append(changed, k)
	}
	slices.Sort(changed)
	b := []byte(stateMagic)
	for _, k := range changed {
		if v, ok := o.get(k); ok {
			b = appendPut(b, k, v)
		} else {
			b = appendDelete(b, k)
		}
	}
	return b
}

func (o *overlay) writeBase(ctx context.Context, s drivers.Store, name string) (host.FileRef, error) {
	f, err := createFile(ctx, s, name)
	if err != nil {
		return host.FileRef{}, err
	}
	_, err = f.Write([]byte(stateMagic))
	var entry []byte
	o.scan("", "", func(key string, value []byte) bool {
		if err != nil {
			return false
		}
		entry = appendPut(entry[:0], key, value)
		_, err = f.Write(entry)
		return true
	})
	f.rows = o.count
	ref, cerr := f.close()
	if err == nil {
		err = cerr
	}
	return ref, err
}
