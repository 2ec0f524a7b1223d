package cluster

import (
	"context"
	"errors"
	"testing"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/adp-host/adp/host"
	"github.com/adp-host/adp/host/cluster/clustertest"
)

// TestAcknowledge: the record moves forward only, from what it was, and by the owner of now.
func TestAcknowledge(t *testing.T) {
	c, ctx := openTest(t, Config{}), t.Context()
	own := must[host.Ownership](t)(c.Claim(ctx, strikes))
	none := host.Delivered{}
	part, whole := host.Delivered{Seq: 2, Ordinal: 3, Total: 5}, host.Delivered{Seq: 3, Total: 9}
	if got := must[host.Delivered](t)(c.Delivered(ctx, strikes)); got != none {
		t.Fatalf("%+v before any", got)
	}
	for _, step := range [][2]host.Delivered{{none, part}, {none, part}, {part, whole}} { // the second: its reply was lost
		if err := c.Acknowledge(ctx, own, step[0], step[1]); err != nil {
			t.Fatal(err)
		}
	}
	wantCode(t, c.Acknowledge(ctx, own, part, host.Delivered{Seq: 4, Total: 10}), host.CodeRunLostOwner) // built on what was
	wantCode(t, c.Acknowledge(ctx, own, none, part), host.CodeRunLostOwner)
	wantCode(t, c.Acknowledge(ctx, own, whole, part), host.CodeNodeConflict)
	wantCode(t, c.Acknowledge(ctx, own, whole, whole), host.CodeNodeConflict)

	next := must[host.Ownership](t)(c.Claim(ctx, strikes))
	later := host.Delivered{Seq: 4, Total: 10}
	wantCode(t, c.Acknowledge(ctx, own, whole, later), host.CodeRunLostOwner)
	if got := must[host.Delivered](t)(c.Delivered(ctx, strikes)); got != whole {
		t.Fatalf("a replaced owner moved it to %+v", got)
	}
	if err := c.Acknowledge(ctx, next, whole, later); err != nil {
		t.Fatal(err)
	}
	if kv := must[*clientv3.GetResponse](t)(c.kv.Get(ctx, outKey(strikes))).Kvs[0]; len(kv.Value) > 100 {
		t.Errorf("%d bytes: %s", len(kv.Value), kv.Value)
	}
	other := strikes
	other.Name = "a/b"
	wantCode(t, c.Acknowledge(ctx, host.Ownership{Product: other}, none, part), host.CodeAccessUnknown)
}

// TestAcknowledgeLostReply: what is sent again counts once, and what stays unknown is said as such.
func TestAcknowledgeLostReply(t *testing.T) {
	var faults []clustertest.Fault
	c := openTest(t, Config{WrapKV: func(kv clientv3.KV) clientv3.KV {
		return &clustertest.Faulty{KV: kv, Plan: func(keys []string) clustertest.Fault {
			if len(faults) == 0 {
				return clustertest.None
			}
			f := faults[0]
			faults = faults[1:]
			return f
		}}
	}})
	own := must[host.Ownership](t)(c.Claim(t.Context(), strikes))
	at := host.Delivered{}
	for i, f := range []clustertest.Fault{clustertest.LoseReply, clustertest.LoseRequest} {
		faults = []clustertest.Fault{f, f}
		to := host.Delivered{Seq: host.Seq(i + 1), Total: int64(i + 1)}
		if err := c.Acknowledge(t.Context(), own, at, to); err != nil {
			t.Fatal(err)
		}
		at = to
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := c.Acknowledge(ctx, own, at, host.Delivered{Seq: 9, Total: 9}); !errors.Is(err, ErrUnknown) {
		t.Fatalf("with no time left: %v", err)
	}
}
