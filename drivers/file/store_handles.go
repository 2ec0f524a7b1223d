package file

import (
	"container/list"
	"io"
	"sync"
)

// handles keeps what is open under its name, the most recently used few. It is safe for concurrent use. Whoever still
// works with an os.Root that is closed meanwhile finishes, or hears fs.ErrClosed.
type handles[T io.Closer] struct {
	most int // open at a time

	mu     sync.Mutex
	named  map[string]*list.Element
	order  list.List // of handle[T], least recently used first
	closed bool
}

type handle[T io.Closer] struct {
	name string
	it   T
}

// get finds what is open under a name, which stays open.
func (h *handles[T]) get(name string) (it T, ok bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	e, ok := h.named[name]
	if ok {
		h.order.MoveToBack(e)
		it = e.Value.(handle[T]).it
	}
	return it, ok
}

// put keeps it, in place of what was open under its name, and closes what is too much.
func (h *handles[T]) put(name string, it T) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.drop(h.named[name])
	if h.closed {
		_ = it.Close()
		return
	}
	if h.named == nil {
		h.named = map[string]*list.Element{}
	}
	h.named[name] = h.order.PushBack(handle[T]{name, it})
	if h.order.Len() > h.most {
		h.drop(h.order.Front())
	}
}

// take hands over what is open under a name.
func (h *handles[T]) take(name string) (it T, ok bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	e, ok := h.named[name]
	if ok {
		it = h.remove(e)
	}
	return it, ok
}

// forget closes what is open under a name.
func (h *handles[T]) forget(name string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.drop(h.named[name])
}

// close closes everything, and what is still to come.
func (h *handles[T]) close() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.closed = true
	for h.order.Len() > 0 {
		h.drop(h.order.Front())
	}
}

func (h *handles[T]) drop(e *list.Element) {
	if e != nil {
		_ = h.remove(e).Close()
	}
}

func (h *handles[T]) remove(e *list.Element) T {
	old := h.order.Remove(e).(handle[T])
	delete(h.named, old.name)
	return old.it
}
