package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
)

// app is what the verbs share: where to write and what was set.
type app struct {
	out, err io.Writer
	settings settings
	fleet    fleetSettings // of up

	dataGiven, outputGiven bool // on the command line, not only in the environment
}

func (a *app) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "adp",
		Short: "A data mesh operating system: build, run, find and open autonomous data products",
		Long: `A data mesh operating system: build, run, find and open autonomous data products.

A product is two documents (product.yaml and a contract) and code in any language that compiles to WebAssembly. A node
runs it in a sandbox, checks what it makes, publishes it at its URL and wakes it when its inputs change.

  adp new hello --lang go        a product to begin with
  adp run hello                  build it and run it on this machine's node
  adp access adp://./demo/hello  read what it made

Exit codes: 0 ok, 1 failed, 2 usage, 3 contract or policy violated, 4 not allowed, 5 not found, 130 interrupted.`,
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          a.unknownCommand,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error {
			return a.resolve(cmd)
		},
	}
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return &usageError{err.Error(), cmd.CommandPath()}
	})
	a.globalFlags(root)
	root.AddCommand(a.newCommand(), a.buildCommand(), a.testCommand(), a.devCommand(), a.runCommand(), a.upCommand(), a.demoCommand(),
		a.findCommand(), a.accessCommand(), a.useCommand(), a.controlCommand(), a.nodeCommand(), a.abiCommand(), a.schemaCommand(), a.doctorCommand(), a.versionCommand())
	for _, c := range root.Commands() {
		c.Args = usageArgs(c.Args)
	}
	a.cobraVerbs(root)
	root.SuggestionsMinimumDistance = 2
	return root
}

// cobraVerbs has cobra's own verbs refuse what the others refuse.
func (a *app) cobraVerbs(root *cobra.Command) {
	root.InitDefaultCompletionCmd()
	root.InitDefaultHelpCmd()
	for _, c := range root.Commands() {
		switch c.Name() {
		case "completion":
			c.Args, c.RunE = a.unknownCommand, root.RunE
			for _, shell := range c.Commands() {
				shell.Args = usageArgs(shell.Args)
			}
		case "help":
			c.Args = func(_ *cobra.Command, args []string) error {
				about, rest, err := root.Find(args)
				if err != nil {
					return err
				}
				return a.unknownCommand(about, rest)
			}
		}
	}
}

// unknownCommand is what adp says to a verb that it does not have.
func (a *app) unknownCommand(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	message := fmt.Sprintf("there is no verb %q", args[0])
	if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
		message += "; did you mean " + strings.Join(near, " or ") + "?"
	}
	return &usageError{message, cmd.CommandPath()}
}

// usageArgs has complaints about arguments exit with 2.
func usageArgs(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if check == nil {
			check = cobra.NoArgs
		}
		if err := check(cmd, args); err != nil {
			return &usageError{err.Error(), cmd.CommandPath()}
		}
		return nil
	}
}

// talk writes a line for people.
func (a *app) talk(format string, args ...any) { fmt.Fprintf(a.err, format+"\n", args...) }
