// Package failpoint lets a test stop a real process at a named step.
//
// Points are armed by the process's main from its settings, never by the rooms that hit them. An unarmed point costs
// one atomic load.
package failpoint

import (
	"sync"
	"sync/atomic"
)

var (
	armed atomic.Bool
	mu    sync.Mutex
	after = map[string]int{}
	do    = map[string]func(){}
)

// Arm makes the nth Hit (1-based) of the named point, and no other, call action.
func Arm(name string, nth int, action func()) {
	mu.Lock()
	defer mu.Unlock()
	after[name], do[name] = nth, action
	armed.Store(true)
}

// Reset disarms all points.
func Reset() {
	mu.Lock()
	defer mu.Unlock()
	clear(after)
	clear(do)
	armed.Store(false)
}

// Hit marks a step. Names are room.step, e.g. "run.before-commit".
func Hit(name string) {
	if !armed.Load() {
		return
	}
	mu.Lock()
	n, ok := after[name]
	action := do[name]
	if ok {
		after[name] = n - 1
	}
	mu.Unlock()
	if ok && n == 1 {
		action()
	}
}
