package turns

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// Work in these tests takes fake time: a unit of fuel is a nanosecond, and a refill comes every quantum.
const quantum = 100_000

// compute has a run use fuel, giving way where it must, and returns how long it took.
func compute(t *testing.T, r *Run, fuel int64) time.Duration {
	start := time.Now()
	ctx := context.Background()
	for done := int64(0); done < fuel; done += quantum {
		if err := r.Enter(ctx); err != nil {
			t.Error(err)
			return 0
		}
		time.Sleep(quantum)
		if r.Spend(quantum) {
			r.Leave()
		}
	}
	r.Leave()
	return time.Since(start)
}

func admit(t *testing.T, s *Turns, tenant, product string, memory int64) *Run {
	t.Helper()
	r, err := s.Admit(context.Background(), tenant, product, memory)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// attack has products compute until they are stopped. had is what each has had, by its name.
func attack(t *testing.T, s *Turns, names ...[2]string) (had map[[2]string]*atomic.Int64, stop func()) {
	had = map[[2]string]*atomic.Int64{}
	var stopped atomic.Bool
	var wg sync.WaitGroup
	for _, n := range names {
		fuel := new(atomic.Int64)
		had[n] = fuel
		r := admit(t, s, n[0], n[1], 0)
		wg.Go(func() {
			defer r.Done()
			for !stopped.Load() {
				compute(t, r, 10*quantum)
				fuel.Add(10 * quantum)
			}
		})
	}
	return had, func() {
		stopped.Store(true)
		wg.Wait()
	}
}

// Tenants get fuel by weight, and products of one tenant the same, however many they are.
func TestShares(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := New(Config{Slots: 2, Shares: func(tenant, _ string) (Share, Share) {
			return Share{Weight: map[string]int64{"heavy": 3}[tenant]}, Share{}
		}})
		had, stop := attack(t, s, [2]string{"a", "1"}, [2]string{"a", "2"}, [2]string{"a", "3"}, [2]string{"a", "4"},
			[2]string{"b", "1"}, [2]string{"b", "2"}, [2]string{"heavy", "1"}, [2]string{"heavy", "2"}, [2]string{"heavy", "3"})
		time.Sleep(10 * time.Second)
		stop()
		for n, want := range map[[2]string]float64{{"a", "1"}: 1, {"a", "4"}: 1, {"b", "1"}: 2, {"b", "2"}: 2, {"heavy", "1"}: 4, {"heavy", "3"}: 4} {
			if got := float64(had[n].Load()) / 1e9; got < 0.97*want || got > 1.03*want {
				t.Errorf("%s: %.2f s of two slots for 10 s, want %.2f", n, got, want)
			}
		}
	})
}

// The runs of one product share what it has.
func TestRunsOfOneProduct(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := New(Config{Slots: 2})
		var all []map[[2]string]*atomic.Int64
		var stops []func()
		for range 3 {
			had, stop := attack(t, s, [2]string{"t", "p"})
			all, stops = append(all, had), append(stops, stop)
		}
		time.Sleep(3 * time.Second)
		for n, had := range all {
			if got := float64(had[[2]string{"t", "p"}].Load()) / 1e9; got < 1.95 || got > 2.05 {
				t.Errorf("run %d had %.2f s of two slots for 3 s", n, got)
			}
		}
		for _, stop := range stops {
			stop()
		}
	})
}

// Who computes a little now and then does not wait for those who always do, whether they are of his tenant or another, and
// whether they began long ago or now.
func TestVictim(t *testing.T) {
	for _, who := range [][2]string{{"victim", "victim"}, {"attacker", "victim"}} {
		synctest.Test(t, func(t *testing.T) {
			s := New(Config{Slots: 2})
			var names [][2]string
			for n := range 8 {
				names = append(names, [2]string{"attacker", fmt.Sprint(n)})
			}
			_, stop := attack(t, s, names...)
			time.Sleep(time.Second)
			for range 50 {
				time.Sleep(17 * time.Millisecond)
				start := time.Now()
				r := admit(t, s, who[0], who[1], 0)
				compute(t, r, 2_000_000)
				r.Done()
				if took := time.Since(start); took > 3*time.Millisecond {
					t.Errorf("2 ms of work of %s took %v", who, took)
				}
			}
			stop()
		})
	}
}

// Idleness is not saved up: who comes after a while takes his credit and then shares.
func TestIdlenessIsForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := New(Config{Slots: 1})
		late := admit(t, s, "late", "1", 0) // admitted, and waits for its input
		compute(t, late, quantum)
		had, stop := attack(t, s, [2]string{"early", "1"})
		time.Sleep(10 * time.Second)
		before := had[[2]string{"early", "1"}].Load()
		compute(t, late, 200_000_000)
		if got := time.Duration(had[[2]string{"early", "1"}].Load() - before); got < 170*time.Millisecond {
			t.Errorf("in 200 ms of work of somebody who came late the other got %v", got)
		}
		stop()
		late.Done()
	})
}

