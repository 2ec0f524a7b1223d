package sandbox

import (
	"errors"
	"fmt"
	"strings"

	"github.com/tetratelabs/wazero/api"

	"github.com/adp-host/adp/host"
)

// fault says why a call into the guest did not return: the reason it was killed for, or its trap.
func (i *Instance) fault(f api.FunctionDefinition, err error) error {
	if i.failure == nil && strings.Contains(err.Error(), "(recovered by wazero)") {
		return fmt.Errorf("the host failed while %s ran: %w", exportName(f), err) // a panic of ours, not the guest's
	}
	trap, trace := splitTrap(err)
	where := i.program.functions(trace)
	if i.failure != nil {
		return atFunction(i.failure, where)
	}
	i.meter.lost = true
	e := &host.Error{Code: host.CodeGuestTrap, Err: err}
	switch {
	case strings.Contains(trap, "stack overflow"):
		e.Code = host.CodeGuestStack
		e.Message = "the guest recursed past the engine's stack"
	case i.mem.denied:
		e.Code = host.CodeGuestMemory
		e.Message = fmt.Sprintf("the guest wanted more than its %s of memory and gave up (%s)", size(i.limits.Memory), trap)
		e.Hint = "look for data that is kept from batch to batch, or raise limits.memory"
	default:
		e.Message = fmt.Sprintf("%s trapped: %s", exportName(f), trap)
	}
	e.Message += i.log.lastWords()
	return atFunction(e, where)
}

// atFunction adds where in the guest it happened: the innermost function to the message, the frames as excerpt.
func atFunction(err error, frames []string) error {
	var e *host.Error
	if len(frames) == 0 || !errors.As(err, &e) || e.Excerpt != "" {
		return err
	}
	at := *e
	at.Message += " (in " + frames[0] + ")"
	at.Excerpt = "  at " + strings.Join(frames, "\n  at ")
	return &at
}

// maxFrames is how much of a guest's stack an error shows.
const maxFrames = 10

// splitTrap takes wazero's error apart: "wasm error: TRAP\nwasm stack trace:\n\tFRAME\n\tFRAME".
func splitTrap(err error) (trap string, frames []string) {
	trap, trace, _ := strings.Cut(err.Error(), "\nwasm stack trace:")
	trap = strings.TrimPrefix(trap, "wasm error: ")
	for line := range strings.SplitSeq(trace, "\n") {
		if line = strings.TrimSpace(line); line != "" && len(frames) < maxFrames {
			frames = append(frames, line)
		}
	}
	return trap, frames
}

func exportName(f api.FunctionDefinition) string {
	if names := f.ExportNames(); len(names) > 0 {
		return names[0]
	}
	return f.DebugName()
}
