// Command bench measures the project against named peers, each peer in the same run and in turn with it, and prints one
// tab-separated line a figure:
//
//	name  value  unit  against  aim  ok|short
//
// What falls short is printed short. README.md says what each job is. Arguments pick figures by name or by the beginning of
// one; with none, all are measured.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"time"

	"github.com/adp-host/adp/samples/fleet"
)

// figures in the order of their lines.
var figures = []struct {
	name    string
	measure func(*bench, context.Context) error
}{
	{"kernel", (*bench).kernels},
	{"meter", (*bench).metering},
	{"flights", (*bench).flights},
	{"wake", (*bench).wake},
	{"commits", (*bench).commits},
	{"idle", (*bench).idle},
}

// clusterFigures are measured when they are asked for: they take minutes.
var clusterFigures = []struct {
	name    string
	measure func(*bench, context.Context) error
}{
	{"takeover", (*bench).takeover},
	{"commits", (*bench).commits},
	{"parallel", (*bench).parallel},
	{"crowd", (*bench).crowd},
}

// sandboxFigures are those of the sandbox alone, guest kind by guest kind.
var sandboxFigures = []struct {
	name    string
	measure func(*bench, context.Context) error
}{
	{"overhead", (*bench).overhead},
	{"pools", (*bench).pools},
	{"fair", (*bench).fair},
	{"batch", (*bench).batches},
}

// languageFigures are those of whoever writes products.
var languageFigures = []struct {
	name    string
	measure func(*bench, context.Context) error
}{
	{"kernel", (*bench).languageKernels},
	{"start", (*bench).languageStarts},
	{"sql", (*bench).statements},
	{"extism", (*bench).extism},
	{"edit", (*bench).edit},
}

func main() {
	ofLanguages := flag.Bool("languages", false, "measure the figures of whoever writes products instead")
	ofCluster := flag.Bool("cluster", false, "measure the figures of several nodes and many products instead")
	ofSandbox := flag.Bool("sandbox", false, "measure the figures of the sandbox instead")
	idle := flag.String("idle", "", "be one of the idle processes: mesh or etcd") // how the bench starts its own children
	short := flag.Bool("short", false, "measure less often, and idleness for 15 s instead of 60")
	flag.Usage = func() {
		fmt.Fprintln(flag.CommandLine.Output(), "usage: bench [-short] [kernel] [meter] [flights] [wake] [commits] [idle]")
		fmt.Fprintln(flag.CommandLine.Output(), "       bench -cluster [-short] [takeover] [commits] [parallel] [crowd]")
		fmt.Fprintln(flag.CommandLine.Output(), "       bench -sandbox [-short] [overhead] [pools] [fair] [batch]")
		fmt.Fprintln(flag.CommandLine.Output(), "       bench -languages [-short] [kernel] [start] [sql] [extism] [edit]")
	}
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if value := os.Getenv(fleet.ChildVariable); value != "" { // this process is a node of the bench's mesh
		if err := fleet.Child(ctx, value); err != nil {
			fmt.Fprintln(os.Stderr, "bench:", err)
			os.Exit(1)
		}
		return
	}
	switch {
	case *ofCluster:
		figures = clusterFigures
	case *ofLanguages:
		figures = languageFigures
	case *ofSandbox:
		figures = sandboxFigures
	}
	if err := run(ctx, *idle, *short, flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, idle string, short bool, names []string) error {
	b, err := newBench(short)
	if err != nil {
		return err
	}
	defer b.close()
	if idle != "" {
		return b.child(ctx, idle)
	}
	for _, n := range names {
		if !known(n) {
			return fmt.Errorf("no figure is called %q", n)
		}
	}
	for _, f := range figures {
		if !wanted(f.name, names) {
			continue
		}
		b.talk("%s …", f.name)
		start := time.Now()
		if err := f.measure(b, ctx); err != nil {
			return fmt.Errorf("%s: %w", f.name, err)
		}
		b.talk("%s took %.1f s", f.name, time.Since(start).Seconds())
	}
	return nil
}

func known(name string) bool {
	for _, f := range figures {
		if wanted(f.name, []string{name}) {
			return true
		}
	}
	return false
}

func wanted(figure string, names []string) bool {
	for _, n := range names {
		if n != "" && strings.HasPrefix(figure, n) {
			return true
		}
	}
	return len(names) == 0
}
