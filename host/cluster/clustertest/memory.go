package clustertest

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"sync"

	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/mvccpb"
	clientv3 "go.etcd.io/etcd/client/v3"
)

// Memory is a clientv3.KV in memory: current values only, no leases, no limits. TestMemory holds it against a real etcd.
type Memory struct {
	// OnPut, when set, sees every put before it is done, in order, while nothing else moves. get reads the state before it.
	OnPut func(key string, value []byte, get func(key string) []byte)

	mu       sync.Mutex
	revision int64
	kvs      map[string]*mvccpb.KeyValue
}

// NewMemory is an empty one, at etcd's first revision.
func NewMemory() *Memory { return &Memory{revision: 1, kvs: map[string]*mvccpb.KeyValue{}} }

// Get reads a key or a range.
func (m *Memory) Get(ctx context.Context, key string, opts ...clientv3.OpOption) (*clientv3.GetResponse, error) {
	res, err := m.Do(ctx, clientv3.OpGet(key, opts...))
	return res.Get(), err
}

// Put writes a key.
func (m *Memory) Put(ctx context.Context, key, value string, opts ...clientv3.OpOption) (*clientv3.PutResponse, error) {
	res, err := m.Do(ctx, clientv3.OpPut(key, value, opts...))
	return res.Put(), err
}

// Delete removes a key or a range.
func (m *Memory) Delete(ctx context.Context, key string, opts ...clientv3.OpOption) (*clientv3.DeleteResponse, error) {
	res, err := m.Do(ctx, clientv3.OpDelete(key, opts...))
	return res.Del(), err
}

// Do does one operation that is not a transaction.
func (m *Memory) Do(ctx context.Context, op clientv3.Op) (clientv3.OpResponse, error) {
	if err := ctx.Err(); err != nil {
		return clientv3.OpResponse{}, err
	}
	res := m.apply(nil, []clientv3.Op{op}, nil)
	switch one := res.Responses[0]; {
	case op.IsGet():
		r := one.GetResponseRange()
		r.Header = res.Header
		return (*clientv3.GetResponse)(r).OpResponse(), nil
	case op.IsPut():
		r := one.GetResponsePut()
		r.Header = res.Header
		return (*clientv3.PutResponse)(r).OpResponse(), nil
	default:
		r := one.GetResponseDeleteRange()
		r.Header = res.Header
		return (*clientv3.DeleteResponse)(r).OpResponse(), nil
	}
}

// GetStream is not offered.
func (m *Memory) GetStream(context.Context, string, ...clientv3.OpOption) (clientv3.GetStreamChan, error) {
	return nil, errors.ErrUnsupported
}

// Compact is not offered: there is no history.
func (m *Memory) Compact(context.Context, int64, ...clientv3.CompactOption) (*clientv3.CompactResponse, error) {
	return nil, errors.ErrUnsupported
}

// Txn begins a transaction.
func (m *Memory) Txn(ctx context.Context) clientv3.Txn { return &memoryTxn{m: m, ctx: ctx} }

type memoryTxn struct {
	m         *Memory
	ctx       context.Context
	cmps      []clientv3.Cmp
	then, els []clientv3.Op
}

func (t *memoryTxn) If(cmps ...clientv3.Cmp) clientv3.Txn {
	t.cmps = append(t.cmps, cmps...)
	return t
}

func (t *memoryTxn) Then(ops ...clientv3.Op) clientv3.Txn {
	t.then = append(t.then, ops...)
	return t
}

func (t *memoryTxn) Else(ops ...clientv3.Op) clientv3.Txn {
	t.els = append(t.els, ops...)
	return t
}

func (t *memoryTxn) Commit() (*clientv3.TxnResponse, error) {
	if err := t.ctx.Err(); err != nil {
		return nil, err
	}
	return t.m.apply(t.cmps, t.then, t.els), nil
}

