package sandbox

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/tetratelabs/wazero/api"

	"github.com/adp-host/adp/host/wasm"
)

// body is an instance as the engine has it, a module with its memory, without any run. It outlives a run if it can be put
// back into the state that it had after initialisation.
type body struct {
	mod     api.Module
	mem     *linear
	kernel  *kernel             // of an Extism plug-in; nil for native guests
	counter api.MutableGlobal   // of fuel
	globals []api.MutableGlobal // all that change; none where the program cannot be restored
	image   *image              // whose state it has while it is parked
	own     int64               // bytes of memory that it shares with nobody while it is parked
}

// newBody instantiates a program. No code of the guest runs, and its data are not in memory yet. limit is the most that its
// memory can become, in bytes.
func newBody(ctx context.Context, p *program, limit int64) (*body, error) {
	mem, err := newLinear(limit)
	if err != nil {
		return nil, err
	}
	b := &body{mem: mem}
	if p.kernel != nil {
		if b.kernel, err = p.kernel.beside(ctx, p.runtime, mem, limit); err != nil {
			mem.Free()
			return nil, err
		}
	}
	if b.mod, err = p.instantiate(ctx, mem, b.kernel); err != nil {
		if b.kernel != nil {
			b.kernel.close()
		}
		mem.Free()
		return nil, err
	}
	b.counter = b.mod.ExportedGlobal(fuelGlobal).(api.MutableGlobal)
	for n := range p.globals {
		g, ok := b.mod.ExportedGlobal(wasm.ExportGlobal + strconv.Itoa(n)).(api.MutableGlobal)
		if !ok {
			return nil, errors.Join(fmt.Errorf("global %d is not exported", n), b.close())
		}
		b.globals = append(b.globals, g)
	}
	return b, nil
}

// grow makes memory as large as it was.
func (b *body) grow(size int) error {
	if missing := size - b.mem.size; missing > 0 {
		if _, ok := b.mod.Memory().Grow(uint32(missing / pageSize)); !ok {
			return fmt.Errorf("memory does not grow from %d to %d bytes", b.mem.size, size)
		}
	}
	return nil
}

func (b *body) close() error {
	err := b.mod.Close(context.Background())
	if b.kernel != nil {
		b.kernel.close()
	}
	b.mem.Free()
	return err
}
