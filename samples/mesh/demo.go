package mesh

import (
	"context"
	"fmt"
	"io"
	"path/filepath"

	"github.com/adp-host/adp/host"
	"github.com/adp-host/adp/host/build"
	"github.com/adp-host/adp/host/node"
)

// Demo brings the sample mesh up on a node and lets the late data come.
type Demo struct {
	Node    *node.Node
	Builder *build.Builder
	Samples string    // folder, see Find
	Work    string    // folder for the copy of the data
	Talk    io.Writer // progress for people

	// Left are the products that Run has left out, since this machine has nothing to compute them with.
	Left []string
}

// Run builds and registers the products, waits until all have run, drops the late data and waits again. After it the
// product Held is held, and nothing else is.
func (d *Demo) Run(ctx context.Context) error {
	data, err := CopyData(d.Samples, filepath.Join(d.Work, "data"))
	if err != nil {
		return err
	}
	var rs []node.Registration
	for i, name := range Products {
		fmt.Fprintf(d.Talk, "  building %s (%d of %d)\n", name, i+1, len(Products))
		a, err := d.Builder.Product(ctx, filepath.Join(d.Samples, filepath.FromSlash(name)), nil)
		if host.CodeOf(err) == host.CodeBuildToolchain {
			fmt.Fprintf(d.Talk, "  NOT SHOWN: %s: %v\n    %s\n", name, err, host.HintOf(err))
			d.Left = append(d.Left, name)
			continue
		}
		if err != nil {
			return err
		}
		digest, err := d.Node.Registry().Push(ctx, a)
		if err != nil {
			return err
		}
		rs = append(rs, node.Registration{Artifact: digest, Sources: data.Sources(name)})
	}
	if _, err := d.Node.Register(ctx, rs); err != nil {
		return err
	}
	fmt.Fprintf(d.Talk, "  %d products registered; each runs when its inputs change\n", len(rs))
	if err := d.Node.Settle(ctx); err != nil {
		return err
	}
	late, err := data.Later()
	if err != nil {
		return err
	}
	for _, f := range late {
		fmt.Fprintf(d.Talk, "  a new file arrives: %s\n", f)
	}
	return d.waitHeld(ctx)
}

// waitHeld waits until the rule has held the late data back: the file is watched, so nobody triggers the run.
func (d *Demo) waitHeld(ctx context.Context) error {
	for {
		if err := d.Node.Settle(ctx); err != nil {
			return err
		}
		p, err := d.Node.Product(ctx, Held)
		if err != nil {
			return err
		}
		if p.State == host.StateHeld || p.State == host.StateFailed {
			return nil
		}
	}
}
