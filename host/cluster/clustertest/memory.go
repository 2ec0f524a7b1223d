package clustertest

import (
	"bytes"
	"cmp"
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/mvccpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
	"google.golang.org/grpc"
)

// Memory is an etcd in memory: keys with their history, watches and leases, as far as host/cluster uses them. Its time is
// that of package time, so that it can live in a synctest bubble. TestMemory holds it against a real etcd.
type Memory struct {
	clientv3.KV

	// Observe, when set, sees every transaction that changed something, when it is done and before anything else moves.
	// Events have what was there before; get reads the state after it.
	Observe func(events []*clientv3.Event, get func(key string) []byte)

	mu        sync.Mutex
	revision  int64
	compacted int64
	kvs       map[string]*mvccpb.KeyValue // entries that have been handed out never change
	history   []*mvccpb.Event             // since the compaction
	leases    map[int64]*memoryLease
	granted   int64
	moved     chan struct{} // closed at the next change
}

type memoryLease struct {
	ttl     time.Duration
	expires time.Time
	keys    map[string]bool
}

// NewMemory is an empty one, at etcd's first revision.
func NewMemory() *Memory {
	m := &Memory{revision: 1, kvs: map[string]*mvccpb.KeyValue{}, leases: map[int64]*memoryLease{}, moved: make(chan struct{})}
	m.KV = clientv3.NewKVFromKVClient(requests{m}, nil)
	return m
}

// Backup is what an etcd knew at one moment.
type Backup struct {
	kvs map[string]*mvccpb.KeyValue
}

// Backup copies the keys, without the leased ones: a restored etcd does not know who is alive.
func (m *Memory) Backup() Backup {
	m.mu.Lock()
	defer m.mu.Unlock()
	b := Backup{kvs: maps.Clone(m.kvs)}
	maps.DeleteFunc(b.kvs, func(_ string, kv *mvccpb.KeyValue) bool { return kv.Lease != 0 })
	return b
}

// Restored is a new etcd that begins with what a backup knew. Its revisions begin anew.
func Restored(b Backup) *Memory {
	m := NewMemory()
	for _, key := range slices.Sorted(maps.Keys(b.kvs)) {
		m.revision++
		kv := &mvccpb.KeyValue{Key: []byte(key), Value: b.kvs[key].Value, CreateRevision: m.revision, ModRevision: m.revision, Version: 1}
		m.kvs[key] = kv
	}
	m.compacted = m.revision
	return m
}

// Revision is the newest.
func (m *Memory) Revision() int64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.revision
}

// requests answers what a client sends.
type requests struct{ m *Memory }

func (r requests) Range(ctx context.Context, in *pb.RangeRequest, _ ...grpc.CallOption) (*pb.RangeResponse, error) {
	res, err := r.one(ctx, &pb.RequestOp{Request: &pb.RequestOp_RequestRange{RequestRange: in}})
	if err != nil {
		return nil, err
	}
	out := res.Responses[0].GetResponseRange()
	out.Header = res.Header
	return out, nil
}

func (r requests) Put(ctx context.Context, in *pb.PutRequest, _ ...grpc.CallOption) (*pb.PutResponse, error) {
	res, err := r.one(ctx, &pb.RequestOp{Request: &pb.RequestOp_RequestPut{RequestPut: in}})
	if err != nil {
		return nil, err
	}
	return &pb.PutResponse{Header: res.Header}, nil
}

func (r requests) DeleteRange(ctx context.Context, in *pb.DeleteRangeRequest, _ ...grpc.CallOption) (*pb.DeleteRangeResponse, error) {
	res, err := r.one(ctx, &pb.RequestOp{Request: &pb.RequestOp_RequestDeleteRange{RequestDeleteRange: in}})
	if err != nil {
		return nil, err
	}
	out := res.Responses[0].GetResponseDeleteRange()
	out.Header = res.Header
	return out, nil
}

func (r requests) one(ctx context.Context, op *pb.RequestOp) (*pb.TxnResponse, error) {
	return r.Txn(ctx, &pb.TxnRequest{Success: []*pb.RequestOp{op}})
}

