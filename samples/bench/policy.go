package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	extism "github.com/extism/go-sdk"

	"github.com/adp-host/adp/host"
	"github.com/adp-host/adp/host/sandbox"
)

// decide measures one decision of a policy that was not made before, by an instance of its own: of those that wait under adp, and of one that is made for it
// under Extism's own host.
func (b *bench) decide(ctx context.Context, language, file string) error {
	module, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	question := []byte(`{"subject":{"kind":"owner","name":"local","tenant":"local"},"action":"read","resource":{"product":{"tenant":"local","domain":"private","name":"orders"}}}`)
	ours, err := b.engine.Function(ctx, sandbox.FunctionSpec{Module: module, Name: "decide", Limits: host.Limits{Memory: 32 << 20}, Probe: question})
	if err != nil {
		return err
	}
	defer ours.Close()
	theirs, err := extism.NewCompiledPlugin(ctx, extism.Manifest{Wasm: []extism.Wasm{extism.WasmData{Data: module}}}, extism.PluginConfig{EnableWasi: true}, nil)
	if err != nil {
		return err
	}
	defer theirs.Close(ctx)
	var outputs [2][]byte
	took, err := inTurn(b.rounds(40), func() (time.Duration, error) {
		return timed(func() (err error) {
			outputs[0], err = ours.Call(ctx, question)
			return err
		})
	}, func() (time.Duration, error) {
		return timed(func() error {
			i, err := theirs.Instance(ctx, extism.PluginInstanceConfig{})
			if err != nil {
				return err
			}
			_, out, err := i.Call("decide", question)
			outputs[1] = bytes.Clone(out)
			return errors.Join(err, i.Close(ctx))
		})
	})
	if err != nil {
		return err
	}
	if !bytes.Equal(outputs[0], outputs[1]) || len(outputs[0]) == 0 {
		return errors.New("the two hosts do not decide the same")
	}
	mine, stock := median(took[0]), median(took[1])
	b.print(figure{name: "extism-decide-" + language, value: stock.Seconds() / mine.Seconds(), unit: "times",
		against: fmt.Sprintf("as fast as go-sdk with an instance for each: %s µs, and %s µs there", number(mine.Seconds()*1e6), number(stock.Seconds()*1e6))})
	return nil
}
