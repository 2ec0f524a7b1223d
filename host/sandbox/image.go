package sandbox

import (
	"bytes"
	"context"
	"errors"
	"math/rand/v2"
)

// image is the state of an instance that has been initialised and knows of no product: memory, globals, and what the
// host keeps beside them. Whatever starts from it is in all things what a new instance would be, at less cost.
type image struct {
	program *program
	pages   *pages
	size    int // of memory
	globals []uint64

	granted, waited int64 // of the meter
	random          rand.ChaCha8
	wasiRandom      rand.ChaCha8
	log             logger // what it has counted
	said            []said // what it has passed on
	arena           span
	blank           bool // the arena is zero

	idle []*body // guarded by the parking
}

// said is a message of the guest.
type said struct {
	level   int32
	message string
}

// imageKey is what initialisation can see of a product, beside the program.
type imageKey struct {
	memory int64 // most
	arena  int64 // asked for
}

// maxImages bounds the images of one program: whoever comes later initialises his own instances.
const maxImages = 4

// capture notes the state of an instance after boot, for those that will start from it.
func (i *Instance) capture(heard []said) (*image, error) {
	m := &image{program: i.program, size: i.mem.size, granted: i.meter.granted, waited: i.meter.waited, random: *i.random, wasiRandom: *i.wasiRandom,
		log: i.log, said: heard, arena: i.arena}
	m.log.to = nil
	for s := range m.log.streams {
		m.log.streams[s] = append([]byte(nil), m.log.streams[s]...)
	}
	for _, g := range i.body.globals {
		m.globals = append(m.globals, g.Get())
	}
	m.blank = isZero(i.mem.bytes()[m.arena.ptr:][:m.arena.size])
	var err error
	if m.pages, err = newPages(i.mem.bytes()); err != nil {
		return nil, err
	}
	return m, nil
}

// allows reports whether initialisation would have come so far under the limits of an instance.
func (m *image) allows(i *Instance) bool {
	return m.log.bytes <= i.limits.Logs && m.granted <= i.limits.Fuel
}

// restore puts a body into the state of the image. Memory of the arena that was used is cleared and stays; all else that
// was written is given back.
func (m *image) restore(b *body, used int64) error {
	var keep span
	if m.blank {
		keep = span{m.arena.ptr, uint32(min(used, int64(m.arena.size)))}
	}
	var err error
	if b.own, err = m.pages.restore(b.mem, keep); err != nil {
		return err
	}
	for n, g := range b.globals {
		g.Set(m.globals[n])
	}
	b.image = m
	return nil
}

// newBody makes one that is in the state of the image.
func (m *image) newBody(ctx context.Context, p *program, limit int64) (*body, error) {
	b, err := newBody(ctx, p, limit)
	if err != nil {
		return nil, err
	}
	if err = b.grow(m.size); err == nil {
		err = m.restore(b, 0)
	}
	if err != nil {
		return nil, errors.Join(err, b.close())
	}
	return b, nil
}

// resume makes an instance of a body in the state of an image what it would be after boot.
func (i *Instance) resume(m *image, b *body) {
	i.inhabit(b)
	i.meter.granted, i.meter.waited = m.granted, m.waited
	*i.random, *i.wasiRandom = m.random, m.wasiRandom
	to, limit := i.log.to, i.log.limit
	i.log = m.log
	i.log.to, i.log.limit = to, limit
	for s := range i.log.streams {
		i.log.streams[s] = append([]byte(nil), m.log.streams[s]...)
	}
	for _, s := range m.said {
		i.log.to(s.level, s.message)
	}
	i.arena = m.arena
	i.usage.MemoryBytes = int64(i.mem.size)
}

// Sizes of what initialisation asks the guest for beside its own: the arena of input batches, which a reset does not touch,
// and room that is given back at once, so that a guest's heap need not grow in every run. They follow from the limit alone,
// because a guest can see them.
func bootArena(limit int64) int64 {
	const share, least, most = 64, 64 << 10, 1 << 20
	return max(least, min(limit/share/pageSize*pageSize, most))
}

// furnish asks for the arena and the room. A guest that has none of it begins without.
func (i *Instance) furnish(ctx context.Context, bytes int64) error {
	ask := func() (span, error) {
		ptr, err := i.call(ctx, initialize, i.funcs.alloc, uint64(bytes))
		s := span{uint32(ptr), uint32(bytes)}
		if err != nil || s.ptr == 0 {
			return span{}, err
		}
		return s, i.usable(s)
	}
	var err error
	if i.arena, err = ask(); err != nil || i.arena.size == 0 {
		return err
	}
	room, err := ask()
	if err != nil || room.size == 0 {
		return err
	}
	_, err = i.call(ctx, initialize, i.funcs.free, uint64(room.ptr), uint64(room.size))
	return err
}

var zeroPage [4 << 10]byte

// isZero reports whether nothing is set.
func isZero(b []byte) bool {
	for len(b) > len(zeroPage) {
		if !bytes.Equal(b[:len(zeroPage)], zeroPage[:]) {
			return false
		}
		b = b[len(zeroPage):]
	}
	return bytes.Equal(b, zeroPage[:len(b)])
}
