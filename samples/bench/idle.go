package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"go.etcd.io/etcd/server/v3/embed"

	"github.com/adp-host/adp/host/node"
	"github.com/adp-host/adp/samples/mesh"
)

// idle measures the processor time of the demo mesh that has settled, served on loopback, against that of an embedded etcd
// with its defaults and nothing in it: two processes over the same minute.
func (b *bench) idle(ctx context.Context) error {
	span := time.Minute
	if b.short {
		span = 15 * time.Second
	}
	var children []*idler
	for _, what := range []string{"mesh", "etcd"} {
		c, err := b.startIdler(ctx, what)
		if err != nil {
			return fmt.Errorf("%s: %w", what, err)
		}
		defer c.end()
		children = append(children, c)
	}
	b.talk("  both idle for %s", span)
	var took [2]time.Duration
	for i, c := range children {
		if err := c.ask(); err != nil {
			return err
		}
		took[i] = -c.cpu
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(span):
	}
	for i, c := range children {
		if err := c.ask(); err != nil {
			return err
		}
		took[i] += c.cpu
	}
	b.talk("  mesh %.0f ms of processor time, etcd %.0f ms", float64(took[0])/1e6, float64(took[1])/1e6)
	b.print(figure{name: "idle", value: float64(took[0]) / float64(took[1]), unit: "times", against: "bare embedded etcd", atMost: 1.2})
	return nil
}

// idler is a child process that does nothing but to say, for each line it is sent, what processor time it has used.
type idler struct {
	cmd     *exec.Cmd
	stdin   io.WriteCloser
	answers io.Reader
	cpu     time.Duration // as of the last answer
}

func (b *bench) startIdler(ctx context.Context, what string) (*idler, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	c := &idler{cmd: exec.CommandContext(ctx, self, "-idle", what)}
	c.cmd.Stderr = os.Stderr
	if c.stdin, err = c.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	if c.answers, err = c.cmd.StdoutPipe(); err != nil {
		return nil, err
	}
	c.cmd.Cancel, c.cmd.WaitDelay = c.stdin.Close, 10*time.Second // it clears up after itself
	if err := c.cmd.Start(); err != nil {
		return nil, err
	}
	if err := c.ask(); err != nil { // answered once it has settled
		return nil, errors.Join(err, c.end())
	}
	return c, nil
}

func (c *idler) ask() error {
	if _, err := fmt.Fprintln(c.stdin); err != nil {
		return err
	}
	_, err := fmt.Fscanln(c.answers, (*int64)(&c.cpu))
	return err
}

// end closes the child's input, which ends it.
func (c *idler) end() error { return errors.Join(c.stdin.Close(), c.cmd.Wait()) }

// child is the other end of idler.
func (b *bench) child(ctx context.Context, what string) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var stop func() error
	var err error
	switch what {
	case "mesh":
		stop, err = b.idleMesh(ctx)
	case "etcd":
		stop, err = b.idleEtcd()
	default:
		err = fmt.Errorf("nobody is called %q", what)
	}
	if err != nil {
		return err
	}
	for asked := bufio.NewScanner(os.Stdin); asked.Scan(); {
		var u syscall.Rusage
		if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
			return err
		}
		fmt.Println(u.Utime.Nano() + u.Stime.Nano())
	}
	cancel()
	return stop()
}

// idleMesh brings the demo up, as adp demo does.
func (b *bench) idleMesh(ctx context.Context) (func() error, error) {
	root, err := sourceRoot()
	if err != nil {
		return nil, err
	}
	n, err := node.Open(ctx, node.Config{Data: filepath.Join(b.work, "mesh"), AnonymousRead: true})
	if err != nil {
		return nil, err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, errors.Join(err, n.Close())
	}
	served := make(chan error, 1)
	go func() { served <- n.Serve(ctx, l, "bench") }()
	demo := mesh.Demo{Node: n, Builder: b.builder, Samples: filepath.Join(root, "samples"), Work: filepath.Join(b.work, "demo"), Talk: io.Discard}
	if err := demo.Run(ctx); err != nil {
		return nil, errors.Join(err, n.Close())
	}
	return func() error { return errors.Join(<-served, n.Close()) }, nil
}

// idleEtcd starts etcd as its documentation does, but for ports that are free and a log that is not written.
func (b *bench) idleEtcd() (func() error, error) {
	c := embed.NewConfig()
	c.Dir, c.LogLevel = filepath.Join(b.work, "etcd"), "fatal"
	free := []url.URL{{Scheme: "http", Host: "127.0.0.1:0"}}
	c.ListenClientUrls, c.ListenPeerUrls = free, free
	e, err := embed.StartEtcd(c)
	if err != nil {
		return nil, err
	}
	<-e.Server.ReadyNotify()
	return func() error { e.Close(); return nil }, nil
}
