package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"time"

	extism "github.com/extism/go-sdk"

	"github.com/adp-host/adp/host"
	"github.com/adp-host/adp/host/sandbox"
)

// extismKits compile the plug-in of samples/extism, by name like the kits of adp; aims hold for every PDK.
var extismKits = []struct {
	name    string
	compile func(b *bench, ctx context.Context, dir, out string) (file string, err error)
}{
	{"go", func(_ *bench, ctx context.Context, dir, out string) (string, error) {
		out = filepath.Join(out, "plugin.wasm")
		return out, tool(ctx, dir, []string{"GOOS=wasip1", "GOARCH=wasm", "GOWORK=off", "GOFLAGS="}, []string{"go"},
			"build", "-buildmode=c-shared", "-trimpath", "-ldflags=-s -w", "-o", out, ".")
	}},
	{"rust", func(b *bench, ctx context.Context, dir, out string) (string, error) {
		crate, out := filepath.Join(out, "extism-rust"), filepath.Join(out, "extism.wasm") // Cargo writes beside Cargo.toml
		if err := os.CopyFS(crate, os.DirFS(dir)); err != nil {
			return "", err
		}
		module, err := b.builder.Compile(ctx, crate, host.Code{Language: "rust", Path: "."})
		if err != nil {
			return "", err
		}
		return out, os.WriteFile(out, module, 0o644)
	}},
	{"assemblyscript", func(b *bench, ctx context.Context, dir, out string) (string, error) {
		out = filepath.Join(out, "extism")
		err := os.CopyFS(out, os.DirFS(dir)) // npm writes beside package.json
		if err == nil {
			err = tool(ctx, out, nil, []string{"npm"}, "ci", "--silent", "--no-audit", "--no-fund", "--ignore-scripts")
		}
		if err == nil {
			err = tool(ctx, out, nil, []string{"npm"}, "run", "--silent", "build")
		}
		return filepath.Join(out, "build", "plugin.wasm"), err
	}},
}

// extism measures plug-ins under adp, metered, against Extism's own host for Go: an echo of 1 MiB, and a call that does nothing. And it
// measures what a kit of adp gains: the row kernel as a product, against the same loop as a plug-in under Extism's host.
func (b *bench) extism(ctx context.Context) error {
	root, err := sourceRoot()
	if err != nil {
		return err
	}
	guests, err := b.guests(ctx)
	if err != nil {
		return err
	}
	for _, k := range extismKits {
		file, err := k.compile(b, ctx, filepath.Join(root, "samples", "extism", k.name), b.work)
		if err != nil {
			b.talk("NOT MEASURED: Extism in %s: %v", k.name, err)
			for _, f := range []string{"extism-echo", "extism-noop", "kernel-over-extism"} {
				b.print(figure{name: f + "-" + k.name, value: -1, unit: "times", against: "NOT MEASURED", atLeast: 0.001})
			}
			continue
		}
		for _, c := range []struct {
			function string
			input    []byte
			calls    int // at a time
			aim      float64
		}{{"echo", bytes.Repeat([]byte("0123456789abcdef"), 1<<16), 1, 5}, {"noop", nil, 1000, 20}} {
			if err := b.exchange(ctx, k.name, file, c.function, c.input, c.calls, c.aim); err != nil {
				return fmt.Errorf("Extism in %s: %w", k.name, err)
			}
		}
		if k.name != "assemblyscript" { // whose sample is no policy
			if err := b.decide(ctx, k.name, file); err != nil {
				return fmt.Errorf("a policy in %s: %w", k.name, err)
			}
		}
		for _, g := range guests {
			if g.language != k.name {
				continue
			}
			if err := b.overExtism(ctx, g, file); err != nil {
				return fmt.Errorf("the kernel over Extism in %s: %w", k.name, err)
			}
		}
	}
	return nil
}

