package clause

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"time"

	"github.com/adp-host/adp/abi/abitest"
	"github.com/adp-host/adp/host"
	"github.com/adp-host/adp/host/sandbox"
)

// Harness runs the suite of abi/abitest in the sandbox.
type Harness struct {
	Engine *sandbox.Engine
	Module []byte
}

// Start implements abitest.Harness. The instance is closed with the part of the suite that asks for it.
func (h Harness) Start(t abitest.T, a abitest.Spec) abitest.Instance {
	t.Helper()
	r := newRun(a, plainPorts(a))
	guest, err := h.Engine.Start(context.Background(), sandboxSpec(h.Module, r), r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = guest.Close() })
	return &instance{r, sandbox.Bare{Instance: guest}}
}

// sandboxSpec is what the sandbox has to know of a run.
func sandboxSpec(module []byte, r *run) sandbox.Spec {
	a := &r.spec
	p := &host.Product{
		ID:     host.ProductID{Tenant: host.LocalTenant, Domain: "abi", Name: "guest"},
		Config: a.Config,
		Code:   r.ports.code,
		Limits: host.Limits{Deadline: time.Minute, Stack: 64 << 20}, // frames of interpreters are large
	}
	for _, port := range a.Inputs {
		p.Inputs = append(p.Inputs, host.Input{Name: port.Name, Mode: host.InputMode(abitest.ModeName(port.Mode))})
	}
	for _, port := range a.Outputs {
		p.Outputs = append(p.Outputs, host.Output{Name: port.Name, Mode: host.OutputMode(abitest.ModeName(port.Mode))})
	}
	for _, port := range a.Bindings {
		p.Bindings = append(p.Bindings, host.Binding{Name: port.Name, Access: abitest.ModeName(port.Mode)})
	}
	return sandbox.Spec{
		Module:  host.Digest(fmt.Sprintf("sha256:%x", sha256.Sum256(module))),
		Bytes:   func() ([]byte, error) { return module, nil },
		Product: p,
		Inputs:  guests(r.ports.inputs), Outputs: guests(r.ports.outputs), Bindings: guests(r.ports.bindings),
		RunID: a.RunID, Start: a.Start, Rebuild: a.Rebuild,
	}
}

// instance is a run in the hands of the suite.
type instance struct {
	*run
	guest sandbox.Bare
}

func (in *instance) Open() error            { return in.guest.Open(context.Background()) }
func (in *instance) Flush() error           { return in.guest.Flush(context.Background()) }
func (in *instance) Result() abitest.Result { return in.result }
func (in *instance) Close()                 { _ = in.guest.Close() }

// Process hands the rows over in a slice of a longer batch, so that offsets are at work.
func (in *instance) Process(input int, rows []abitest.Row) error {
	err := in.guest.Process(context.Background(), input, toArrow(in.ports.inputs[input].plain, rows))
	arena := in.guest.Arena()
	copy(arena, bytes.Repeat([]byte{poison}, len(arena))) // who kept a pointer finds this
	return err
}

// poison is what the arena is overwritten with once a batch has been processed.
const poison = 0xdb
