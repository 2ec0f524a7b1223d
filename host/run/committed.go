package run

import (
	"context"
	"path"

	"github.com/adp-host/adp/host"
)

// committedMark is the name of the file beside a head that says it was committed: the head's hash. It is written after
// the commit and not made durable, so that its absence says nothing; but where etcd is lost, it tells of the newest head
// what no later head can.
func committedMark(head string) string { return path.Join(path.Dir(head), "committed") }

// noteCommitted leaves the mark. Nothing depends on it while there is an etcd.
func (t *attempt) noteCommitted(ctx context.Context, tip host.Pointer) {
	_, err := writeFile(ctx, t.r.Store, committedMark(tip.Location), []byte(tip.Hash))
	t.r.trouble(t.a.Product.ID, err)
}
