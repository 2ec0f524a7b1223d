package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/adp-host/adp/host"
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
	cmd := &cobra.Command{
		Use:   "build DIR",
		Short: "Check a product's documents, compile its code and pack both into one artifact",
		Long: `Check a product's documents, compile its code and pack both into one artifact.

The file is an OCI layout in a tar, named by the digest of its content; adp run takes it on any machine. The compiler of
the product's language must be installed; the SDK comes with adp.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			w, err := a.workshop()
			if err != nil {
				return err
			}
			defer w.close()
			artifact, digest, tar, err := w.artifact(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			p := artifact.Product
			if to == "" {
				to = filepath.Join(args[0], "build", p.ID.Name+"-"+p.Version+".adp")
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
	return cmd
}
