package sandbox

import (
	"context"
	"encoding/hex"
	"errors"
	"sync"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/experimental"

	"github.com/adp-host/adp/abi"
	"github.com/adp-host/adp/host"
	"github.com/adp-host/adp/host/wasm"
)

// Products in script languages share an interpreter: their modules differ in nothing but the script that lies in their memory. What was
// admitted, metered, compiled and compared with the interpreter for one of a tenant's is so for all its kin: compiling an interpreter
// takes many seconds, laying a script before it a moment. Everything that depends on the code alone is kept under the name of the kin,
// on disk and in memory; all else (data, images, instances) is each module's own.

// code is a module's, compiled. It has a runtime of its own: the code of different teams shares no engine, and closing one frees it all.
type code struct {
	runtime   wazero.Runtime
	cache     wazero.CompilationCache // of the runtime; nil when nothing is kept on disk
	compiled  wazero.CompiledModule
	minMemory int64
	kernel    *kernelCode // that an Extism plug-in is linked to; nil for native guests
	size      int         // of the module, in bytes

	shared *codes            // nil: it has one user
	key    string            // in shared
	model  wasm.Instantiable // without bytes and data: what to relay for others
	users  int               // programs; guarded by shared.mu
}

// compileCode compiles a module. dir is where the compiled code is kept and looked for; "" nowhere.
func compileCode(ctx context.Context, m wasm.Instantiable, dir string, cfg Config) (_ *code, err error) {
	c := &code{size: len(m.Bytes), model: m}
	c.model.Bytes, c.model.Data = nil, nil
	defer func() {
		if err != nil {
			_ = c.close()
		}
	}()
	rc := wazero.NewRuntimeConfigCompiler()
	if cfg.Interpreter {
		rc = wazero.NewRuntimeConfigInterpreter()
	}
	if dir != "" {
		if c.cache, err = wazero.NewCompilationCacheWithDir(dir); err != nil {
			return nil, err
		}
		rc = rc.WithCompilationCache(c.cache)
	}
	c.runtime = wazero.NewRuntimeWithConfig(ctx, rc.WithCoreFeatures(features).WithDebugInfoEnabled(placeable(m, dir, cfg)))
	if err = link(ctx, c.runtime); err != nil {
		return nil, err
	}
	if c.compiled, err = c.runtime.CompileModule(experimental.WithCompilationWorkers(ctx, cfg.CompileWorkers), m.Bytes); err != nil {
		return nil, host.Errorf(host.CodeModuleInvalid, "the metered module does not compile: %w", err)
	}
	mem := c.compiled.ExportedMemories()[abi.ExportMemory]
	if mem == nil {
		return nil, host.Errorf(host.CodeModuleRefused, "the module exports no memory")
	}
	c.minMemory = int64(mem.Min()) * pageSize
	if c.compiled.ExportedFunctions()[abi.ExportABI] == nil {
		if c.kernel, err = compileKernel(ctx, c.runtime); err != nil {
			return nil, err
		}
		c.minMemory += c.kernel.memory
	}
	return c, nil
}

// leave gives up the place of one user; the last one closes the code.
func (c *code) leave() error {
	if c.shared == nil {
		return c.close()
	}
	c.shared.mu.Lock()
	defer c.shared.mu.Unlock()
	if c.users--; c.users > 0 {
		return nil
	}
	delete(c.shared.byKin, c.key)
	return c.close()
}

func (c *code) close() error {
	var errs []error
	if c.runtime != nil {
		errs = append(errs, c.runtime.Close(context.Background()))
	}
	if c.cache != nil {
		errs = append(errs, c.cache.Close(context.Background()))
	}
	return errors.Join(errs...)
}

// codes are those in memory that modules share with their kin.
type codes struct {
	mu    sync.Mutex
	byKin map[string]*code // by programID.key of the kin
}

// take gives the code of a kin with one more user; nil: there is none.
func (cs *codes) take(key string) *code {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	c := cs.byKin[key]
	if c != nil {
		c.users++
	}
	return c
}

// share lets others take code that has one user. Where two have compiled the same, the second stays alone.
func (cs *codes) share(key string, c *code) {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	if cs.byKin[key] != nil {
		return
	}
	if cs.byKin == nil {
		cs.byKin = map[string]*code{}
	}
	c.shared, c.key, c.users = cs, key, 1
	cs.byKin[key] = c
}

// kinName is what wasm.Kin gives.
type kinName [32]byte

// noKin is that of a module whose code is its own.
var noKin kinName

// ofKin names the code of a module's kin like that of a module: no digest begins so.
func (id programID) ofKin(kin kinName) programID {
	id.module = host.Digest("kin:" + hex.EncodeToString(kin[:]))
	return id
}

// maxKins bounds what is remembered of modules; what was forgotten is read again.
const maxKins = 4096

// codeID names the code of a program: its kin's, or its own. bytes may be nil where the module was asked for before.
func (e *Engine) codeID(id programID, bytes func() ([]byte, error)) programID {
	if id.extism {
		return id
	}
	e.mu.Lock()
	kin, known := e.kins[id.module]
	e.mu.Unlock()
	if !known && bytes != nil && !e.judgedAlone(id) {
		module, err := bytes()
		if err != nil {
			return id // whoever needs it will be told
		}
		kin, _ = wasm.Kin(module)
		e.mu.Lock()
		if e.kins == nil || len(e.kins) >= maxKins {
			e.kins = map[host.Digest]kinName{}
		}
		e.kins[id.module] = kin
		e.mu.Unlock()
	}
	if kin == noKin {
		return id
	}
	return id.ofKin(kin)
}

// judgedAlone reports whether there is a verdict on the code of a module that is its own, so that its bytes need not be read.
func (e *Engine) judgedAlone(id programID) bool {
	return e.cache != nil && e.cache.verdict(e.cache.name(id, id.options(), false)) != unknown
}

// loadKin makes a program of a module that may have kin: of their code, if that is in memory or on disk.
func (e *Engine) loadKin(ctx context.Context, id programID, kin kinName, module []byte, cfg Config) (*program, error) {
	id = id.ofKin(kin)
	if c := e.codes.take(id.key()); c != nil {
		if m, err := c.model.Relaid(module); err == nil {
			return c.program(m, cfg), nil
		}
		_ = c.leave()
	}
	var p *program
	if e.cache != nil {
		p = e.cache.load(ctx, e.cache.name(id, id.options(), cfg.Interpreter), module, cfg)
	}
	if p == nil {
		var err error
		if p, err = e.make(ctx, id, kin, module, cfg); err != nil {
			return nil, err
		}
	}
	e.codes.share(id.key(), p.code)
	e.passes(checked{module: kin, nans: id.nans}) // else it would not be code
	return p, nil
}
