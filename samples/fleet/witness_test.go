package fleet_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"

	"github.com/adp-host/adp/host"
	"github.com/adp-host/adp/samples/fleet"
)

// witness reads what etcd has done, transaction by transaction, and knows of each commit whether its epoch was the owner's.
type witness struct {
	etcd *clientv3.Client

	mu      sync.Mutex
	at      int64                 // revision up to which all is seen
	owner   map[string]host.Epoch // by product; released ones are owned by nobody: 0
	commits int
	stale   []string
}

// newWitness watches from now on, before anything is registered.
func newWitness(t *testing.T, f *fleet.Fleet) *witness {
	t.Helper()
	endpoints, secure, err := f.Etcd()
	if err != nil {
		t.Fatal(err)
	}
	etcd, err := clientv3.New(clientv3.Config{Endpoints: endpoints, TLS: secure, Logger: zap.NewNop()})
	if err != nil {
		t.Fatal(err)
	}
	w := &witness{etcd: etcd, owner: map[string]host.Epoch{}}
	now, err := etcd.Get(t.Context(), "/adp/v1/head/", clientv3.WithPrefix(), clientv3.WithCountOnly())
	if err != nil || now.Count > 0 {
		t.Fatalf("%v commits before anybody watches, %v", now, err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	t.Cleanup(func() { cancel(); <-done; _ = etcd.Close() })
	go func() {
		defer close(done)
		for res := range etcd.Watch(ctx, "/adp/v1/", clientv3.WithPrefix(), clientv3.WithRev(now.Header.Revision+1)) {
			w.take(res)
		}
	}()
	return w
}

func (w *witness) take(res clientv3.WatchResponse) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := res.Err(); err != nil {
		w.stale = append(w.stale, fmt.Sprint("nothing is known after revision ", w.at, ": ", err))
		return
	}
	for _, e := range res.Events {
		w.at = e.Kv.ModRevision
		var v struct {
			Node  string     `json:"node"`
			Seq   host.Seq   `json:"seq"`
			Epoch host.Epoch `json:"epoch"`
		}
		key := strings.TrimPrefix(string(e.Kv.Key), "/adp/v1/")
		kind, product, _ := strings.Cut(key, "/")
		if kind != "own" && kind != "head" {
			continue
		}
		if err := json.Unmarshal(e.Kv.Value, &v); err != nil {
			w.stale = append(w.stale, fmt.Sprint(key, ": ", err))
			continue
		}
		switch {
		case kind == "head":
			w.commits++
			if v.Epoch != w.owner[product] {
				w.stale = append(w.stale, fmt.Sprintf("snapshot %d of %s was committed in epoch %d; the owner's was %d", v.Seq, product, v.Epoch, w.owner[product]))
			}
		case v.Node == "":
			w.owner[product] = 0
		default:
			w.owner[product] = v.Epoch
		}
	}
}

// tell is how many commits there were up to now, and which of them were stale.
func (w *witness) tell(m *mesh) (commits int, stale []string) {
	m.t.Helper()
	now, err := w.etcd.Get(m.t.Context(), "/adp/v1/head/", clientv3.WithPrefix())
	if err != nil {
		m.t.Fatal(err)
	}
	last := int64(0)
	for _, kv := range now.Kvs {
		last = max(last, kv.ModRevision)
	}
	m.eventually("the witness has seen every commit", func() bool {
		w.mu.Lock()
		defer w.mu.Unlock()
		return w.at >= last || len(w.stale) > 0
	})
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.commits, w.stale
}