// A rate of fuel holds for a tenant and for a product, and a product that has used up its own does not stop another.
func TestFuelPerSecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := New(Config{Slots: 2, Shares: func(tenant, product string) (Share, Share) {
			return Share{FuelPerSecond: 200_000_000}, Share{FuelPerSecond: map[string]int64{"slow": 50_000_000}[product]}
		}})
		had, stop := attack(t, s, [2]string{"t", "slow"}, [2]string{"t", "fast"}, [2]string{"other", "one"})
		time.Sleep(10 * time.Second)
		stop()
		for n, want := range map[[2]string]float64{{"t", "slow"}: 0.5, {"t", "fast"}: 1.5, {"other", "one"}: 2} {
			if got := float64(had[n].Load()) / 1e9; got < 0.95*want || got > 1.1*want {
				t.Errorf("%s had %.3f s of fuel in 10 s, want %.3f", n, got, want)
			}
		}
	})
}

// Runs at once and their memory are bounded for a tenant, for a product and for all; who is beyond waits, and others pass.
func TestAdmission(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := New(Config{Slots: 1, Guests: 5, Shares: func(tenant, product string) (Share, Share) {
			return Share{Runs: 2, Memory: 100}, Share{Runs: map[string]int{"single": 1}[product], Memory: map[string]int64{"small": 50}[product]}
		}})
		begun := map[string]*Run{}
		ctx, stop := context.WithCancelCause(context.Background())
		begin := func(name, tenant, product string, memory int64) {
			go func() {
				r, err := s.Admit(ctx, tenant, product, memory)
				if err == nil {
					begun[name] = r
				} else if context.Cause(ctx) == nil || !errors.Is(err, context.Cause(ctx)) {
					t.Errorf("%s: %v", name, err)
				}
			}()
			synctest.Wait()
		}
		expect := func(names ...string) {
			t.Helper()
			if len(begun) != len(names) {
				t.Errorf("begun: %v, want %v", begun, names)
			}
			for _, n := range names {
				if begun[n] == nil {
					t.Errorf("%s has not begun", n)
				}
			}
		}
		end := func(name string) {
			begun[name].Done()
			delete(begun, name)
			synctest.Wait()
		}
		begin("a", "t", "single", 10)
		begin("b", "t", "single", 10)
		expect("a") // one run of the product
		begin("c", "t", "p", 95)
		expect("a") // no memory for c
		begin("d", "t", "p", 50)
		expect("a", "d")
		begin("e", "t", "p", 1)
		expect("a", "d") // two runs of the tenant
		begin("f", "u", "p", 100)
		expect("a", "d", "f")
		end("d")
		expect("a", "f", "e")
		end("a")
		expect("f", "e", "b")
		begin("g", "v", "p", 1)
		begin("h", "v", "p", 1)
		begin("i", "w", "p", 1)
		expect("f", "e", "b", "g", "h") // five in all
		end("e")
		expect("f", "b", "g", "h", "i") // before c, which has no room
		end("b")
		end("f")
		expect("g", "h", "i", "c")
		begin("j", "v", "p", 1)
		expect("g", "h", "i", "c")
		stop(errors.New("enough"))
		synctest.Wait()
		for n := range begun {
			end(n)
		}
		if s.guests != 0 || len(s.entering) != 0 || s.of["v"].active != 0 {
			t.Errorf("%d guests, %d entering", s.guests, len(s.entering))
		}
		var large *TooLarge
		if _, err := s.Admit(context.Background(), "t", "p", 101); !errors.As(err, &large) || large.Whose != "tenant t" {
			t.Errorf("%v", err)
		}
		if _, err := s.Admit(context.Background(), "t", "small", 51); !errors.As(err, &large) || large.Whose != "product small" {
			t.Errorf("%v", err)
		}
	})
}

// A tenant with many runs that wait to begin does not keep another from beginning one.
func TestFewestBegin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := New(Config{Slots: 1, Guests: 2})
		a, b := admit(t, s, "many", "1", 0), admit(t, s, "many", "2", 0)
		var order []string
		for _, tenant := range []string{"many", "many", "few"} {
			go func() {
				r := admit(t, s, tenant, "3", 0)
				order = append(order, tenant)
				r.Done()
			}()
			synctest.Wait()
		}
		a.Done()
		synctest.Wait()
		b.Done()
		synctest.Wait()
		if order[0] != "few" {
			t.Errorf("they began as %v", order)
		}
	})
}

// Whoever stops waiting leaves nothing behind, and a slot that reaches him too late goes to the next.
func TestGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := New(Config{Slots: 1})
		a, b := admit(t, s, "t", "a", 0), admit(t, s, "t", "b", 0)
		if err := a.Enter(context.Background()); err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancelCause(context.Background())
		enough := errors.New("enough")
		go stop(enough)
		if err := b.Enter(ctx); !errors.Is(err, enough) {
			t.Error(err)
		}
		a.Done()
		b.Done()
		if s.free != 1 || len(s.waiting) != 0 || len(s.holding) != 0 || s.of["t"].computing != 0 {
			t.Errorf("%d free, %d wait", s.free, len(s.waiting))
		}
	})
}

// Parties that do nothing are forgotten when there are many.
func TestForgets(t *testing.T) {
	s := New(Config{Slots: 1})
	for n := range 3 * remembered {
		admit(t, s, fmt.Sprint(n), "p", 0).Done()
		admit(t, s, "t", fmt.Sprint(n), 0).Done()
	}
	if len(s.of) > remembered+1 || len(s.of["t"].of) > remembered+1 {
		t.Errorf("%d tenants and %d products are remembered", len(s.of), len(s.of["t"].of))
	}
}
