package sandbox

import (
	"errors"
	"fmt"
	"strings"

	"github.com/tetratelabs/wazero/api"

	"github.com/adp-host/adp/host"
)

// fault says why a call into the guest did not return, and where: the reason it was killed for, or its trap.
func (i *Instance) fault(f api.FunctionDefinition, err error) error {
	if i.failure == nil && strings.Contains(err.Error(), "(recovered by wazero)") {
		return fmt.Errorf("the host failed while %s ran: %w", exportName(f), err) // a panic of ours, not the guest's
	}
	trap, frames := splitTrap(err, i.program.compiled.Name())
	at, stack := i.where(frames)
	if i.failure != nil {
		return located(i.failure, at, stack)
	}
	i.meter.lost = true
	e := &host.Error{Code: host.CodeGuestTrap, Err: err, Excerpt: stack}
	switch {
	case strings.Contains(trap, "stack overflow"):
		e.Code = host.CodeGuestStack
		e.Message = "the guest recursed past the engine's stack" + at
	case i.mem.denied:
		e.Code = host.CodeGuestMemory
		e.Message = fmt.Sprintf("the guest wanted more than its %s of memory and gave up (%s%s)", size(i.limits.Memory), trap, at)
		e.Hint = "look for data that is kept from batch to batch, or raise limits.memory"
	default:
		e.Message = fmt.Sprintf("%s trapped: %s%s", exportName(f), trap, at)
	}
	e.Message += i.log.lastWords()
	return e
}

// located adds to an error of the host's where the guest was.
func located(err error, at, stack string) error {
	var e *host.Error
	if at == "" || !errors.As(err, &e) || e.Excerpt != "" {
		return err
	}
	with := *e
	with.Message += "," + at
	with.Excerpt = stack
	return &with
}

func exportName(f api.FunctionDefinition) string {
	if names := f.ExportNames(); len(names) > 0 {
		return names[0]
	}
	return f.DebugName()
}
