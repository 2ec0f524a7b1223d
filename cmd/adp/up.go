package main

import (
	"os"

	"github.com/spf13/cobra"
)

// upDocument says where a node is that has just come up.
type upDocument struct {
	URL       string `json:"url"`
	PID       int    `json:"pid"`
	Data      string `json:"data"`
	TokenFile string `json:"token_file"`
}

func (a *app) upCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "up",
		Short: "Run this machine's node until it is interrupted",
		Long: `Run this machine's node until it is interrupted.

Everything it keeps lies in the data folder. It serves on loopback only; the token in the data folder, which only its
owner can read, is what adp shows it. Settings may also lie in adp.yaml in the data folder. With -o json one object is
written when the node answers: url, pid, data, token_file.

Several nodes, which share a store, make one mesh: start the first with --cluster and the others with --join and a name.
With three of them etcd has three members, and one may fail. adp node ls says what the mesh survives now.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if a.fleet.Role == roleEtcd {
				return a.upEtcd(cmd.Context())
			}
			n, err := a.start(cmd.Context(), false)
			if err != nil {
				return err
			}
			return n.serveAnd(cmd.Context(), func() error {
				a.talk("node %s of mesh %s at %s, data in %s", a.settings.Name, a.settings.Mesh, n.URL(), n.Data())
				if !a.json() {
					return nil
				}
				return a.showJSON(upDocument{n.URL(), os.Getpid(), n.Data(), a.tokenFile()})
			})
		},
	}
	a.nodeFlags(cmd)
	a.fleetFlags(cmd)
	return cmd
}
