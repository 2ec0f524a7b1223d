package turns

import (
	"context"
	"runtime"
	"testing"
	"testing/synctest"
	"time"
)

// looks has runs take slots, of so many, and lets each look in turn for a millisecond, as they do at their refills.
func looks(t *testing.T, slots, runs int) (rested []time.Duration) {
	s := New(Config{Slots: slots})
	s.lookout.needed = slots > 1
	rested = make([]time.Duration, runs)
	done := make(chan struct{})
	for n := range runs {
		go func() {
			r := admit(t, s, "t", "p", 0)
			defer r.Done()
			if err := r.Enter(context.Background()); err != nil {
				t.Error(err)
			}
			time.Sleep(time.Duration(n+1) * 10 * time.Microsecond) // one after the other
			for range 10 {
				rested[n] += r.Look()
				time.Sleep(100 * time.Microsecond)
			}
			done <- struct{}{}
		}()
	}
	for range runs {
		<-done
	}
	return rested
}

// One guest rests until another comes to its refill, where all slots are taken; nobody rests where one is free, or where
// nobody could end the rest.
func TestLook(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		if rested := looks(t, 2, 2); rested[0] != 10*time.Microsecond || rested[1] != 0 {
			t.Errorf("with all slots taken they rested %v", rested)
		}
		if rested := looks(t, 3, 2); rested[0] != 0 || rested[1] != 0 {
			t.Errorf("with a slot free they rested %v", rested)
		}
		if rested := looks(t, 1, 1); rested[0] != 0 {
			t.Errorf("alone it rested %v", rested)
		}
	})
	for procs, needed := range map[int]bool{2: true, 3: false} {
		func() {
			defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(procs))
			if New(Config{Slots: 2}).lookout.needed != needed {
				t.Errorf("two slots of %d processors: %v", procs, !needed)
			}
		}()
	}
}

// A rest ends by itself when all others have ended.
func TestLooksInVain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := New(Config{Slots: 2})
		s.lookout.needed = true
		a, b := admit(t, s, "t", "a", 0), admit(t, s, "t", "b", 0)
		for _, r := range []*Run{a, b} {
			if err := r.Enter(context.Background()); err != nil {
				t.Fatal(err)
			}
		}
		go func() {
			time.Sleep(time.Microsecond)
			b.Done()
		}()
		if rested := a.Look(); rested != lookEvery {
			t.Errorf("it rested %v", rested)
		}
		a.Done()
	})
}
