package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// written is a language that products are written in: where its code says Hello, and within what time an edit of that must show.
type written struct {
	name string
	main string
	aim  float64 // seconds; 0: none
}

var languages = []written{{"go", "main.go", 2}, {"rust", "src/lib.rs", 4}, {"c", "product.c", 0}, {"assemblyscript", "assembly/index.ts", 1},
	{"javascript", "product.js", 1}, {"python", "main.py", 1}, {"sql", "greetings.sql", 1}}

// edits is how often a product's code is edited.
const edits = 7

// edit measures, for each language, how long after a person saved the code of a new product adp dev shows what that does.
func (b *bench) edit(ctx context.Context) error {
	root, err := sourceRoot()
	if err != nil {
		return err
	}
	for _, l := range languages {
		took, size, err := b.edits(ctx, filepath.Join(root, "bin", "adp"), l)
		if err != nil {
			b.talk("NOT MEASURED: %s: %v", l.name, err)
			b.print(figure{name: "edit-" + l.name, value: -1, unit: "s", against: "NOT MEASURED", atLeast: 0.001})
			continue
		}
		b.print(figure{name: "edit-" + l.name, value: median(took).Seconds(), unit: "s", against: fmt.Sprintf("save to screen, %d edits", len(took)), atMost: l.aim})
		b.print(figure{name: "artifact-" + l.name, value: size / 1e6, unit: "MB", against: "-"})
	}
	return nil
}

// edits makes a product, lets adp dev watch it, and edits it.
func (b *bench) edits(ctx context.Context, adp string, l written) (took []time.Duration, size float64, err error) {
	dir, err := os.MkdirTemp(b.work, "edit-*")
	if err != nil {
		return nil, 0, err
	}
	run := func(args ...string) *exec.Cmd {
		c := exec.CommandContext(ctx, adp, args...)
		c.Dir, c.Env = dir, append(os.Environ(), "ADP_DATA="+filepath.Join(dir, "data"))
		return c
	}
	if out, err := run("new", "hello", "--lang", l.name).CombinedOutput(); err != nil {
		return nil, 0, fmt.Errorf("%w: %s", err, out)
	}
	if out, err := run("build", "hello").CombinedOutput(); err != nil {
		return nil, 0, fmt.Errorf("%w: %s", err, out)
	}
	artifacts, err := filepath.Glob(filepath.Join(dir, "hello", "build", "*.adp"))
	if err != nil || len(artifacts) != 1 {
		return nil, 0, fmt.Errorf("%d artifacts, %w", len(artifacts), err)
	}
	info, err := os.Stat(artifacts[0])
	if err != nil {
		return nil, 0, err
	}
	dev := run("dev", "hello")
	shown, w := io.Pipe()
	dev.Stdout, dev.Stderr = w, w
	if err := dev.Start(); err != nil {
		return nil, 0, err
	}
	defer func() {
		_ = dev.Process.Signal(os.Interrupt)
		_ = shown.Close()
		_ = dev.Wait()
	}()
	pane := bufio.NewScanner(shown)
	if _, err := paneOf(pane); err != nil {
		return nil, 0, err
	}
	path := filepath.Join(dir, "hello", filepath.FromSlash(l.main))
	code, err := os.ReadFile(path)
	if err != nil {
		return nil, 0, err
	}
	for n := range b.rounds(edits) {
		word := fmt.Sprintf("Hello%d", n)
		edited := strings.NewReplacer(`"Hello `, `"`+word+` `, `'Hello `, `'`+word+` `).Replace(string(code))
		if edited == string(code) {
			return nil, 0, errors.New("its code does not say Hello")
		}
		start := time.Now()
		if err := os.WriteFile(path, []byte(edited), 0o644); err != nil {
			return nil, 0, err
		}
		text, err := paneOf(pane)
		if err != nil {
			return nil, 0, err
		}
		took = append(took, time.Since(start))
		if !strings.Contains(text, word) {
			return nil, 0, fmt.Errorf("the edit does not show: %s", text)
		}
	}
	return took, float64(info.Size()), nil
}

// paneOf reads what adp dev shows of one edit.
func paneOf(s *bufio.Scanner) (string, error) {
	var all strings.Builder
	for s.Scan() {
		all.WriteString(s.Text() + "\n")
		if strings.Contains(s.Text(), "waiting for an edit") {
			return all.String(), nil
		}
	}
	return all.String(), errors.Join(errors.New("adp dev has ended"), s.Err())
}
