package sandbox

import (
	"context"
	"testing"
	"time"

	"github.com/adp-host/adp/host"
)

// The time that a guest waits for its turn, at the beginning of a call or behind a host function, is not taken from its
// deadline; and while it is in a host function that may wait, its slot is another's.
func TestWaitingIsNotTheGuests(t *testing.T) {
	e := newEngine(t, Config{Slots: 1})
	s := specOf(assemble(t, echo.text()), numbers)
	s.Product.Limits.Deadline = 150 * time.Millisecond
	ctx := context.Background()
	other, err := e.turns.Admit(ctx, "t", "p", 0)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Done()
	hold := func() { // the slot, for longer than the deadline
		if err := other.Enter(ctx); err != nil {
			t.Error(err)
		}
		time.AfterFunc(2*s.Product.Limits.Deadline, func() { other.Leave() })
	}
	f := &fake{onEmit: func(context.Context) error {
		hold()
		return nil
	}}
	i := start(t, e, s, f)
	hold()
	if err := i.Open(ctx); err != nil {
		t.Fatal(err)
	}
	if err := i.Process(ctx, 0, counting(1)); err != nil {
		t.Fatal(err)
	}
}

// A run that asks for more memory than its tenant or product may ever have is refused, with the reason; one that is told to
// stop does not wait on.
func TestShareOfMemory(t *testing.T) {
	e := newEngine(t, Config{Guests: 1, Shares: func(tenant, product string) (Share, Share) {
		return Share{Memory: 32 << 20}, Share{}
	}})
	s := specOf(assemble(t, echo.text()), numbers)
	_, err := e.Start(context.Background(), s, &fake{})
	wantError(t, err, host.CodeGuestShare, "adp://./test/guest", "64 MiB", "tenant local has 32 MiB")
	s.Product.Limits.Memory = 16 << 20
	start(t, e, s, &fake{})
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := e.Start(ctx, s, &fake{}); err != context.Canceled {
		t.Errorf("%v", err)
	}
}
