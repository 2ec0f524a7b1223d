package sandbox

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"runtime"
	"strings"
	"time"
)

// What a process that compiles may take. Admission bounds a module's code, but what an engine makes of it is the engine's
// secret: a deadline does not stop it, and its memory is this process's.
const (
	compileTime   = 60 * time.Second
	compileMemory = 6 << 30 // address space: Go reserves much of it without use
)

// CompileWith gives a Config.Compile that runs a command, the folder as its last argument. The command calls CompileDir.
func CompileWith(command string, args ...string) func(ctx context.Context, dir string) error {
	return func(ctx context.Context, dir string) error {
		ctx, cancel := context.WithTimeoutCause(ctx, compileTime, fmt.Errorf("it takes longer than %v", compileTime))
		defer cancel()
		cmd := exec.CommandContext(ctx, command, append(args[:len(args):len(args)], dir)...)
		var said bytes.Buffer
		cmd.Env = []string{} // it needs nothing of what this process was told
		cmd.Stderr = &said
		cmd.WaitDelay = time.Second
		err := cmd.Run()
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		why, _, _ := strings.Cut(strings.TrimSpace(said.String()), "\n")
		return errors.Join(err, errors.New(why))
	}
}

// CompileDir compiles dir/module.wasm into dir, for an engine whose Config.Compile has started this process. It first
// bounds the memory and processor time of the process as a whole, so it is the last thing that a process does.
func CompileDir(ctx context.Context, dir string) error {
	if err := bound(compileMemory, compileTime); err != nil {
		return fmt.Errorf("limits of the compiling process: %w", err)
	}
	m, err := readModule(dir)
	if err != nil {
		return err
	}
	p, err := compile(ctx, m, dir, Config{CompileWorkers: runtime.GOMAXPROCS(0)})
	if err != nil {
		return err
	}
	return p.close()
}