func (m *Memory) apply(cmps []clientv3.Cmp, then, els []clientv3.Op) *clientv3.TxnResponse {
	m.mu.Lock()
	defer m.mu.Unlock()
	res := &clientv3.TxnResponse{Succeeded: true}
	for _, c := range cmps {
		res.Succeeded = res.Succeeded && m.holds(c.GetCompare())
	}
	ops := then
	if !res.Succeeded {
		ops = els
	}
	at := m.revision + 1
	for _, op := range ops {
		res.Responses = append(res.Responses, m.do(op, at))
	}
	res.Header = &etcdserverpb.ResponseHeader{Revision: m.revision}
	return res
}

func (m *Memory) holds(c *etcdserverpb.Compare) bool {
	kv := m.kvs[string(c.Key)]
	if kv == nil {
		if c.Target == etcdserverpb.Compare_VALUE {
			return false
		}
		kv = &mvccpb.KeyValue{}
	}
	var order int
	switch c.Target {
	case etcdserverpb.Compare_VALUE:
		order = bytes.Compare(kv.Value, c.GetValue())
	case etcdserverpb.Compare_MOD:
		order = int(kv.ModRevision - c.GetModRevision())
	case etcdserverpb.Compare_CREATE:
		order = int(kv.CreateRevision - c.GetCreateRevision())
	default:
		panic("clustertest: comparison of " + c.Target.String())
	}
	switch c.Result {
	case etcdserverpb.Compare_EQUAL:
		return order == 0
	case etcdserverpb.Compare_NOT_EQUAL:
		return order != 0
	case etcdserverpb.Compare_GREATER:
		return order > 0
	}
	return order < 0
}

func (m *Memory) do(op clientv3.Op, at int64) *etcdserverpb.ResponseOp {
	switch {
	case op.IsPut():
		m.put(op, at)
		return &etcdserverpb.ResponseOp{Response: &etcdserverpb.ResponseOp_ResponsePut{ResponsePut: &etcdserverpb.PutResponse{}}}
	case op.IsDelete():
		found := m.within(op)
		for _, kv := range found {
			delete(m.kvs, string(kv.Key))
			m.revision = at
		}
		return &etcdserverpb.ResponseOp{Response: &etcdserverpb.ResponseOp_ResponseDeleteRange{
			ResponseDeleteRange: &etcdserverpb.DeleteRangeResponse{Deleted: int64(len(found))}}}
	}
	found := m.within(op)
	r := &etcdserverpb.RangeResponse{Count: int64(len(found))}
	for _, kv := range found {
		if kv.ModRevision < op.MinModRev() {
			continue
		}
		if n := op.Limit(); n > 0 && int64(len(r.Kvs)) == n {
			r.More = true
			break
		}
		r.Kvs = append(r.Kvs, kv)
	}
	return &etcdserverpb.ResponseOp{Response: &etcdserverpb.ResponseOp_ResponseRange{ResponseRange: r}}
}

// put replaces the entry: entries that have been handed out never change.
func (m *Memory) put(op clientv3.Op, at int64) {
	key := string(op.KeyBytes())
	if m.OnPut != nil {
		m.OnPut(key, op.ValueBytes(), func(key string) []byte {
			if kv := m.kvs[key]; kv != nil {
				return kv.Value
			}
			return nil
		})
	}
	next := &mvccpb.KeyValue{Key: bytes.Clone(op.KeyBytes()), Value: bytes.Clone(op.ValueBytes()), CreateRevision: at, ModRevision: at, Version: 1}
	if old := m.kvs[key]; old != nil {
		next.CreateRevision, next.Version = old.CreateRevision, old.Version+1
	}
	m.kvs[key], m.revision = next, at
}

// within are the entries of a key or a range, in order.
func (m *Memory) within(op clientv3.Op) []*mvccpb.KeyValue {
	if op.RangeBytes() == nil {
		if kv := m.kvs[string(op.KeyBytes())]; kv != nil {
			return []*mvccpb.KeyValue{kv}
		}
		return nil
	}
	var out []*mvccpb.KeyValue
	for key, kv := range m.kvs {
		if key >= string(op.KeyBytes()) && key < string(op.RangeBytes()) {
			out = append(out, kv)
		}
	}
	slices.SortFunc(out, func(a, b *mvccpb.KeyValue) int { return bytes.Compare(a.Key, b.Key) })
	return out
}
