package main

import (
	"context"
	"fmt"
	"io"
	"os"

	"github.com/adp-host/adp/host"
	"github.com/adp-host/adp/host/sandbox"
)

// compileWord makes this binary the process that compiles a module for another adp: `adp compile-module DIR`. It is no
// verb: nobody but adp calls it.
const compileWord = "compile-module"

// compileInChild has modules compiled by a process of this binary, whose time and memory are bounded.
func compileInChild() (func(ctx context.Context, dir string) error, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, host.Errorf(host.CodeNodeSetup, "this program does not know where it is: %w", err)
	}
	return sandbox.CompileWith(self, compileWord), nil
}

// compileModule is the process that compiles.
func compileModule(dir string, stderr io.Writer) int {
	if err := sandbox.CompileDir(context.Background(), dir); err != nil {
		fmt.Fprintln(stderr, err)
		return host.ExitFailed
	}
	return host.ExitOK
}
