package cluster

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"

	"github.com/adp-host/adp/host"
)

// TestSilenceHasAHint: an etcd that says nothing, or that it has no leader, comes with what to do; a clear no does not.
func TestSilenceHasAHint(t *testing.T) {
	for _, c := range []struct {
		err  error
		hint bool
	}{
		{context.DeadlineExceeded, true},
		{fmt.Errorf("reading: %w", context.DeadlineExceeded), true},
		{rpctypes.ErrNoLeader, true},
		{rpctypes.ErrGRPCNoLeader, true},
		{rpctypes.ErrTimeout, true},
		{rpctypes.ErrPermissionDenied, false},
		{errors.New("something else"), false},
	} {
		err := failure("listing node/", c.err)
		wantCode(t, err, host.CodeNodeEtcd)
		if hint := host.HintOf(err); (hint != "") != c.hint {
			t.Errorf("%v: hint %q", c.err, hint)
		}
	}
}
