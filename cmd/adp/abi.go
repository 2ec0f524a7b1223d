package main

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/spf13/cobra"

	"github.com/adp-host/adp/host"
	"github.com/adp-host/adp/host/build"
	"github.com/adp-host/adp/host/manifest"
	"github.com/adp-host/adp/host/node"
	"github.com/adp-host/adp/host/sandbox/clause"
	"github.com/adp-host/adp/registry"
)

func (a *app) abiCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "abi",
		Short: "Hold guest modules against the contract with guests, abi/SPEC.md",
		Long: `Hold guest modules against the contract with guests, abi/SPEC.md.

  check MODULE.wasm|ARTIFACT|DIR   a line for each clause: ok, FAIL and how to mend it, or not shown`,
		Args: a.unknownCommand,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(a.abiCheckCommand())
	for _, c := range cmd.Commands() {
		c.Args = usageArgs(c.Args)
	}
	return cmd
}

func (a *app) abiCheckCommand() *cobra.Command {
	var ports string
	var conform bool
	cmd := &cobra.Command{
		Use:   "check MODULE.wasm|ARTIFACT|DIR",
		Short: "Hold a module, made with whatever tool, against each clause of abi/SPEC.md",
		Long: `Hold a module, made with whatever tool, against each clause of abi/SPEC.md.

One line a clause: ok, FAIL (with what the SPEC asks and how to mend it), or not shown, when this module, these ports or
these rows do not come to it. The module runs in the sandbox some thirty times, each time with a host that does
something else that the SPEC leaves to it.

The ports are those of the product: of a folder or an artifact its own, with the rows of testdata/in where there are any.
A module alone gets those of --ports, or an input "in" and an output "out" with the columns id (int64, required),
name (string) and amount (float64).

Exit codes: 0 no clause failed, 1 one did, 2 usage.`,
		Example: `  adp abi check guest.wasm
  adp abi check guest.wasm --ports hello     # the ports of the product in folder hello
  adp abi check conform.wasm --conform       # the reference product of an SDK: the suite of abi/abitest, too`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if conform && ports != "" {
				return &usageError{"--conform and --ports exclude each other: the reference product has its own ports", cmd.CommandPath()}
			}
			w, err := a.workshop()
			if err != nil {
				return err
			}
			defer w.close()
			w.Check = nil // a module that would be refused is what this is about
			s, err := w.subject(cmd.Context(), args[0], ports, conform)
			if err != nil {
				return err
			}
			list, err := clause.Check(cmd.Context(), w.engine, s)
			if err != nil {
				return err
			}
			if conform && clause.Runs(list) {
				list = append(list, clause.Suite(w.engine, s.Module)...)
			}
			return a.showFindings(list)
		},
	}
	cmd.Flags().StringVar(&ports, "ports", "", "folder with the product.yaml that says the ports of a module")
	cmd.Flags().BoolVar(&conform, "conform", false, "the module is an SDK's reference product: run the suite of abi/abitest, too")
	return cmd
}

// subject reads the module of a file, an artifact or a folder, and what it is run with.
func (w *workshop) subject(ctx context.Context, path, ports string, conform bool) (clause.Subject, error) {
	artifact, err := w.read(ctx, path, ports)
	switch {
	case err != nil:
		return clause.Subject{}, err
	case conform:
		return clause.Reference(artifact.Module), nil
	case artifact.Product == nil:
		return clause.Subject{Module: artifact.Module}, nil
	}
	rows, err := fixtureRows(ctx, artifact)
	defer release(rows)
	if err != nil {
		return clause.Subject{}, err
	}
	return clause.Product(artifact.Product, artifact.Module, rows)
}

// read gives a module with its product, or without one where nothing says which.
func (w *workshop) read(ctx context.Context, path, ports string) (registry.Artifact, error) {
	info, err := os.Stat(path)
	if err != nil {
		return registry.Artifact{}, host.Errorf(host.CodeRegistryUnknown, "there is no module, artifact or folder %s", path)
	}
	if info.IsDir() {
		return w.Product(ctx, path, w.contract)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return registry.Artifact{}, host.Errorf(host.CodeBuildModule, "%w", err)
	}
	switch {
	case !bytes.HasPrefix(b, []byte("\x00asm")) && filepath.Ext(path) != ".wasm":
		digest, err := w.store.Import(ctx, bytes.NewReader(b))
		if err != nil {
			return registry.Artifact{}, err
		}
		return w.store.Pull(ctx, digest)
	case ports == "":
		return registry.Artifact{Module: b}, nil
	}
	if filepath.Base(ports) == manifest.ProductFile {
		ports = filepath.Dir(ports)
	}
	_, p, err := w.Documents(ctx, ports, w.contract)
	return registry.Artifact{Product: p, Module: b}, err
}

// fixtureRows are the rows that a product's own fixtures have for its inputs; none where it has no fixtures.
func fixtureRows(ctx context.Context, artifact registry.Artifact) (map[string][]arrow.RecordBatch, error) {
	if len(artifact.Tests) == 0 {
		return nil, nil
	}
	dir, err := os.MkdirTemp("", "adp-abi-*")
	if err != nil {
		return nil, host.Errorf(host.CodeRunStore, "%w", err)
	}
	defer os.RemoveAll(dir)
	for name, b := range artifact.Tests {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, b, 0o600)); err != nil {
			return nil, host.Errorf(host.CodeRunStore, "%w", err)
		}
	}
	found, err := build.FindFixtures(dir, artifact.Product)
	if err != nil {
		return nil, nil // adp test says what is wrong with them
	}
	return node.Fixture{Product: artifact.Product, Files: found.In}.Read(ctx)
}

func release(rows map[string][]arrow.RecordBatch) {
	for _, list := range rows {
		for _, b := range list {
			b.Release()
		}
	}
}

// showFindings shows a line for each clause. One that failed is the command's exit code.
func (a *app) showFindings(list []clause.Finding) error {
	count := map[clause.Result]int{}
	var rows [][]string
	for _, f := range list {
		count[f.Result]++
		section, seen := f.Section, f.Seen
		if section != clause.SuiteSection {
			section = "§" + section
		}
		if f.Result == clause.Fail {
			seen += ". Asked for: " + f.Asks + ". To mend it: " + f.Mend
		}
		rows = append(rows, []string{resultWords[f.Result], section, f.Clause, seen})
	}
	if a.json() {
		if err := a.showJSON(list); err != nil {
			return err
		}
	} else if err := table(a.out, []string{"RESULT", "SPEC", "CLAUSE", "SEEN"}, rows); err != nil {
		return err
	}
	a.talk("%d clauses: %d ok, %d failed, %d not shown", len(list), count[clause.OK], count[clause.Fail], count[clause.NotShown])
	if count[clause.Fail] > 0 {
		return &exitError{host.ExitFailed}
	}
	return nil
}

var resultWords = map[clause.Result]string{clause.OK: "ok", clause.Fail: "FAIL", clause.NotShown: "not shown"}
