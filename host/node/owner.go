package node

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/adp-host/adp/host"
	"github.com/adp-host/adp/host/run"
)

// owner runs one product on this node: it sleeps until one of the product's inputs, its schedule or a command wakes
// it, makes attempts until nothing is pending, and sleeps again. Attempts of one product never overlap.
type owner struct {
	n  *Node
	id host.ProductID

	wakeup   chan struct{} // capacity 1: wake-ups coalesce
	commands chan command
	leaving  chan struct{} // closed when the product is to run elsewhere: the loop ends between two attempts
	done     chan struct{} // closed when the loop has ended

	leaveOnce sync.Once
	effects   *courier
	janitor   *janitor

	mu      sync.Mutex
	spec    host.Spec
	product *host.Product // with the spec's overrides applied
	loaded  loaded
	own     host.Ownership
	state   host.State
	reason  string
	hint    string // what to do about the reason
	busy    bool   // an attempt is under way or a wake-up is waiting
	lastRun host.RunStatus
	unwatch context.CancelFunc
}

// command is something a person asked for; it is carried out between attempts.
type command struct {
	verb  string
	apply func(ctx context.Context) (run.Result, error)
	reply chan outcome
}

type outcome struct {
	result run.Result
	err    error
}

// Waits between attempts that failed for a reason outside the product (a full disk, a missing folder).
const (
	retryFirst = time.Second
	retryLast  = time.Minute
)

func (o *owner) wake() {
	o.mu.Lock()
	o.busy = true
	o.mu.Unlock()
	select {
	case o.wakeup <- struct{}{}:
	default:
	}
}

func newOwner(n *Node, id host.ProductID, own host.Ownership) *owner {
	o := &owner{n: n, id: id, own: own, state: host.StateReady, wakeup: make(chan struct{}, 1), commands: make(chan command),
		leaving: make(chan struct{}), done: make(chan struct{})}
	o.janitor = &janitor{o: o}
	o.effects = &courier{o: o, mended: make(chan struct{}, 1)}
	return o
}

// leave ends the loop after the attempt that is under way.
func (o *owner) leave() { o.leaveOnce.Do(func() { close(o.leaving) }) }

// ended reports whether the loop has ended.
func (o *owner) ended() bool {
	select {
	case <-o.done:
		return true
	default:
		return false
	}
}

func (o *owner) ownership() host.Ownership {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.own
}

// loop runs the product until ctx ends or it leaves; newest is its newest head, nil when there is none.
func (o *owner) loop(ctx context.Context, newest *host.Head) {
	defer o.end()
	ctx, cancel := context.WithCancel(ctx) // when it leaves, effects that wait are left to the next owner
	defer cancel()
	o.effects.committed(ctx, newest)
	var schedule <-chan time.Time
	retry := time.NewTimer(time.Hour)
	retry.Stop()
	wait := retryFirst
	tidy := time.NewTimer(o.janitor.first())
	defer o.janitor.stop()
	for {
		if every := o.schedule(); every > 0 && schedule == nil {
			schedule = time.After(every)
		}
		a := run.Attempt{}
		select {
		case <-ctx.Done():
			return
		case <-o.leaving:
			return
		case <-tidy.C:
			tidy.Reset(o.janitor.tidy(ctx))
			continue
		case c := <-o.commands:
			o.janitor.stop() // a rollback brings back what it may be about to expire
			res, err := c.apply(ctx)
			c.reply <- outcome{res, err}
			o.wake()
			continue
		case <-schedule:
			schedule = nil
			a.Reason, a.Force = "schedule", true
		case <-retry.C:
		case <-o.wakeup:
		}
		retry.Stop()
		err := o.attempts(ctx, a)
		if transient(err) {
			retry.Reset(wait)
			wait = min(2*wait, retryLast)
		} else {
			wait = retryFirst
		}
		o.idle()
	}
}

// attempts runs until nothing is pending: what arrived during a run is picked up by the next one at once.
func (o *owner) attempts(ctx context.Context, a run.Attempt) error {
	for ctx.Err() == nil && !o.isLeaving() {
		if o.asleep() { // also when its schedule, set before the pause, comes round
			return nil
		}
		res, err := o.execute(ctx, a)
		if err != nil || res.State == host.RunIdle || res.State == host.RunHeld {
			return err
		}
		a = run.Attempt{}
	}
	return ctx.Err()
}

// execute makes one attempt. Its guest waits for a run slot.
func (o *owner) execute(ctx context.Context, a run.Attempt) (run.Result, error) {
	if err := o.n.attempts.acquire(ctx); err != nil {
		return run.Result{}, err
	}
	defer o.n.attempts.release()
	if err := o.n.awaitLease(ctx); err != nil {
		return run.Result{}, err
	}
	o.mu.Lock()
	o.busy = true
	before := o.state
	a.Product, a.Own = o.product, o.own
	a.Artifact, a.Module, a.Config = o.spec.Artifact, o.loaded.module, o.loaded.config
	a.ModuleBytes = o.loaded.bytes
	o.mu.Unlock()
	started := time.Now()
	res, err := o.n.runner.Execute(ctx, a)
	if errors.Is(err, errLostOwner) && ctx.Err() == nil {
		o.reclaim(ctx)
	}
	if err == nil {
		o.effects.committed(ctx, res.Head)
	}
	if res.State == host.RunIdle && err == nil {
		o.mu.Lock()
		if o.state = before; before == host.StateFailed { // what failed is not there any more
			o.state, o.reason = committedState(res.Head)
			o.hint = ""
		}
		o.mu.Unlock()
		return res, nil
	}
	if host.CodeOf(err) == host.CodeRunNotHeld { // a mistaken command is no failure of the product
		return res, err
	}
	if err != nil && res.Run.Started.IsZero() {
		res.Run.Started, res.Run.Duration = started.UTC(), time.Since(started)
	}
	o.record(res, err)
	return res, err
}

