package cluster

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/adp-host/adp/host"
)

// txn is one transaction: if all comparisons hold Then is done, else Else.
type txn struct {
	If   []clientv3.Cmp
	Then []clientv3.Op
	Else []clientv3.Op
}

// outcome is the known result of a transaction.
type outcome struct {
	ok       bool
	resent   bool // an earlier sending may have been applied: !ok does not mean that it never happened
	revision int64
	response *clientv3.TxnResponse
}

// kv is the value and revision that the i-th operation, an OpGet of one key, found; nil and 0 when there is none.
func (o outcome) kv(i int) ([]byte, int64) {
	kvs := o.response.Responses[i].GetResponseRange().Kvs
	if len(kvs) == 0 {
		return nil, 0
	}
	return kvs[0].Value, kvs[0].ModRevision
}

// created is the revision at which the key of the i-th operation was made; 0 when there is none.
func (o outcome) created(i int) int64 {
	if kvs := o.response.Responses[i].GetResponseRange().Kvs; len(kvs) > 0 {
		return kvs[0].CreateRevision
	}
	return 0
}

func (o outcome) value(i int) []byte {
	v, _ := o.kv(i)
	return v
}

// Waits between two sendings of a transaction whose result is unknown.
const (
	resendFirst = time.Millisecond
	resendLast  = 250 * time.Millisecond
)

// settle sends one transaction until its result is known. A lost reply looks like a lost request, so what is sent again
// is the identical transaction: its comparisons let it take effect at most once. It gives up when ctx ends or the
// cluster closes; then nobody knows yet, and a request that is still on its way may even be applied later. A sender that has
// been replaced as a whole gets the error of fencedOff.
func (c *Cluster) settle(ctx context.Context, what string, t txn) (outcome, error) {
	o, err := c.settled(ctx, what, c.fenced(t))
	if err == nil {
		err = c.fencedOff(what, o)
	}
	return o, err
}

func (c *Cluster) settled(ctx context.Context, what string, t txn) (outcome, error) {
	wait, patience := resendFirst, tryFirst
	for resent := false; ; resent = true {
		res, err := c.send(ctx, patience, t)
		if err == nil {
			return outcome{ok: res.Succeeded, resent: resent, revision: res.Header.Revision, response: res}, nil
		}
		switch {
		case errors.Is(err, rpctypes.ErrNoSpace):
			if o, known, err := c.afterNoSpace(ctx, patience, what, t, resent, err); known {
				return o, err
			}
		case refused(err) && !resent:
			return outcome{}, failure(what, err)
		}
		select {
		case <-ctx.Done():
			return outcome{}, unknown(what, errors.Join(context.Cause(ctx), err))
		case <-c.ctx.Done():
			return outcome{}, unknown(what, err)
		case <-time.After(wait):
		}
		wait, patience = min(2*wait, resendLast), min(2*patience, tryLast)
	}
}

// afterNoSpace tells what became of a transaction that etcd had no space for: it applies the one that crosses the quota, and
// says no to that, too. Reading still works, and the transaction's own comparisons tell, since they fail once it was applied.
func (c *Cluster) afterNoSpace(ctx context.Context, patience time.Duration, what string, t txn, resent bool, noSpace error) (o outcome, known bool, err error) {
	res, err := c.send(ctx, patience, txn{If: t.If, Else: t.Else})
	switch {
	case err != nil:
		return o, false, nil
	case !res.Succeeded:
		return outcome{resent: true, revision: res.Header.Revision, response: res}, true, nil
	}
	return o, !resent, failure(what, noSpace) // what was sent before may still be on its way
}

// A member that hangs, or that is cut off without a word, takes requests and never answers, and gRPC notices after 12 s
// at the earliest. Whoever does not wait that long may meet another member at the next try. Patience grows, for an etcd
// that is slow as a whole.
const (
	tryFirst  = time.Second
	tryLast   = 4 * time.Second
	readTries = 4
)

// send sends a transaction once.
func (c *Cluster) send(ctx context.Context, patience time.Duration, t txn) (*clientv3.TxnResponse, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	return c.kv.Txn(ctx).If(t.If...).Then(t.Then...).Else(t.Else...).Commit()
}

// reading reads, with growing patience.
func reading[T any](ctx context.Context, read func(context.Context, time.Duration) (T, error)) (res T, err error) {
	patience := tryFirst
	for range readTries {
		began := time.Now()
		res, err = read(ctx, patience)
		if err == nil || ctx.Err() != nil || time.Since(began) < patience { // it failed for another reason
			break
		}
		patience = min(2*patience, tryLast)
	}
	return res, err
}

// patient is a clientv3.KV whose reads are tried again.
type patient struct{ clientv3.KV }

func (p patient) Get(ctx context.Context, key string, opts ...clientv3.OpOption) (*clientv3.GetResponse, error) {
	return reading(ctx, func(ctx context.Context, patience time.Duration) (*clientv3.GetResponse, error) {
		ctx, cancel := context.WithTimeout(ctx, patience)
		defer cancel()
		return p.KV.Get(ctx, key, opts...)
	})
}

// refused reports whether etcd said no, as opposed to saying nothing: the transaction was not and will not be applied.
func refused(err error) bool {
	var e rpctypes.EtcdError
	if !errors.As(err, &e) {
		return false
	}
	switch e.Code() {
	case codes.InvalidArgument, codes.ResourceExhausted, codes.PermissionDenied, codes.Unauthenticated, codes.NotFound:
		return true
	}
	return false
}

// failure is an error of etcd in words.
func failure(what string, err error) error {
	if err == nil {
		return nil
	}
	if errors.Is(err, rpctypes.ErrNoSpace) {
		return full(what, err)
	}
	e := host.Errorf(host.CodeNodeEtcd, "%s: %w", what, err)
	if silent(err) {
		_ = e.WithHint("etcd has lost the majority of its members, or this node cannot reach it: start the members again, or look at the network between; what is published stays readable, and nothing has to be undone")
	}
	return e
}

// silent reports whether etcd said nothing, or that it cannot: it has no leader, or is away.
func silent(err error) bool {
	if errors.Is(err, context.DeadlineExceeded) {
		return true
	}
	var e rpctypes.EtcdError
	code := status.Code(err)
	if errors.As(err, &e) {
		code = e.Code()
	}
	return code == codes.Unavailable || code == codes.DeadlineExceeded
}

func unknown(what string, err error) error {
	return host.Errorf(host.CodeNodeEtcd, "%s: %w", what, fmt.Errorf("%w: %w", ErrUnknown, err)).
		WithHint("what etcd says later is what counts; nothing has to be undone")
}

// ErrUnknown is wrapped by errors of calls whose effect nobody knows yet: it may have happened, or may happen later.
var ErrUnknown = errors.New("the result is not known")
