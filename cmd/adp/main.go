// Command adp builds, runs, finds and opens autonomous data products. See `adp help`.
//
// This package is flags, wiring and signals, one file a verb. Settings come from flags, ADP_ variables, the node's
// adp.yaml and defaults, in this order; nothing below cmd reads flags or the environment.
package main

import (
	"context"
	"errors"
	"io"
	"os"
	"os/signal"
	"slices"
	"syscall"

	"github.com/adp-host/adp/host"
)

func main() {
	if len(os.Args) == 3 && os.Args[1] == compileWord {
		os.Exit(compileModule(os.Args[2], os.Stderr))
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// run executes one command line and returns its exit code. Data goes to stdout, talk to stderr.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	a := &app{out: stdout, err: stderr}
	root := a.root()
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	err := root.ExecuteContext(ctx)
	endDuckDB()
	if err == nil {
		return host.ExitOK
	}
	if errors.Is(err, context.Canceled) && ctx.Err() != nil {
		return host.ExitInterrupt
	}
	if asksJSON(args) { // also when a flag before it meant nothing
		a.settings.Output = "json"
	}
	a.showError(err)
	return exitCode(err)
}

// asksJSON reports whether a command line holds -o json, however it is written.
func asksJSON(args []string) bool {
	for i, arg := range args {
		switch {
		case arg == "-ojson", arg == "-o=json", arg == "--output=json":
			return true
		case arg == "json" && i > 0 && (args[i-1] == "-o" || args[i-1] == "--output"):
			return true
		}
	}
	return false
}

// exitCode is host.ExitCode, and 2 for command lines that mean nothing.
func exitCode(err error) int {
	var usage *usageError
	var coded *exitError
	switch {
	case errors.As(err, &usage):
		return host.ExitUsage
	case errors.As(err, &coded):
		return coded.code
	case errors.Is(err, context.Canceled):
		return host.ExitInterrupt
	}
	return host.ExitCode(err)
}

// usageError says that the command line means nothing.
type usageError struct {
	message string
	command string // whose help to read; "" adp's own
}

func (e *usageError) Error() string { return e.message }

// misused makes an error with one of the codes one of the command line; others pass.
func misused(err error, command string, codes ...host.ErrorCode) error {
	var e *host.Error
	if errors.As(err, &e) && slices.Contains(codes, e.Code) {
		return &usageError{e.Message + ": " + e.Hint, command}
	}
	return err
}

// exitError is an outcome that was shown already: only its exit code is left to give.
type exitError struct{ code int }

func (e *exitError) Error() string { return "" }