var errLostOwner = &host.Error{Code: host.CodeRunLostOwner}

// running shows that a run of the product is under way; its end is recorded by the owner.
func (n *Node) running(id host.ProductID) {
	if o := n.owner(id); o != nil {
		o.mu.Lock()
		o.state = host.StateRunning
		o.mu.Unlock()
	}
}

// reclaim takes the product back after a commit was refused, e.g. because this node was not heard of for a while. Where
// another node that is alive owns it, it is given up.
func (o *owner) reclaim(ctx context.Context) {
	own, err := o.n.cluster.Claim(ctx, o.id)
	if errors.Is(err, errLostOwner) {
		o.leave()
		return
	}
	if err != nil {
		o.n.log.Warn("cannot claim", "product", o.id.URL(), "error", err)
		return
	}
	o.mu.Lock()
	o.own = own
	o.mu.Unlock()
}

// record remembers how an attempt ended.
func (o *owner) record(res run.Result, err error) {
	if res.State == host.RunIdle && err == nil || errors.Is(err, context.Canceled) {
		return
	}
	st := host.RunStatus{RunRecord: res.Run, Seq: res.Pointer.Seq, State: res.State, Checks: res.Checks, Finished: time.Now().UTC()}
	o.mu.Lock()
	defer o.mu.Unlock()
	switch {
	case err != nil:
		st.State, st.Seq = host.RunFailed, 0
		st.Error, st.Code = err.Error(), host.CodeOf(err)
		o.state, o.reason, o.hint = host.StateFailed, err.Error(), host.HintOf(err)
	case res.State == host.RunHeld:
		o.state, o.reason, o.hint = host.StateHeld, heldReason(res.Checks), ""
	default:
		o.state, o.reason, o.hint = host.StateReady, "", ""
	}
	o.lastRun = st
	o.n.observe(o.id, st)
	if err != nil {
		o.n.log.Warn("run failed", "product", o.id.URL(), "error", err)
		if e := o.n.failures.add(o.id, st); e != nil {
			o.n.log.Warn("cannot write the run log", "error", e)
		}
	}
}

// committedState is what a newest head says of its product, with the reason.
func committedState(h *host.Head) (host.State, string) {
	if h != nil && h.Verdict == host.Held {
		return host.StateHeld, heldReason(h.Checks)
	}
	return host.StateReady, ""
}

// heldReason names the rules that hold an attempt.
func heldReason(checks []host.Check) string {
	for _, c := range checks {
		if c.Status == host.CheckFail && c.Action == host.Hold {
			return fmt.Sprintf("rule %s of port %s: %s, expected %s", c.Rule, c.Port, c.Reason, c.Expected)
		}
	}
	return "a rule held the attempt"
}

// idle clears busy unless another wake-up has come.
func (o *owner) idle() {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.wakeup) == 0 && len(o.commands) == 0 {
		o.busy = false
	}
}

func (o *owner) schedule() time.Duration {
	if o.asleep() {
		return 0
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.product.Schedule.Every
}

// asleep reports that nothing may run: the product is paused or retired.
func (o *owner) asleep() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.spec.Paused || o.spec.Retired
}

// end says that the loop is over. What the product's new owner does is no business of this node's watches.
func (o *owner) end() {
	o.effects.end()
	o.mu.Lock()
	o.busy = false
	if o.unwatch != nil {
		o.unwatch()
	}
	o.mu.Unlock()
	close(o.done)
	o.n.turnover.look(o.id)
}

func (o *owner) isLeaving() bool {
	select {
	case <-o.leaving:
		return true
	default:
		return false
	}
}

// do carries a command out between two attempts and returns its result.
func (o *owner) do(ctx context.Context, verb string, apply func(ctx context.Context) (run.Result, error)) (run.Result, error) {
	c := command{verb: verb, apply: apply, reply: make(chan outcome, 1)}
	o.mu.Lock()
	o.busy = true
	o.mu.Unlock()
	select {
	case o.commands <- c:
	case <-ctx.Done():
		return run.Result{}, ctx.Err()
	case <-o.done:
		return run.Result{}, host.Errorf(host.CodeRunLostOwner, "%s is not run by this node any more", o.id.URL())
	}
	select {
	case r := <-c.reply:
		return r.result, r.err
	case <-ctx.Done():
		return run.Result{}, ctx.Err()
	}
}

// transient reports whether an attempt failed for a reason that may pass without anybody changing the product.
func transient(err error) bool {
	switch host.CodeOf(err) {
	case host.CodeRunStore, host.CodeDriverOpen, host.CodeRunInput, host.CodeNodeEtcd, host.CodeNodeFull, host.CodeRunLostOwner, host.CodeAccessUnknown:
		return true
	}
	return false
}
