package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/adp-host/adp/host"
	"github.com/adp-host/adp/host/node"
	"github.com/adp-host/adp/samples/mesh"
)

func (a *app) demoCommand() *cobra.Command {
	var once bool
	var samples string
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Run the sample mesh: products in several languages over real data",
		Long: `Run the sample mesh: products in several languages over real data.

The mesh comes up and settles; then late data arrives, of which one product's rule holds a part back. Its consumers keep
the last good snapshot. With --once the table of products is printed and the command ends; else the mesh runs until it is
interrupted, and anybody on this machine may read it. Nothing is kept unless --data says where.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if !a.dataGiven { // ADP_DATA is where the user's own mesh lies
				dir, err := os.MkdirTemp("", "adp-demo-*")
				if err != nil {
					return host.Errorf(host.CodeNodeSetup, "%w", err)
				}
				defer os.RemoveAll(dir)
				a.settings.Data = dir
			}
			if once && !cmd.Flags().Changed("listen") {
				a.settings.Listen = "127.0.0.1:0"
			}
			return a.demo(cmd.Context(), samples, once)
		},
	}
	cmd.Flags().BoolVar(&once, "once", false, "print the products when everything has settled, and end")
	cmd.Flags().StringVar(&samples, "samples", "", "folder of the sample products (default: ./samples, or beside the program)")
	a.nodeFlags(cmd)
	return cmd
}

func (a *app) demo(ctx context.Context, samples string, once bool) (err error) {
	samples, err = mesh.Find(samples)
	if err != nil {
		return err
	}
	w, err := a.workshop()
	if err != nil {
		return err
	}
	defer w.close()
	w.Ready = true // nobody waits for minutes to see a demo
	n, err := a.start(ctx, true)
	if err != nil {
		return err
	}
	serving, stop := context.WithCancel(ctx)
	served := make(chan error, 1)
	go func() { served <- n.serve(serving) }()
	defer func() {
		stop()
		err = errors.Join(err, <-served)
	}()
	d := mesh.Demo{Node: n.Node, Builder: w.Builder, Samples: samples, Work: a.settings.Data, Talk: a.err}
	if err := d.Run(ctx); err != nil {
		return err
	}
	if err := a.showMesh(ctx, n.Node); err != nil {
		return err
	}
	a.talk("\n%s is held: a rule of its contract rejects rows of the file that came last.\nIts consumers keep the last good snapshot.", mesh.Held.URL())
	if once {
		return a.judgeDemo(ctx, n.Node, len(mesh.Products)-len(d.Left))
	}
	a.talk(`The mesh is at %s for anybody on this machine, until it is interrupted. In another terminal:
  adp --data %[2]s control %[3]s status    which rows, and which rule
  adp --data %[2]s find
  adp --data %[2]s access adp://./safety/strike-risk --limit 5`, n.URL(), n.Data(), mesh.Held.URL())
	<-ctx.Done()
	return nil
}

func (a *app) showMesh(ctx context.Context, n *node.Node) error {
	list, err := n.Products(ctx)
	if err != nil {
		return err
	}
	return a.showProducts(list)
}

// judgeDemo is nil when the product that is meant to be held is, and all others published and are well.
func (a *app) judgeDemo(ctx context.Context, n *node.Node, products int) error {
	list, err := n.Products(ctx)
	if err != nil {
		return err
	}
	var wrong []error
	for _, p := range list {
		want := host.StateReady
		if p.Domain == mesh.Held.Domain && p.Product == mesh.Held.Name {
			want = host.StateHeld
		}
		if p.State != want || p.Snapshot == 0 {
			wrong = append(wrong, fmt.Errorf("%s is %s at snapshot %d, and should be %s: %s", p.URL, p.State, p.Snapshot, want, p.Reason))
		}
	}
	if len(list) != products {
		wrong = append(wrong, fmt.Errorf("%d products of %d run", len(list), products))
	}
	return errors.Join(wrong...)
}
