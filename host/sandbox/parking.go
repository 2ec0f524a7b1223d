package sandbox

import (
	"container/list"
	"errors"
	"slices"
	"sync"
)

// parking is where the bodies of all programs wait for a run. The longest parked are closed when there are too many, or when
// they take too much memory; those of one program, when they take more than half of it.
type parking struct {
	most      int
	mostBytes int64

	mu    sync.Mutex
	bytes int64     // of the bodies that are parked
	order list.List // of *body, the longest parked first
	place map[*body]*list.Element
}

// leave takes a body of the image, the last that came, whose memory is warm; nil when there is none.
func (k *parking) leave(m *image) *body {
	k.mu.Lock()
	defer k.mu.Unlock()
	n := len(m.idle)
	if n == 0 {
		return nil
	}
	b := m.idle[n-1]
	m.idle = m.idle[:n-1]
	k.forget(b)
	return b
}

// enter parks a body that is in the state of its image.
func (k *parking) enter(b *body) error {
	k.mu.Lock()
	if k.place == nil {
		k.place = map[*body]*list.Element{}
	}
	p := b.image.program
	k.place[b] = k.order.PushBack(b)
	k.bytes += b.own
	p.parked += b.own
	b.image.idle = append(b.image.idle, b)
	var gone []*body
	for p.parked > k.mostBytes/2 {
		gone = append(gone, k.drop(func(b *body) bool { return b.image.program == p && b.own > 0 }))
	}
	for k.order.Len() > k.most {
		gone = append(gone, k.drop(func(*body) bool { return true }))
	}
	for k.bytes > k.mostBytes {
		gone = append(gone, k.drop(func(b *body) bool { return b.own > 0 }))
	}
	k.mu.Unlock()
	return closeAll(gone)
}

// drop takes out the longest parked of those that are meant, of which there must be one. The caller holds mu.
func (k *parking) drop(meant func(*body) bool) *body {
	e := k.order.Front()
	for !meant(e.Value.(*body)) {
		e = e.Next()
	}
	b := e.Value.(*body)
	b.image.idle = slices.DeleteFunc(b.image.idle, func(other *body) bool { return other == b })
	k.forget(b)
	return b
}

func closeAll(bodies []*body) error {
	var errs []error
	for _, b := range bodies {
		errs = append(errs, b.close())
	}
	return errors.Join(errs...)
}

// len is how many are parked.
func (k *parking) len() int {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.order.Len()
}

// clear closes the bodies of an image.
func (k *parking) clear(m *image) error {
	k.mu.Lock()
	idle := m.idle
	m.idle = nil
	for _, b := range idle {
		k.forget(b)
	}
	k.mu.Unlock()
	return closeAll(idle)
}

// forget drops a body from the order. The caller holds mu.
func (k *parking) forget(b *body) {
	k.order.Remove(k.place[b])
	k.bytes -= b.own
	b.image.program.parked -= b.own
	delete(k.place, b)
}
