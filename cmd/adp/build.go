package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/adp-host/adp/host"
	"github.com/adp-host/adp/host/build"
)

// built is what a build made.
type built struct {
	Domain  string      `json:"domain"`
	Product string      `json:"product"`
	Version string      `json:"version"`
	Digest  host.Digest `json:"digest"`
	File    string      `json:"file"`
	Module  int         `json:"module_bytes"`
}

func (a *app) buildCommand() *cobra.Command {
	var to string
	var plugin plugIn
	cmd := &cobra.Command{
		Use:   "build DIR | build PLUGIN.wasm --extism",
		Short: "Check a product's documents, compile its code and pack both into one artifact",
		Long: `Check a product's documents, compile its code and pack both into one artifact.

The file is an OCI layout in a tar, named by the digest of its content; adp run takes it on any machine. The compiler of
the product's language must be installed; the SDK comes with adp.

With --extism it takes a plug-in that any of Extism's PDKs has made. Documents beside it say what product it is; where there are none,
those of a small product are written there, to go on with.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			dir, err := plugin.folder(a, cmd, args[0])
			if err != nil {
				return err
			}
			w, err := a.workshop()
			if err != nil {
				return err
			}
			defer w.close()
			artifact, digest, tar, err := w.artifact(cmd.Context(), dir)
			if err != nil {
				return err
			}
			p := artifact.Product
			if to == "" {
				to = filepath.Join(dir, "build", p.ID.Name+"-"+p.Version+".adp")
				if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
					return host.Errorf(host.CodeBuildModule, "%w", err)
				}
			}
			if err := os.WriteFile(to, tar, 0o644); err != nil {
				return host.Errorf(host.CodeBuildModule, "writing the artifact: %w", err)
			}
			out := built{p.ID.Domain, p.ID.Name, p.Version, digest, to, len(artifact.Module)}
			if a.json() {
				return a.showJSON(out)
			}
			return table(a.out, []string{"PRODUCT", "VERSION", "MODULE BYTES", "FILE", "DIGEST"},
				[][]string{{p.ID.URL(), p.Version, fmt.Sprint(out.Module), to, string(digest)}})
		},
	}
	cmd.Flags().StringVar(&to, "to", "", "file to write (default: DIR/build/NAME-VERSION.adp)")
	cmd.Flags().BoolVar(&plugin.extism, "extism", false, "the argument is an Extism plug-in")
	cmd.Flags().StringVar(&plugin.function, "function", "", "with --extism: the function that takes a batch (default run)")
	cmd.Flags().StringVar(&plugin.encoding, "encoding", "", "with --extism: ndjson, json or columns (default ndjson)")
	cmd.Flags().StringVar(&plugin.domain, "domain", "demo", "with --extism: domain of the product that is written")
	return cmd
}

// plugIn is what is said of an Extism plug-in on the command line.
type plugIn struct {
	extism                     bool
	function, encoding, domain string
}

// folder is that of the product: the argument, or where the plug-in lies that it names.
func (p plugIn) folder(a *app, cmd *cobra.Command, arg string) (string, error) {
	if !p.extism {
		if p.function != "" || p.encoding != "" || cmd.Flags().Changed("domain") {
			return "", &usageError{"--function, --encoding and --domain are for --extism", cmd.CommandPath()}
		}
		return arg, nil
	}
	dir, written, err := build.Plugin(arg, p.domain, p.function, p.encoding)
	for _, name := range written {
		a.talk("wrote %s", filepath.Join(dir, name))
	}
	return dir, err
}
