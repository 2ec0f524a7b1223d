package run

import (
	"context"
	"slices"

	"github.com/adp-host/adp/host"
	"github.com/adp-host/adp/host/quality"
)

// judge is the verdict over everything staged. A person's release publishes what a rule would hold.
func (t *attempt) judge() (host.Verdict, []host.Check) {
	var checks []host.Check
	for _, p := range t.ports {
		checks = append(checks, p.checks...)
	}
	if quality.Holds(checks) && t.a.Override != Release {
		return host.Held, checks
	}
	return host.Published, checks
}

// setAside puts the rows that hold the attempt into its quarantine: those of rules that failed. A rule that tolerates
// some such rows and passed has rejected none.
func (t *attempt) setAside(ctx context.Context) error {
	for _, p := range t.ports {
		for _, c := range p.checks {
			if c.Status != host.CheckFail || c.Action != host.Hold {
				continue
			}
			if err := t.quarantine.add(ctx, p.broken[c.Rule]...); err != nil {
				return err
			}
		}
	}
	return nil
}

// outputs are the ports as this run leaves them, and the files that say so.
func (t *attempt) outputs() (map[string]host.OutputRef, []string) {
	out := map[string]host.OutputRef{}
	var files []string
	for _, p := range t.ports {
		ref := p.staged.Ref
		if prev := t.published(p.output.Name); prev != nil && !p.staged.Changed {
			ref = *prev
			ref.Changes = nil
		}
		if ref.Metadata == "" {
			continue // nothing was published yet, and nothing is now
		}
		out[p.output.Name] = ref
		files = append(files, p.staged.Files...)
	}
	return out, slices.Compact(files)
}

// unchangedOutputs are those of the newest head, as a head that changes none of them carries them.
func (b base) unchangedOutputs() map[string]host.OutputRef {
	out := map[string]host.OutputRef{}
	if b.head != nil {
		for name, ref := range b.head.Outputs {
			ref.Changes = nil
			out[name] = ref
		}
	}
	return out
}
