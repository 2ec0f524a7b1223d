package build

import (
	"context"

	"github.com/rogpeppe/go-internal/lockedfile"
)

// alone waits until no other process works in a folder of the cache. The system lets go of it too when a process dies.
func (b *Builder) alone(ctx context.Context, dir string) (done func(), err error) {
	type locked struct {
		unlock func()
		err    error
	}
	got := make(chan locked, 1)
	go func() {
		unlock, err := lockedfile.MutexAt(dir + ".lock").Lock()
		got <- locked{unlock, err}
	}()
	select {
	case l := <-got:
		return l.unlock, cacheError(l.err)
	case <-ctx.Done():
		go func() {
			if l := <-got; l.err == nil {
				l.unlock()
			}
		}()
		return nil, ctx.Err()
	}
}
