package main

import (
	"github.com/spf13/cobra"
)

func (a *app) upCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "up",
		Short: "Run this machine's node until it is interrupted",
		Long: `Run this machine's node until it is interrupted.

Everything it keeps lies in the data folder. It serves on loopback only; the token in the data folder, which only its
owner can read, is what adp shows it. Settings may also lie in adp.yaml in the data folder.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			n, err := a.start(cmd.Context(), false)
			if err != nil {
				return err
			}
			a.talk("node %s of mesh %s at %s, data in %s", a.settings.Name, a.settings.Mesh, n.URL(), n.Data())
			if a.json() {
				if err := a.showJSON(map[string]string{"url": n.URL(), "data": n.Data(), "token_file": a.tokenFile()}); err != nil {
					return err
				}
			}
			return n.serve(cmd.Context())
		},
	}
	a.nodeFlags(cmd)
	return cmd
}
