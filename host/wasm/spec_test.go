package wasm_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/tetratelabs/wazero/api"

	"github.com/adp-host/adp/host/wasm"
)

// specCommand is one command of a script of the specification's test suite, as wast2json writes it.
type specCommand struct {
	Type     string
	Line     int
	Name     string
	Filename string
	As       string
	Action   struct {
		Type   string
		Field  string
		Module string
		Args   []specValue
	}
}

type specValue struct {
	Type     string
	LaneType string `json:"lane_type"`
	Value    any
}

// specScripts are the scripts of WebAssembly 2.0.
func specScripts(t testing.TB) []string {
	t.Helper()
	pattern := filepath.Join(wazeroDir(t), "internal/integration_test/spectest/v2/testdata/*.json")
	scripts, err := filepath.Glob(pattern)
	if err != nil || len(scripts) < 100 {
		t.Fatalf("%d scripts at %s: %v", len(scripts), pattern, err)
	}
	return scripts
}

func readScript(t testing.TB, path string) []specCommand {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var file struct{ Commands []specCommand }
	if err := json.Unmarshal(raw, &file); err != nil {
		t.Fatal(err)
	}
	return file.Commands
}

// TestSpecification runs the scripts of WebAssembly 2.0 in all worlds at once. What the original does in the
// interpreter is the expectation: engines have their own tests against the specification.
func TestSpecification(t *testing.T) {
	scripts := specScripts(t)
	host, err := os.ReadFile(filepath.Join(filepath.Dir(scripts[0]), "../../testdata/spectest.wasm"))
	if err != nil {
		t.Fatal(err)
	}
	calls := 0
	for _, path := range scripts {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".json"), func(t *testing.T) {
			s := newScript(t, host)
			s.run(path)
			calls += s.calls
		})
	}
	t.Logf("%d scripts, %d calls", len(scripts), calls)
}

type script struct {
	t     *testing.T
	ws    []*world
	named map[string][]api.Module
	last  []api.Module
	calls int
}

func newScript(t *testing.T, host []byte) *script {
	s := &script{t: t, ws: worlds(t, wasm.Options{StackBudget: 1 << 20, Limits: openLimits()}), named: make(map[string][]api.Module)}
	if s.instantiate(host, "spectest") == nil {
		t.Fatal("the host module of the suite does not instantiate")
	}
	return s
}

// openLimits lifts all limits but those of Parse itself.
func openLimits() wasm.Limits {
	l := wasm.DefaultLimits
	l.Tables, l.Globals, l.Locals, l.TableEntries, l.Params, l.Results, l.MemoryPages = 1000, 10_000, 50_000, 1<<32-1, 1000, 1000, 65536
	l.BlockLocals, l.ModuleBlockLocals, l.Nesting = 100_000_000, 100_000_000, 50_000
	return l
}

// instantiate gives one instance a world, or nil if none can be had; worlds must agree.
func (s *script) instantiate(b []byte, name string) []api.Module {
	s.t.Helper()
	var mods []api.Module
	var first error
	for i, w := range s.ws {
		m, err := w.instantiate(b, name)
		if i == 0 {
			first = err
		} else if (err == nil) != (first == nil) {
			s.t.Errorf("instantiation in %s: %v, originally %v", w.name, err, first)
		}
		if err == nil {
			mods = append(mods, m)
		}
	}
	if len(mods) != len(s.ws) {
		return nil
	}
	return mods
}

func (s *script) run(path string) {
	commands := readScript(s.t, path)
	for i, c := range commands {
		where := filepath.Base(path) + ":" + strconv.Itoa(c.Line)
		switch c.Type {
		case "module", "assert_unlinkable", "assert_uninstantiable":
			name := ""
			if next := i + 1; c.Type == "module" && next < len(commands) && commands[next].Type == "register" {
				name = commands[next].As
			}
			b, err := os.ReadFile(filepath.Join(filepath.Dir(path), c.Filename))
			if err != nil {
				s.t.Fatal(err)
			}
			mods := s.instantiate(b, name)
			if c.Type == "module" {
				if s.last = mods; mods == nil {
					s.t.Fatalf("%s: cannot be instantiated", where)
				}
				s.named[c.Name] = mods
			}
		case "assert_return", "action", "assert_trap", "assert_exhaustion":
			s.invoke(where, &c)
		}
	}
}

func (s *script) invoke(where string, c *specCommand) {
	mods := s.last
	if c.Action.Module != "" {
		mods = s.named[c.Action.Module]
	}
	if c.Action.Type != "invoke" {
		return
	}
	var args []uint64
	for _, a := range c.Action.Args {
		args = append(args, a.bits()...)
	}
	s.calls++
	call(s.t, where, s.ws, mods, c.Action.Field, args...)
}

// bits is the value as an engine takes it.
func (v *specValue) bits() []uint64 {
	if lanes, ok := v.Value.([]any); ok {
		out := make([]uint64, 2)
		width := 128 / len(lanes)
		for i, l := range lanes {
			bit := i * width
			out[bit/64] |= number(l.(string)) << (bit % 64)
		}
		return out
	}
	text, _ := v.Value.(string)
	if v.Type == "externref" && text != "null" {
		return []uint64{number(text) + 1} // an engine's null is 0
	}
	return []uint64{number(text)}
}

func number(s string) uint64 {
	n, _ := strconv.ParseUint(s, 10, 64) // "null" is 0
	return n
}
