package run

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/adp-host/adp/drivers"
	"github.com/adp-host/adp/host"
)

// plan is what an attempt will do, and why.
type plan struct {
	idle    bool   // nothing: the reason says what is waited for, "" for nothing pending
	rebuild bool   // from the beginning of all inputs, with no state
	reason  string // in words, for the record
}

// plan decides whether to run, and whether everything has to be recomputed.
func (r *Runner) plan(ctx context.Context, a Attempt, b base) (plan, error) {
	look, err := r.look(ctx, a, b)
	if err != nil {
		return plan{reason: words(a.Reason, look.pending)}, err
	}
	if why := rebuildCause(a, b, look); why != "" {
		if look.waitsFor != "" && !a.Rebuild {
			return plan{idle: true, reason: "waiting for input " + look.waitsFor}, nil
		}
		idle, err := r.heldStill(ctx, a, b)
		return plan{idle: idle, rebuild: true, reason: words(a.Reason, why)}, err
	}
	switch {
	case look.waitsFor != "": // not even a schedule or a trigger wants rows that miss a whole input
		return plan{idle: true, reason: "waiting for input " + look.waitsFor}, nil
	case look.pending == "" && !a.Force:
		return plan{idle: true}, nil
	}
	idle, err := r.heldStill(ctx, a, b)
	return plan{idle: idle, reason: words(a.Reason, look.pending)}, err
}

// words joins what a person or the schedule said with what the inputs say.
func words(asked, found string) string {
	switch {
	case asked == "":
		return found
	case found == "" || found == asked:
		return asked
	}
	return asked + "; " + found
}

// sight is what a look at the inputs shows.
type sight struct {
	pending  string // why there is something to do, "" when there is not
	restart  string // why everything has to be recomputed, "" when it has not
	waitsFor string // a snapshot input that has never published anything: its lookups would all miss
}

// look asks every input what there is after the cursor of the newest head.
func (r *Runner) look(ctx context.Context, a Attempt, b base) (sight, error) {
	var s sight
	var failed error
	var lookedAt string // what the look that failed was for
	incremental := false
	for i := range a.Product.Inputs {
		incremental = incremental || a.Product.Inputs[i].Mode == host.Incremental
	}
	for i := range a.Product.Inputs {
		in := &a.Product.Inputs[i]
		cursor := b.cursor(in.Name)
		pending, err := r.Inputs.Pending(ctx, a.Product, in, cursor)
		switch {
		case errors.Is(err, drivers.ErrRestart):
			s.restart = fmt.Sprintf("rebuild: input %s must be read from its beginning", in.Name)
		case err != nil && (a.Rebuild || codeChanged(a, b) != ""):
			// What the cursor says does not matter: it is not used.
		case err != nil && failed == nil:
			failed, lookedAt = inputError(in, err), failedWords(in, cursor, err)
		case err != nil:
		case in.Mode == host.Snapshot && cursor == nil && !pending:
			s.waitsFor = in.Name
		case !pending:
		case in.Mode == host.Incremental || cursor == nil && !incremental:
			s.pending = changedWords(in, cursor)
		case cursor != nil && in.OnChange != host.Lookup:
			s.restart = fmt.Sprintf("rebuild: input %s changed", in.Name)
		case cursor != nil && !incremental: // lookups are all there is: they are what the product computes from
			s.pending = changedWords(in, cursor)
		}
	}
	if s.restart != "" { // from the beginning, whatever a cursor says
		failed = nil
	}
	if failed != nil {
		s.pending = lookedAt
	}
	return s, failed
}

// failedWords say what was about to happen when a look at an input failed.
func failedWords(in *host.Input, cursor host.Cursor, err error) string {
	if cursor == nil || errors.Is(err, drivers.ErrChanged) {
		return changedWords(in, cursor)
	}
	return "a look at input " + in.Name
}

func changedWords(in *host.Input, cursor host.Cursor) string {
	if cursor == nil {
		return "first read of input " + in.Name
	}
	return fmt.Sprintf("input %s changed", in.Name)
}

// cursor is how far the newest head has consumed an input; nil for nothing.
func (b base) cursor(input string) host.Cursor {
	if b.head == nil {
		return nil
	}
	return b.head.Cursors[input]
}

// rebuildCause says why everything has to be recomputed, "" when it has not.
func rebuildCause(a Attempt, b base, s sight) string {
	switch {
	case b.head == nil:
		return "" // the first run computes everything anyway
	case a.Rebuild:
		return "rebuild"
	case codeChanged(a, b) != "":
		return codeChanged(a, b)
	case s.restart != "":
		return s.restart
	case b.head.Verdict == host.Held && b.head.Rebuild:
		return "rebuild: the held attempt was one"
	}
	return ""
}

// codeChanged compares with the newest attempt, held or not: what was held remembers that it was a rebuild.
func codeChanged(a Attempt, b base) string {
	switch {
	case b.head == nil:
		return ""
	case b.head.Module != a.Module:
		return "rebuild: the code changed"
	case b.head.Config != a.Config:
		return "rebuild: the contract or the settings changed"
	}
	return ""
}

// heldStill reports whether the newest head is a held attempt and nothing has changed that could make the next one end
// differently. A product that also reads bindings may find them changed, so a schedule or a person can have it tried.
func (r *Runner) heldStill(ctx context.Context, a Attempt, b base) (bool, error) {
	switch {
	case b.head == nil || b.head.Verdict != host.Held || a.Override != "" || a.Rebuild:
		return false, nil
	case codeChanged(a, b) != "":
		return false, nil
	case a.Force && (len(a.Product.Bindings) > 0 || len(a.Product.Inputs) == 0):
		return false, nil
	}
	for i := range a.Product.Inputs {
		in := &a.Product.Inputs[i]
		tried, ok := b.head.Tried[in.Name]
		if !ok {
			return false, nil
		}
		pending, err := r.Inputs.Pending(ctx, a.Product, in, tried)
		if errors.Is(err, drivers.ErrRestart) || pending {
			return false, nil
		}
		if err != nil {
			return false, inputError(in, err)
		}
	}
	return true, nil
}

// inputError says which input could not be read, and keeps the code and the hint of the cause.
func inputError(in *host.Input, err error) error {
	var coded *host.Error
	switch {
	case errors.Is(err, drivers.ErrRestart), errors.Is(err, context.Canceled):
		return err
	case errors.As(err, &coded):
		said := strings.TrimSuffix(err.Error(), " ["+string(coded.Code)+"]")
		return &host.Error{Code: coded.Code, Message: "input " + in.Name + ": " + said, Excerpt: coded.Excerpt, Hint: coded.Hint, Err: err}
	case errors.Is(err, drivers.ErrChanged):
		return host.Errorf(host.CodeRunChanged, "input %s: %w", in.Name, err).
			WithHint("put it back as it was, or recompute everything with a rebuild")
	}
	return host.Errorf(host.CodeRunInput, "input %s cannot be read: %w", in.Name, err)
}