// overExtism measures the row kernel as a product, the batch laid into it included, against the same loop as a plug-in that gets the same columns.
func (b *bench) overExtism(ctx context.Context, g kernelGuest, file string) error {
	rec := kernelBatch()
	defer rec.Release()
	n := newNative(rec)
	product, err := b.startKernel(ctx, g, rec)
	if err != nil {
		return err
	}
	defer product.instance.Close()
	plugin, err := stockPlugin(ctx, file)
	if err != nil {
		return err
	}
	defer plugin.Close(ctx)
	input := n.raw()
	var answer []byte
	rounds := b.rounds(12)
	took, err := inTurn(rounds, n.run, func() (time.Duration, error) {
		return timed(func() error { return product.instance.Process(ctx, 0, rec) })
	}, func() (time.Duration, error) {
		return timed(func() (err error) {
			_, answer, err = plugin.Call("kernel", input)
			return err
		})
	})
	if err != nil {
		return err
	}
	if err := product.check(ctx, rounds, n); err != nil {
		return err
	}
	if kept, sum := binary.LittleEndian.Uint64(answer), math.Float64frombits(binary.LittleEndian.Uint64(answer[8:])); kept != uint64(n.rows) || math.Abs(sum-n.sum) > 1e-9*math.Abs(n.sum) {
		return fmt.Errorf("the plug-in has %d rows and a sum of %g, want %d and %g", kept, sum, n.rows, n.sum)
	}
	mine, stock := best(took[1]), best(took[2])
	b.print(figure{name: "kernel-over-extism-" + g.language, value: stock / mine, unit: "times",
		against: fmt.Sprintf("as fast as a plug-in under go-sdk, batch included: %s ms, and %s ms there", number(mine/1e6), number(stock/1e6))})
	return nil
}

// raw is the columns as samples/extism/go/main.go takes them.
func (n *native) raw() []byte {
	out := binary.LittleEndian.AppendUint64(nil, uint64(len(n.k)))
	for _, k := range n.k {
		out = binary.LittleEndian.AppendUint64(out, uint64(k))
	}
	for _, v := range n.v {
		out = binary.LittleEndian.AppendUint64(out, math.Float64bits(v))
	}
	for _, o := range n.offsets {
		out = binary.LittleEndian.AppendUint32(out, uint32(o))
	}
	return append(out, n.data...)
}

// stockPlugin is a plug-in under Extism's own host.
func stockPlugin(ctx context.Context, file string) (*extism.Plugin, error) {
	module, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	return extism.NewPlugin(ctx, extism.Manifest{Wasm: []extism.Wasm{extism.WasmData{Data: module}}}, extism.PluginConfig{EnableWasi: true}, nil)
}

func (b *bench) exchange(ctx context.Context, language, file, function string, input []byte, calls int, aim float64) error {
	module, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	theirs, err := stockPlugin(ctx, file)
	if err != nil {
		return err
	}
	defer theirs.Close(ctx)
	s := specOf(module, host.LocalTenant, "extism-"+language, kernelInput, kernelOutput)
	s.Product.Code = host.Code{Language: host.Extism, Function: function, Encoding: host.Columns}
	s.Product.Limits.Memory = 256 << 20
	ours, err := b.engine.Bare(ctx, s, quiet{})
	if err != nil {
		return err
	}
	defer ours.Close()
	if err := ours.Open(ctx); err != nil {
		return err
	}
	var took [2][]time.Duration
	for round := range b.rounds(40) + 1 {
		var outputs [2][]byte
		for n, call := range []func() (out []byte, err error){
			func() ([]byte, error) { return ours.Exchange(ctx, input) },
			func() ([]byte, error) { _, out, err := theirs.Call(function, input); return out, err },
		} {
			d, err := timed(func() (err error) {
				for range calls {
					outputs[n], err = call()
					if err != nil {
						return err
					}
				}
				return nil
			})
			if err != nil {
				return err
			}
			if round > 0 { // the first warms up
				took[n] = append(took[n], d)
			}
		}
		if !bytes.Equal(outputs[0], outputs[1]) || function == "echo" && !bytes.Equal(outputs[0], input) {
			return errors.New("the two hosts do not answer the same")
		}
	}
	us := func(d time.Duration) string { return number(d.Seconds() * 1e6 / float64(calls)) }
	mine, stock := median(took[0]), median(took[1])
	b.print(figure{name: "extism-" + function + "-" + language, value: stock.Seconds() / mine.Seconds(), unit: "times",
		against: fmt.Sprintf("as fast as go-sdk: %s µs, and %s µs there", us(mine), us(stock)), atLeast: aim})
	return nil
}

// quiet is a run that listens to nothing.
type quiet struct{ sandbox.Calls }

func (quiet) Log(int32, string) {}
