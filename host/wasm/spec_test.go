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
	Text     string
	Expected []specValue
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

// TestSpecification runs the scripts of WebAssembly 2.0 in all worlds at once: metered in both engines with quanta of 1, 7 and
// 100,000. Every assertion about what a module does must hold: results to the bit, traps, globals, and modules that do not
// instantiate. Fuel is the same in all.
func TestSpecification(t *testing.T) {
	scripts := specScripts(t)
	host, err := os.ReadFile(filepath.Join(filepath.Dir(scripts[0]), "../../testdata/spectest.wasm"))
	if err != nil {
		t.Fatal(err)
	}
	done := map[string]int{}
	for _, path := range scripts {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".json"), func(t *testing.T) {
			s := newScript(t, host)
			s.run(path)
			for kind, n := range s.done {
				done[kind] += n
			}
		})
	}
	t.Logf("%d scripts in %d metered worlds: %v", len(scripts), 2*len(quanta)+1, done)
	if done["assert_return"] < 45_000 || done["assert_trap"] < 2_400 {
		t.Error("assertions are missing")
	}
}

type script struct {
	t     *testing.T
	ws    []*world
	named map[string][]api.Module
	last  []api.Module
	done  map[string]int // assertions and actions by their kind
}

func newScript(t *testing.T, host []byte) *script {
	s := &script{t: t, ws: worlds(t, wasm.Options{StackBudget: 1 << 20, Limits: openLimits()}), named: make(map[string][]api.Module), done: make(map[string]int)}
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
			s.done[c.Type]++
			if c.Type != "module" && mods != nil && c.Text != "out of bounds table access" { // which wazero leaves out instead
				s.t.Errorf("%s: instantiates", where)
			}
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
	s.done[c.Type]++
	if c.Action.Type == "get" {
		for i, w := range s.ws {
			got := mods[i].ExportedGlobal(c.Action.Field).Get()
			if !c.Expected[0].is([]uint64{got}) {
				s.t.Errorf("%s: global %s in %s is %x, want %v", where, c.Action.Field, w.name, got, c.Expected[0])
			}
		}
		return
	}
	var args []uint64
	for _, a := range c.Action.Args {
		args = append(args, a.bits()...)
	}
	got, err := call(s.t, where, s.ws, mods, c.Action.Field, args...) // the same in all worlds
	switch c.Type {
	case "assert_return":
		if err != nil {
			s.t.Errorf("%s: %v", where, err)
			return
		}
		for _, want := range c.Expected {
			n := min(want.words(), len(got))
			if !want.is(got[:n]) {
				s.t.Errorf("%s: %x, want %v", where, got, c.Expected)
			}
			got = got[n:]
		}
	case "assert_trap", "assert_exhaustion":
		if want := specTraps[c.Text]; want == "" || !strings.Contains(trap(err), want) {
			s.t.Errorf("%s: %v, want %q", where, err, c.Text)
		}
	}
}

// specTraps are the suite's words for traps, and the engine's.
var specTraps = map[string]string{
	"unreachable": "unreachable", "integer divide by zero": "integer divide by zero", "integer overflow": "integer overflow",
	"invalid conversion to integer": "invalid conversion to integer", "out of bounds memory access": "out of bounds memory access",
	"out of bounds table access": "invalid table access", "undefined element": "invalid table access",
	"undefined": "invalid table access", "uninitialized element": "invalid table access", "uninitialized": "invalid table access",
	"uninitialized element 2": "invalid table access", "indirect call type mismatch": "indirect call type mismatch", "call stack exhausted": "stack",
}

// words is how many words an engine uses for a value.
func (v *specValue) words() int {
	if v.Type == "v128" {
		return 2
	}
	return 1
}

// is reports whether words are the value: to the bit, but for NaNs of which the suite allows several.
func (v *specValue) is(words []uint64) bool {
	lanes, ok := v.Value.([]any)
	if !ok {
		lanes = []any{v.Value}
	}
	width := 64 * len(words) / len(lanes)
	if v.Type == "i32" || v.Type == "f32" {
		width = 32
	}
	for i, l := range lanes {
		at := i * width
		got := words[at/64] >> (at % 64) & (1<<width - 1)
		text, _ := l.(string)
		switch {
		case strings.HasPrefix(text, "nan:"):
			if !isNaN(got, width, text == "nan:canonical") {
				return false
			}
		case v.Type == "externref" && text != "null":
			if got != number(text)+1 {
				return false
			}
		case got != number(text)&(1<<width-1):
			return false
		}
	}
	return true
}

// isNaN: a canonical NaN has one bit of its fraction set, an arithmetic one at least that.
func isNaN(bits uint64, width int, canonical bool) bool {
	quiet := uint64(0x7fc00000)
	if width == 64 {
		quiet = 0x7ff8 << 48
	}
	bits &= 1<<(width-1) - 1
	return bits == quiet || !canonical && bits&quiet == quiet
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
