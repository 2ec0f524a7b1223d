package cluster

import (
	"context"
	"fmt"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/adp-host/adp/host/cluster/clustertest"
)

// TestMemoryWatchesAndLeases tells the same story in memory and on etcd: history, watches, compaction, leases.
func TestMemoryWatchesAndLeases(t *testing.T) {
	real, memory := told(t, openTest(t, Config{}).client), told(t, clustertest.NewMemory())
	if len(real) != len(memory) {
		t.Fatalf("etcd says %d things, memory %d", len(real), len(memory))
	}
	for i := range real {
		if real[i] != memory[i] {
			t.Errorf("%d: etcd says\n%s, memory\n%s", i, real[i], memory[i])
		}
	}
}

// told is what an etcd answers, revisions counted from the first of the story.
func told(t *testing.T, etcd clustertest.Etcd) (said []string) {
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	base := must[*clientv3.GetResponse](t)(etcd.Get(ctx, "x")).Header.Revision
	say := func(what string, args ...any) { said = append(said, what+": "+fmt.Sprint(args...)) }
	events := func(what string, w clientv3.WatchChan, n int) {
		for n > 0 {
			res, ok := <-w
			if !ok || res.Err() != nil {
				say(what, ok, res.Err(), res.CompactRevision-base)
				return
			}
			for _, e := range res.Events {
				say(what, e.Type, " ", string(e.Kv.Key), "=", string(e.Kv.Value), " c", max(0, e.Kv.CreateRevision-base), " m", e.Kv.ModRevision-base, " v", e.Kv.Version)
				n--
			}
		}
	}
	put := func(key, value string, opts ...clientv3.OpOption) {
		_, err := etcd.Put(ctx, key, value, opts...)
		say("put", err)
	}
	for i := range 3 {
		put("/w/a", fmt.Sprint(i))
		put("/w/b", fmt.Sprint(i))
	}
	_, err := etcd.Txn(ctx).Then(clientv3.OpPut("/w/c", "1"), clientv3.OpPut("/other", "1"), clientv3.OpDelete("/w/a")).Commit()
	say("txn", err)
	events("from the first", etcd.Watch(ctx, "/w/", clientv3.WithPrefix(), clientv3.WithRev(base+1)), 8)
	events("without deletes", etcd.Watch(ctx, "/w/", clientv3.WithPrefix(), clientv3.WithRev(base+5), clientv3.WithFilterDelete()), 3)
	for back := range int64(8) {
		res, err := etcd.Get(ctx, "/w/", clientv3.WithPrefix(), clientv3.WithRev(base+back))
		say("as of", back, err, res.Count)
		for _, kv := range res.Kvs {
			say("as of", back, string(kv.Key), string(kv.Value), kv.ModRevision-base)
		}
	}
	_, err = etcd.Get(ctx, "x", clientv3.WithRev(base+100))
	say("the future", err)

	_, err = etcd.Compact(ctx, base+4)
	say("compact", err)
	_, err = etcd.Compact(ctx, base+4)
	say("again", err)
	_, err = etcd.Get(ctx, "/w/b", clientv3.WithRev(base+3))
	say("compacted", err)
	_, err = etcd.Get(ctx, "/w/b", clientv3.WithRev(base+4))
	say("not compacted", err)
	events("watch what is compacted", etcd.Watch(ctx, "/w/", clientv3.WithPrefix(), clientv3.WithRev(base+2)), 9)
	events("watch what is left", etcd.Watch(ctx, "/w/", clientv3.WithPrefix(), clientv3.WithRev(base+5)), 4)

	put("/w/l", "1", clientv3.WithLease(77777))
	l := must[*clientv3.LeaseGrantResponse](t)(etcd.Grant(ctx, 60))
	put("/w/l", "2", clientv3.WithLease(l.ID))
	put("/w/m", "2", clientv3.WithLease(l.ID))
	put("/w/n", "2", clientv3.WithLease(l.ID))
	put("/w/n", "3") // lives on
	kept := must[*clientv3.LeaseKeepAliveResponse](t)(etcd.KeepAliveOnce(ctx, l.ID))
	say("kept", kept.TTL)
	left := must[*clientv3.LeaseTimeToLiveResponse](t)(etcd.TimeToLive(ctx, l.ID))
	say("left", left.TTL, left.GrantedTTL)
	at := must[*clientv3.GetResponse](t)(etcd.Get(ctx, "x")).Header.Revision
	_, err = etcd.Revoke(ctx, l.ID)
	say("revoked", err)
	events("revoked", etcd.Watch(ctx, "/w/", clientv3.WithPrefix(), clientv3.WithRev(at+1)), 2)
	_, err = etcd.Revoke(ctx, l.ID)
	say("revoked again", err)
	_, err = etcd.KeepAliveOnce(ctx, l.ID)
	say("kept when gone", err)
	left = must[*clientv3.LeaseTimeToLiveResponse](t)(etcd.TimeToLive(ctx, l.ID))
	say("left when gone", left.TTL)

	short := must[*clientv3.LeaseGrantResponse](t)(etcd.Grant(ctx, 1))
	put("/w/s", "1", clientv3.WithLease(short.ID))
	events("ran out", etcd.Watch(ctx, "/w/s", clientv3.WithRev(at+2)), 2)
	_, err = etcd.KeepAliveOnce(ctx, short.ID)
	say("kept too late", err)
	return said
}
