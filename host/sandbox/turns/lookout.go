package turns

import (
	"runtime"
	"sync/atomic"
	"time"
)

// lookEvery is how often somebody looks at the network while guests keep all of Go's processors. What comes for the node is
// seen that late.
const lookEvery = time.Millisecond

// lookout makes Go look at the network. It does so on a processor that has nothing to do, and leaves a thread behind that
// waits for more; while guests keep all processors, only the runtime's monitor does, every 10 ms. So once in a while one
// guest rests until another comes to its refill: that long, less than 0.1 ms, its processor has nothing to do.
type lookout struct {
	needed  bool         // guests can keep all processors, and one can wake another
	last    atomic.Int64 // when a guest rested, in ns
	resting atomic.Pointer[chan struct{}]
}

func newLookout(slots int) *lookout {
	return &lookout{needed: slots > 1 && slots >= runtime.GOMAXPROCS(0)}
}

// Look lets Go look at the network where it is time to and no slot is free. It returns how long the run rested for it.
func (r *Run) Look() time.Duration {
	l := r.t.lookout
	if !l.needed {
		return 0
	}
	if other := l.resting.Swap(nil); other != nil {
		close(*other)
		return 0
	}
	now, last := time.Now(), l.last.Load()
	if now.UnixNano()-last < int64(lookEvery) || !r.t.full() || !l.last.CompareAndSwap(last, now.UnixNano()) {
		return 0
	}
	woken := make(chan struct{})
	l.resting.Store(&woken)
	nobody := time.NewTimer(lookEvery) // the others may have ended meanwhile
	defer nobody.Stop()
	select {
	case <-woken:
	case <-nobody.C:
		l.resting.CompareAndSwap(&woken, nil)
	}
	return time.Since(now)
}

func (t *Turns) full() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.free == 0
}
