package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/adp-host/adp/host"
)

func (a *app) nodeCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "node",
		Short: "List, explain, cordon and drain the nodes of the mesh; back its etcd up and bring it back",
		Long: `List, explain, cordon and drain the nodes of the mesh; back its etcd up and bring it back.

  ls               nodes, what they own, and how many failures the mesh survives now
  show NODE        one node: what it owns and why it is there
  cordon NODE      nothing new comes to it
  drain NODE       what it owns moves to where it fits; what fits nowhere else stays
  uncordon NODE    ends both
  backup FILE      writes what the mesh keeps in etcd; snapshots and artifacts are files of their own
  restore FILE     makes an etcd of a backup and of what the store has since, while no node runs
  recover          makes an etcd of the store and the registry alone, while no node runs`,
		Args: a.unknownCommand,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(
		&cobra.Command{Use: "ls", Short: "List the nodes", Args: cobra.NoArgs, RunE: a.listNodes},
		&cobra.Command{Use: "show NODE", Short: "Show a node and what it owns, and why", Args: cobra.ExactArgs(1), RunE: a.showNode},
	)
	for verb, short := range map[string]string{
		"cordon":   "Keep new products from a node",
		"drain":    "Move what a node owns to others",
		"uncordon": "End cordon and drain",
	} {
		cmd.AddCommand(&cobra.Command{Use: verb + " NODE", Short: short, Args: cobra.ExactArgs(1), RunE: func(cmd *cobra.Command, args []string) error {
			c, err := a.connect()
			if err != nil {
				return err
			}
			n, err := c.CommandNode(cmd.Context(), args[0], verb)
			if err != nil {
				return err
			}
			return a.showNodes(host.FleetStatus{Nodes: []host.NodeStatus{n}})
		}})
	}
	cmd.AddCommand(a.backupCommand(), a.restoreCommand(), a.recoverCommand())
	for _, c := range cmd.Commands() {
		c.Args = usageArgs(c.Args)
	}
	return cmd
}

func (a *app) listNodes(cmd *cobra.Command, _ []string) error {
	c, err := a.connect()
	if err != nil {
		return err
	}
	f, err := c.Fleet(cmd.Context())
	if err != nil {
		return err
	}
	if a.json() {
		return a.showJSON(f)
	}
	defer a.talk("%s", f.Tolerance)
	return a.showNodes(f)
}

func (a *app) showNodes(f host.FleetStatus) error {
	if a.json() {
		return a.showJSON(f.Nodes)
	}
	rows := make([][]string, len(f.Nodes))
	for i, n := range f.Nodes {
		leader := ""
		if n.Leader {
			leader = "leader"
		}
		rows[i] = []string{n.Node, n.State, fmt.Sprint(n.Products), fmt.Sprint(n.Slots), leader, n.Member, n.URL, labels(n.Labels), strings.Join(n.Features, ","), n.Version}
	}
	return table(a.out, []string{"NODE", "STATE", "PRODUCTS", "SLOTS", "PLACES", "ETCD", "URL", "LABELS", "FEATURES", "VERSION"}, rows)
}

func labels(m map[string]string) string {
	var out []string
	for _, name := range slices.Sorted(maps.Keys(m)) {
		out = append(out, name+"="+m[name])
	}
	return strings.Join(out, ",")
}

func (a *app) showNode(cmd *cobra.Command, args []string) error {
	c, err := a.connect()
	if err != nil {
		return err
	}
	n, err := c.Node(cmd.Context(), args[0])
	if err != nil {
		return err
	}
	if a.json() {
		return a.showJSON(n)
	}
	if err := a.showNodes(host.FleetStatus{Nodes: []host.NodeStatus{n}}); err != nil {
		return err
	}
	if len(n.Owns) == 0 {
		return nil
	}
	rows := make([][]string, len(n.Owns))
	for i, p := range n.Owns {
		rows[i] = []string{p.Product, fmt.Sprint(p.Epoch), p.Why}
	}
	fmt.Fprintln(a.out)
	return table(a.out, []string{"OWNS", "EPOCH", "WHY HERE"}, rows)
}
