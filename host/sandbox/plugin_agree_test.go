package sandbox

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"

	extism "github.com/extism/go-sdk"

	"github.com/adp-host/adp/drivers/file"
	"github.com/adp-host/adp/host"
	"github.com/adp-host/adp/host/build/buildtest"
)

// call is an input of a plug-in's function.
type pluginCall struct {
	function string
	inputs   []string // of calls one after the other
}

var pluginCalls = []pluginCall{
	{"noop", []string{"", "anything"}},
	{"echo", []string{"", "a", "12345678", "\x00\xff not text", strings.Repeat("0123456789abcdef", 1<<14)}},
	{"count_vowels", []string{"Hello, World!", "", "AEIOUaeiou xyz"}},
	{"setting", []string{"greeting", "nothing"}},
	{"remember", []string{"first", "second", "third"}},
	{"fail", []string{"why not", "é"}},
	{"run", []string{`{"name":"Ada","town":"London"}` + "\n" + `{"name":"Zoë","town":null}` + "\n", ""}},
}

// TestPluginsAgree: plug-ins by three PDKs do under adp what they do under Extism's own host, to the byte: outputs, errors, logs.
func TestPluginsAgree(t *testing.T) {
	for _, language := range buildtest.Plugins {
		t.Run(language, func(t *testing.T) {
			module := buildtest.Plugin(t, language)
			theirs, err := extism.NewCompiledPlugin(t.Context(), extism.Manifest{Wasm: []extism.Wasm{extism.WasmData{Data: module}}, Config: map[string]string{"greeting": "hello"}},
				extism.PluginConfig{EnableWasi: true}, nil)
			if err != nil {
				t.Fatal(err)
			}
			defer theirs.Close(context.Background())
			plugins(t, func(t *testing.T, e *Engine) {
				for _, c := range pluginCalls {
					agree(t, e, module, c, theirs)
				}
			})
		})
	}
}

func agree(t *testing.T, e *Engine, module []byte, c pluginCall, compiled *extism.CompiledPlugin) {
	s := pluginSpec(module, numbers, c.function, host.NDJSON)
	ctx := context.Background()
	theirs, err := compiled.Instance(ctx, extism.PluginInstanceConfig{})
	if err != nil {
		t.Fatal(err)
	}
	defer theirs.Close(ctx)
	var f fake
	ours := Bare{start(t, e, s, &f)}
	if err := ours.Open(ctx); err != nil {
		t.Fatal(err)
	}
	for _, in := range c.inputs {
		_, want, wantErr := theirs.Call(c.function, []byte(in))
		got, err := ours.Exchange(ctx, []byte(in))
		switch {
		case wantErr != nil:
			if host.CodeOf(err) != host.CodeGuestStatus || !strings.Contains(err.Error(), wantErr.Error()) {
				t.Errorf("%s(%.40q): %v, and with Extism's host %v", c.function, in, err, wantErr)
			}
			ours = Bare{start(t, e, s, &f)} // a run ends with its first error
			if err := ours.Open(ctx); err != nil {
				t.Fatal(err)
			}
		case err != nil:
			t.Errorf("%s(%.40q): %v", c.function, in, err)
		case !bytes.Equal(got, want):
			t.Errorf("%s(%.40q): %.80q, and with Extism's host %.80q", c.function, in, got, want)
		}
	}
	if c.function == "remember" {
		if log := strings.Join(f.logs, "\n"); log != "1 remembered first\n1 remembered second\n1 remembered third" {
			t.Errorf("logged %s", log)
		}
	}
}

// TestPluginForgets: variables and memory last as long as a run.
func TestPluginForgets(t *testing.T) {
	module := buildtest.Plugin(t, "rust")
	e := newEngine(t, Config{Rows: file.ReadRows})
	for range 3 {
		i := Bare{start(t, e, pluginSpec(module, numbers, "remember", host.NDJSON), &fake{})}
		err := i.Open(t.Context())
		first, err2 := i.Exchange(t.Context(), []byte("a"))
		second, err3 := i.Exchange(t.Context(), []byte("b"))
		if err := errors.Join(err, err2, err3); err != nil || len(first) > 0 || string(second) != "a" {
			t.Fatalf("%q, %q, %v", first, second, err)
		}
	}
}
