package clustertest

import (
	"context"
	"errors"
	"sync"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
)

// ErrCut is what a process gets from its connection after it was killed.
var ErrCut = errors.New("clustertest: this process is dead")

// Etcd is what a Link connects to: a Memory, or a client of a real etcd.
type Etcd interface {
	clientv3.KV
	Watch(ctx context.Context, key string, opts ...clientv3.OpOption) clientv3.WatchChan
	Grant(ctx context.Context, ttl int64) (*clientv3.LeaseGrantResponse, error)
	KeepAliveOnce(ctx context.Context, id clientv3.LeaseID) (*clientv3.LeaseKeepAliveResponse, error)
	Revoke(ctx context.Context, id clientv3.LeaseID) (*clientv3.LeaseRevokeResponse, error)
	TimeToLive(ctx context.Context, id clientv3.LeaseID, opts ...clientv3.LeaseOption) (*clientv3.LeaseTimeToLiveResponse, error)
}

// Fate is what happens to one call on its way.
type Fate struct {
	There time.Duration // until the request arrives
	Back  time.Duration // until the reply has come back
	Fault Fault
	Late  time.Duration // after which a request arrives, with ApplyLate, or arrives again, with Duplicate
}

// Link is one process's connection to an etcd. Gets, transactions, watches and leases pass through the weather; what else
// a clientv3.KV can do passes untouched.
type Link struct {
	Etcd
	// Fate is asked once for every call, with its verb (get, txn, grant, keep, left, revoke) and its first key.
	Fate func(verb, key string) Fate
	// Gate blocks while the process is paused.
	Gate func()
	// Deaf reports whether replies are lost at present: watches are silent as long.
	Deaf func() bool
	// Rewrite, when set, changes the comparisons of a transaction: a broken protocol that a test has to notice.
	Rewrite func(cmps []clientv3.Cmp, then []clientv3.Op) []clientv3.Cmp

	cut  sync.Once
	dead chan struct{}
	wg   sync.WaitGroup
}

// Open makes a link usable.
func (l *Link) Open() *Link {
	l.dead = make(chan struct{})
	return l
}

// Cut kills the process as far as the link can: nothing is sent and nothing comes back any more. What is on its way arrives.
func (l *Link) Cut() { l.cut.Do(func() { close(l.dead) }) }

// Wait returns when everything that is on its way has arrived.
func (l *Link) Wait() { l.wg.Wait() }

// Dead reports whether the link was cut.
func (l *Link) Dead() bool {
	select {
	case <-l.dead:
		return true
	default:
		return false
	}
}

// sleep waits, no longer than the process and the call live.
func (l *Link) sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-l.dead:
		return ErrCut
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}

// call sends a request through the weather. The request is done even when nobody waits for its reply any more.
func call[T any](l *Link, ctx context.Context, verb, key string, do func(context.Context) (T, error)) (T, error) {
	var none T
	l.Gate()
	if l.Dead() {
		return none, ErrCut
	}
	if err := ctx.Err(); err != nil {
		return none, err
	}
	f := l.Fate(verb, key)
	if f.Fault == ApplyLate || f.Fault == Duplicate {
		l.wg.Go(func() {
			time.Sleep(f.There + f.Late)
			_, _ = do(context.WithoutCancel(ctx))
		})
	}
	if f.Fault == LoseRequest || f.Fault == ApplyLate {
		if err := l.sleep(ctx, f.There+f.Back); err != nil {
			return none, err
		}
		l.Gate()
		return none, ErrLost
	}
	type answer struct {
		res T
		err error
	}
	back := make(chan answer, 1)
	l.wg.Go(func() {
		time.Sleep(f.There)
		res, err := do(context.WithoutCancel(ctx))
		time.Sleep(f.Back)
		back <- answer{res, err}
	})
	select {
	case <-l.dead:
		return none, ErrCut
	case <-ctx.Done():
	case a := <-back:
		back <- a
	}
	l.Gate()
	if l.Dead() {
		return none, ErrCut
	}
	select {
	case a := <-back: // also when time ran out at the same instant
		if f.Fault == LoseReply {
			return none, ErrLost
		}
		return a.res, a.err
	default:
		return none, ctx.Err()
	}
}