func (r requests) Txn(ctx context.Context, in *pb.TxnRequest, _ ...grpc.CallOption) (*pb.TxnResponse, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return r.m.apply(in)
}

// RangeStream is not offered.
func (r requests) RangeStream(context.Context, *pb.RangeRequest, ...grpc.CallOption) (grpc.ServerStreamingClient[pb.RangeStreamResponse], error) {
	return nil, rpctypes.ErrGRPCNotCapable
}

// Compact forgets the history up to a revision. Watches that have not seen it break.
func (r requests) Compact(_ context.Context, in *pb.CompactionRequest, _ ...grpc.CallOption) (*pb.CompactionResponse, error) {
	m := r.m
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case in.Revision <= m.compacted:
		return nil, rpctypes.ErrGRPCCompacted
	case in.Revision > m.revision:
		return nil, rpctypes.ErrGRPCFutureRev
	}
	m.compacted = in.Revision
	m.history = slices.Clone(m.history[m.after(in.Revision):])
	close(m.moved)
	m.moved = make(chan struct{})
	return &pb.CompactionResponse{Header: &pb.ResponseHeader{Revision: m.revision}}, nil
}

// after is the index of the first event after a revision.
func (m *Memory) after(revision int64) int {
	i, _ := slices.BinarySearchFunc(m.history, revision+1, func(e *mvccpb.Event, r int64) int { return cmp.Compare(e.Kv.ModRevision, r) })
	return i
}

func (m *Memory) apply(in *pb.TxnRequest) (*pb.TxnResponse, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	res := &pb.TxnResponse{Succeeded: true}
	for _, c := range in.Compare {
		res.Succeeded = res.Succeeded && m.holds(c)
	}
	ops := in.Success
	if !res.Succeeded {
		ops = in.Failure
	}
	for _, op := range ops { // refused as a whole or not at all
		if put := op.GetRequestPut(); put != nil && put.Lease != 0 && m.leases[put.Lease] == nil {
			return nil, rpctypes.ErrGRPCLeaseNotFound
		}
		if r := op.GetRequestRange(); r != nil {
			switch {
			case r.Revision > m.revision:
				return nil, rpctypes.ErrGRPCFutureRev
			case r.Revision > 0 && r.Revision < m.compacted:
				return nil, rpctypes.ErrGRPCCompacted
			}
		}
	}
	t := &change{m: m, at: m.revision + 1}
	for _, op := range ops {
		res.Responses = append(res.Responses, t.do(op))
	}
	t.commit()
	res.Header = &pb.ResponseHeader{Revision: m.revision}
	return res, nil
}

func (m *Memory) holds(c *pb.Compare) bool {
	kv := m.kvs[string(c.Key)]
	if kv == nil {
		if c.Target == pb.Compare_VALUE {
			return false
		}
		kv = &mvccpb.KeyValue{}
	}
	var order int
	switch c.Target {
	case pb.Compare_VALUE:
		order = bytes.Compare(kv.Value, c.GetValue())
	case pb.Compare_MOD:
		order = cmp.Compare(kv.ModRevision, c.GetModRevision())
	case pb.Compare_CREATE:
		order = cmp.Compare(kv.CreateRevision, c.GetCreateRevision())
	default:
		panic("clustertest: comparison of " + c.Target.String())
	}
	switch c.Result {
	case pb.Compare_EQUAL:
		return order == 0
	case pb.Compare_NOT_EQUAL:
		return order != 0
	case pb.Compare_GREATER:
		return order > 0
	}
	return order < 0
}

// change is one transaction under way.
type change struct {
	m      *Memory
	at     int64 // its revision, if it changes anything
	events []*mvccpb.Event
}

