package run

import (
	"context"
	"fmt"
	"maps"

	"github.com/adp-host/adp/host"
)

// Rollback commits a new head with the outputs, state and cursors of an earlier one. Of the attempt it uses Product,
// Own and Reason. Readers of the ports take the tables whole again, since changes do not lead back. The next attempt
// would read the same inputs again; whoever wants to prevent that pauses the product first. It fails with T005 when
// there is no such snapshot or its files are not kept any more.
func (r *Runner) Rollback(ctx context.Context, a Attempt, to host.Seq) (Result, error) {
	a.Reason = words(a.Reason, fmt.Sprintf("rolled back to snapshot %d", to))
	m, err := r.take(a.Product.ID)
	if err != nil {
		return r.unplanned(a, ""), err
	}
	defer r.put(m)
	res, err := r.rollback(ctx, a, m, to)
	if err != nil && res.State == "" {
		res = r.unplanned(a, "")
	}
	return res, err
}

func (r *Runner) rollback(ctx context.Context, a Attempt, m *memo, to host.Seq) (Result, error) {
	b, err := r.base(ctx, a.Product.ID, m)
	if err != nil {
		return Result{}, err
	}
	if b.head == nil {
		return Result{}, host.Errorf(host.CodeTableSnapshot, "%s has no snapshot yet", a.Product.ID.URL())
	}
	if err := r.stillKept(ctx, a.Product.ID, to); err != nil {
		return Result{}, err
	}
	old, err := HeadAt(ctx, r.Store, HeadRef(b.pointer), to)
	if err != nil {
		return Result{}, err
	}
	if old.Verdict == host.Held {
		return Result{}, host.Errorf(host.CodeTableSnapshot, "snapshot %d was held and published nothing", to).
			WithHint("take one that was published: adp control %s runs", a.Product.ID.URL())
	}
	after, err := r.kept(ctx, old)
	if err != nil {
		return Result{}, host.Errorf(host.CodeTableSnapshot, "snapshot %d cannot be brought back: %w", to, err).
			WithHint("take a newer one: adp control %s runs", a.Product.ID.URL())
	}
	seq := b.pointer.Seq + 1
	return r.rewrite(ctx, a, b, m, after, a.Reason, func(h *host.Head) {
		h.Artifact, h.Module, h.Config, h.Engine = old.Artifact, old.Module, old.Config, old.Engine
		h.State, h.Checks, h.Quarantine = old.State, old.Checks, old.Quarantine
		if h.Cursors = maps.Clone(old.Cursors); h.Cursors == nil {
			h.Cursors = map[string]host.Cursor{}
		}
		h.Outputs = b.unchangedOutputs()
		for name := range h.Outputs {
			if _, ok := old.Outputs[name]; !ok {
				delete(h.Outputs, name)
			}
		}
		for name, ref := range old.Outputs {
			if h.Outputs[name].Hash == ref.Hash {
				continue // the table is the same: nobody has to look
			}
			ref.Changed, ref.Base, ref.Changes = seq, seq, nil
			h.Outputs[name] = ref
		}
	})
}

// kept checks that an old head can be built upon, and returns its state.
func (r *Runner) kept(ctx context.Context, h *host.Head) (keys, error) {
	for _, ref := range h.Outputs {
		if _, err := readFile(ctx, r.Store, host.FileRef{Location: ref.Metadata, Hash: ref.Hash}); err != nil {
			return keys{}, err
		}
	}
	return loadState(ctx, r.Store, h.State)
}
