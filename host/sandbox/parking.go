package sandbox

import (
	"container/list"
	"errors"
	"sync"
)

// parking is where the bodies of all programs wait for a run. The longest parked is closed when there are too many.
type parking struct {
	most int

	mu    sync.Mutex
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
	k.place[b] = k.order.PushBack(b)
	b.image.idle = append(b.image.idle, b)
	var gone *body
	if k.order.Len() > k.most {
		gone = k.order.Front().Value.(*body)
		idle := gone.image.idle
		gone.image.idle = append(idle[:0], idle[1:]...) // an image's bodies are in the order in which they came
		k.forget(gone)
	}
	k.mu.Unlock()
	if gone == nil {
		return nil
	}
	return gone.close()
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
	var errs []error
	for _, b := range idle {
		errs = append(errs, b.close())
	}
	return errors.Join(errs...)
}

// forget drops a body from the order. The caller holds mu.
func (k *parking) forget(b *body) {
	k.order.Remove(k.place[b])
	delete(k.place, b)
}
