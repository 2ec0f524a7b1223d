// Package clustertest stands between the protocol of host/cluster and etcd, and loses what a network loses.
package clustertest

import (
	"context"
	"errors"
	"sync"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
)

// Fault is what happens to one transaction on its way.
type Fault int

const (
	None        Fault = iota
	LoseRequest       // it never arrives; the sender learns nothing
	LoseReply         // it is applied; the sender learns nothing
	ApplyLate         // the sender learns nothing, and it is applied later
	Duplicate         // it is applied and answered, and arrives once more; of a Link only
)

// ErrLost is what a sender gets instead of a reply.
var ErrLost = errors.New("clustertest: nothing came back")

// Faulty is a clientv3.KV whose transactions meet faults. Only transactions that write do.
type Faulty struct {
	clientv3.KV
	// Plan is asked once for every sending of a transaction that writes, with the keys it writes.
	Plan func(keys []string) Fault
	// Late is how long after its sending a transaction with ApplyLate arrives.
	Late func() time.Duration
	// Strip, when set, takes comparisons away: a broken protocol that a test has to notice.
	Strip func(clientv3.Cmp) bool

	wg sync.WaitGroup
}

// Wait returns when everything that is late has arrived.
func (f *Faulty) Wait() { f.wg.Wait() }

// Txn begins a transaction.
func (f *Faulty) Txn(ctx context.Context) clientv3.Txn { return &faultyTxn{f: f, ctx: ctx} }

type faultyTxn struct {
	f         *Faulty
	ctx       context.Context
	cmps      []clientv3.Cmp
	then, els []clientv3.Op
}

func (t *faultyTxn) If(cmps ...clientv3.Cmp) clientv3.Txn {
	for _, c := range cmps {
		if t.f.Strip == nil || !t.f.Strip(c) {
			t.cmps = append(t.cmps, c)
		}
	}
	return t
}

func (t *faultyTxn) Then(ops ...clientv3.Op) clientv3.Txn {
	t.then = append(t.then, ops...)
	return t
}

func (t *faultyTxn) Else(ops ...clientv3.Op) clientv3.Txn {
	t.els = append(t.els, ops...)
	return t
}

// Commit sends the transaction through the weather.
func (t *faultyTxn) Commit() (*clientv3.TxnResponse, error) {
	var keys []string
	for _, op := range t.then {
		if !op.IsGet() {
			keys = append(keys, string(op.KeyBytes()))
		}
	}
	fault := None
	if len(keys) > 0 && t.f.Plan != nil {
		fault = t.f.Plan(keys)
	}
	switch fault {
	case LoseRequest:
		return nil, ErrLost
	case LoseReply:
		_, err := t.send(t.ctx)
		return nil, errors.Join(ErrLost, err)
	case ApplyLate:
		t.f.wg.Go(func() {
			time.Sleep(t.f.Late())
			_, _ = t.send(context.WithoutCancel(t.ctx))
		})
		return nil, ErrLost
	}
	return t.send(t.ctx)
}

func (t *faultyTxn) send(ctx context.Context) (*clientv3.TxnResponse, error) {
	return t.f.KV.Txn(ctx).If(t.cmps...).Then(t.then...).Else(t.els...).Commit()
}