func (t *change) do(op *pb.RequestOp) *pb.ResponseOp {
	m := t.m
	if put := op.GetRequestPut(); put != nil {
		t.put(put)
		return &pb.ResponseOp{Response: &pb.ResponseOp_ResponsePut{ResponsePut: &pb.PutResponse{}}}
	}
	if del := op.GetRequestDeleteRange(); del != nil {
		found := within(m.kvs, del.Key, del.RangeEnd)
		for _, kv := range found {
			t.delete(kv)
		}
		return &pb.ResponseOp{Response: &pb.ResponseOp_ResponseDeleteRange{ResponseDeleteRange: &pb.DeleteRangeResponse{Deleted: int64(len(found))}}}
	}
	in := op.GetRequestRange()
	found := within(m.asOf(in.Revision), in.Key, in.RangeEnd)
	r := &pb.RangeResponse{Count: int64(len(found))}
	for _, kv := range found {
		if kv.ModRevision < in.MinModRevision {
			continue
		}
		if in.Limit > 0 && int64(len(r.Kvs)) == in.Limit {
			r.More = true
			break
		}
		r.Kvs = append(r.Kvs, kv)
	}
	return &pb.ResponseOp{Response: &pb.ResponseOp_ResponseRange{ResponseRange: r}}
}

// asOf are the keys as they were; 0 is now.
func (m *Memory) asOf(revision int64) map[string]*mvccpb.KeyValue {
	if revision == 0 || revision == m.revision {
		return m.kvs
	}
	then := maps.Clone(m.kvs)
	for i := len(m.history) - 1; i >= 0 && m.history[i].Kv.ModRevision > revision; i-- {
		e := m.history[i]
		if delete(then, string(e.Kv.Key)); e.PrevKv != nil {
			then[string(e.Kv.Key)] = e.PrevKv
		}
	}
	return then
}

func (t *change) put(in *pb.PutRequest) {
	m, key := t.m, string(in.Key)
	next := &mvccpb.KeyValue{Key: bytes.Clone(in.Key), Value: bytes.Clone(in.Value), CreateRevision: t.at, ModRevision: t.at, Version: 1, Lease: in.Lease}
	old := m.kvs[key]
	if old != nil {
		next.CreateRevision, next.Version = old.CreateRevision, old.Version+1
		m.detach(old)
	}
	if l := m.leases[in.Lease]; l != nil {
		l.keys[key] = true
	}
	m.kvs[key] = next
	t.events = append(t.events, &mvccpb.Event{Type: mvccpb.PUT, Kv: next, PrevKv: old})
}

func (t *change) delete(kv *mvccpb.KeyValue) {
	t.m.detach(kv)
	delete(t.m.kvs, string(kv.Key))
	t.events = append(t.events, &mvccpb.Event{Type: mvccpb.DELETE, Kv: &mvccpb.KeyValue{Key: kv.Key, ModRevision: t.at}, PrevKv: kv})
}

func (m *Memory) detach(kv *mvccpb.KeyValue) {
	if l := m.leases[kv.Lease]; l != nil {
		delete(l.keys, string(kv.Key))
	}
}

func (t *change) commit() {
	m := t.m
	if len(t.events) == 0 {
		return
	}
	m.revision = t.at
	m.history = append(m.history, t.events...)
	if m.Observe != nil {
		told := make([]*clientv3.Event, len(t.events))
		for i, e := range t.events {
			told[i] = (*clientv3.Event)(e)
		}
		m.Observe(told, func(key string) []byte { return m.kvs[key].GetValue() })
	}
	close(m.moved)
	m.moved = make(chan struct{})
}

// within are the entries of a key or a range, in order.
func within(kvs map[string]*mvccpb.KeyValue, key, end []byte) []*mvccpb.KeyValue {
	if len(end) == 0 {
		if kv := kvs[string(key)]; kv != nil {
			return []*mvccpb.KeyValue{kv}
		}
		return nil
	}
	var out []*mvccpb.KeyValue
	for _, kv := range kvs {
		if inRange(kv.Key, key, end) {
			out = append(out, kv)
		}
	}
	slices.SortFunc(out, func(a, b *mvccpb.KeyValue) int { return bytes.Compare(a.Key, b.Key) })
	return out
}

func inRange(k, key, end []byte) bool {
	if len(end) == 0 {
		return bytes.Equal(k, key)
	}
	return bytes.Compare(k, key) >= 0 && bytes.Compare(k, end) < 0
}
