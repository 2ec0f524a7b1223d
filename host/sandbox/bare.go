package sandbox

import (
	"context"

	"github.com/tetratelabs/wazero/api"

	"github.com/adp-host/adp/abi"
	"github.com/adp-host/adp/host"
	"github.com/adp-host/adp/host/wasm"
)

// Bare is an instance in the hands of somebody who checks guests: besides what every Instance does, its exports can be
// called one by one, with any parameters, and its memory can be looked at and written. Nothing of that can harm the host: all
// limits hold, and imports look at what they are given as they always do. A run that is meant to be published never needs it.
type Bare struct{ *Instance }

// Watcher sees the calls of a guest into its host. Calls that are a Watcher too are told of each of them.
type Watcher interface {
	// Calling is told of a call before it happens, with its parameters. When it answers true the
	// call does not happen and gives result.
	Calling(module, name string, params []uint64) (result uint64, instead bool)
	// Called is told what a call has given; 0 for functions without a result.
	Called(module, name string, result uint64)
}

// Bare starts an instance that has a guest's whole life before it: it is initialised for itself alone, not taken from an image, and
// was asked for no memory yet. A Bare around what Start gives has both behind it.
func (e *Engine) Bare(ctx context.Context, s Spec, c Calls) (Bare, error) {
	i, err := e.instance(ctx, s, c, true)
	return Bare{i}, err
}

// Call calls one of the exports that the ABI names, beside _initialize, and gives its result: a status, an address or a
// version, 0 for adp_free. An error is a trap, a limit, or a fatal status that the guest got from an import; the instance is then
// good only for Close. A status that is not OK is no error here.
func (b Bare) Call(ctx context.Context, export string, params ...uint64) (int32, error) {
	f := b.exported(export)
	if f == nil {
		return 0, host.Errorf(host.CodeGuestABI, "there is no export %s to call", export)
	}
	p := running
	switch export {
	case abi.ExportABI, abi.ExportAlloc, abi.ExportFree:
		p = initialize
	case abi.ExportOpen:
		b.begin()
	}
	return b.call(ctx, p, f, params...)
}

func (b Bare) exported(name string) api.Function {
	switch name {
	case abi.ExportABI, abi.ExportAlloc, abi.ExportFree, abi.ExportOpen, abi.ExportProcess, abi.ExportFlush:
		return b.mod.ExportedFunction(name)
	}
	return nil
}

// Memory is the guest's memory as it is now. It is good until the guest is called again.
func (b Bare) Memory() []byte { return b.mem.bytes() }

// Arena is the memory that Process lays batches into, nil before the first. It is good until the guest is called again.
func (b Bare) Arena() []byte {
	if b.mem.size == 0 {
		return nil // closed
	}
	return b.mem.bytes()[b.arena.ptr:][:b.arena.size]
}

// Rules are what admission asks of a module's imports and exports.
func Rules() wasm.Policy { return policy() }