// Get reads through the weather.
func (l *Link) Get(ctx context.Context, key string, opts ...clientv3.OpOption) (*clientv3.GetResponse, error) {
	return call(l, ctx, "get", key, func(ctx context.Context) (*clientv3.GetResponse, error) { return l.Etcd.Get(ctx, key, opts...) })
}

// Grant makes a lease through the weather.
func (l *Link) Grant(ctx context.Context, ttl int64) (*clientv3.LeaseGrantResponse, error) {
	return call(l, ctx, "grant", "", func(ctx context.Context) (*clientv3.LeaseGrantResponse, error) { return l.Etcd.Grant(ctx, ttl) })
}

// KeepAliveOnce extends a lease through the weather.
func (l *Link) KeepAliveOnce(ctx context.Context, id clientv3.LeaseID) (*clientv3.LeaseKeepAliveResponse, error) {
	return call(l, ctx, "keep", "", func(ctx context.Context) (*clientv3.LeaseKeepAliveResponse, error) {
		return l.Etcd.KeepAliveOnce(ctx, id)
	})
}

// Revoke ends a lease through the weather.
func (l *Link) Revoke(ctx context.Context, id clientv3.LeaseID) (*clientv3.LeaseRevokeResponse, error) {
	return call(l, ctx, "revoke", "", func(ctx context.Context) (*clientv3.LeaseRevokeResponse, error) { return l.Etcd.Revoke(ctx, id) })
}

// TimeToLive asks for the rest of a lease through the weather.
func (l *Link) TimeToLive(ctx context.Context, id clientv3.LeaseID, opts ...clientv3.LeaseOption) (*clientv3.LeaseTimeToLiveResponse, error) {
	return call(l, ctx, "left", "", func(ctx context.Context) (*clientv3.LeaseTimeToLiveResponse, error) {
		return l.Etcd.TimeToLive(ctx, id, opts...)
	})
}

// Watch passes on what is told, late and not while the process is deaf.
func (l *Link) Watch(ctx context.Context, key string, opts ...clientv3.OpOption) clientv3.WatchChan {
	out := make(chan clientv3.WatchResponse)
	in := l.Etcd.Watch(ctx, key, opts...)
	go func() {
		defer close(out)
		for res := range in {
			for f := l.Fate("watch", key); ; {
				if l.sleep(ctx, f.There+f.Back) != nil {
					return
				}
				if !l.Deaf() {
					break
				}
			}
			l.Gate()
			select {
			case out <- res:
			case <-ctx.Done():
				return
			case <-l.dead:
				return
			}
		}
	}()
	return out
}

// Txn begins a transaction.
func (l *Link) Txn(ctx context.Context) clientv3.Txn { return &linkTxn{l: l, ctx: ctx} }

type linkTxn struct {
	l         *Link
	ctx       context.Context
	cmps      []clientv3.Cmp
	then, els []clientv3.Op
}

func (t *linkTxn) If(cmps ...clientv3.Cmp) clientv3.Txn {
	t.cmps = append(t.cmps, cmps...)
	return t
}

func (t *linkTxn) Then(ops ...clientv3.Op) clientv3.Txn {
	t.then = append(t.then, ops...)
	return t
}

func (t *linkTxn) Else(ops ...clientv3.Op) clientv3.Txn {
	t.els = append(t.els, ops...)
	return t
}

// Commit sends the transaction through the weather.
func (t *linkTxn) Commit() (*clientv3.TxnResponse, error) {
	if t.l.Rewrite != nil {
		t.cmps = t.l.Rewrite(t.cmps, t.then)
	}
	key := ""
	for _, op := range t.then {
		if key = string(op.KeyBytes()); !op.IsGet() {
			break
		}
	}
	return call(t.l, t.ctx, "txn", key, func(ctx context.Context) (*clientv3.TxnResponse, error) {
		return t.l.Etcd.Txn(ctx).If(t.cmps...).Then(t.then...).Else(t.els...).Commit()
	})
}
