package sandbox

import (
	"context"
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/tetratelabs/wazero/api"

	"github.com/adp-host/adp/host"
	"github.com/adp-host/adp/host/sandbox/cdata"
)

var rewrite = flag.Bool("rewrite", false, "write the results of the scripts in testdata into them")

// proxy is a guest that exports every function that it may import, unchanged: p.name calls name.
func proxy() guest {
	var g guest
	for _, m := range []struct {
		module string
		funcs  []hostFunc
	}{{"adp_v1", guestImports()}, {"wasi_snapshot_preview1", wasiImports()}} {
		for _, f := range m.funcs {
			params, results, _ := strings.Cut(f.signature, "->")
			p, body := "", "(call $"+f.name
			for n, t := range strings.Fields(params) {
				p += fmt.Sprintf(" (param $a%d %s)", n, t)
				body += fmt.Sprintf(" (local.get $a%d)", n)
			}
			r := ""
			if results = strings.TrimSpace(results); results != "" {
				r = " (result " + results + ")"
			}
			g.imports += fmt.Sprintf("(import %q %q (func $%s %s%s))\n", m.module, f.name, f.name, strings.Join(strings.Fields(p), " "), r)
			g.fields += fmt.Sprintf("(func $p_%s (export \"p.%s\")%s%s %s))\n", f.name, f.name, p, r, body)
		}
	}
	return g
}

// TestImports runs the scripts of testdata: calls of a guest with their results and what reached the run. See the
// scripts' own heads for their words.
func TestImports(t *testing.T) {
	for _, name := range []string{"io", "state", "driver", "policy", "wasi"} {
		t.Run(name, func(t *testing.T) {
			file := "testdata/" + name + ".txt"
			b, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			got := runScript(t, string(b))
			if *rewrite {
				if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if got != string(b) {
				t.Errorf("%s has changed; with -rewrite it becomes:\n%s", file, got)
			}
		})
	}
}

// script is a guest in the hands of a test.
type script struct {
	t   *testing.T
	i   *Instance
	f   *fake
	out strings.Builder
	// what of the run has been shown
	logs, metrics, asked, batches int
}

// runScript executes the lines of a script that are commands, and gives it back with the results behind them.
func runScript(t *testing.T, text string) string {
	s := &script{t: t}
	for line := range strings.SplitSeq(strings.TrimSuffix(text, "\n"), "\n") {
		if strings.HasPrefix(line, "  ") { // a result of before
			continue
		}
		s.out.WriteString(line + "\n")
		if f := strings.Fields(line); len(f) > 0 && f[0] != "#" {
			s.command(f)
		}
	}
	return s.out.String()
}

func (s *script) say(format string, args ...any) { fmt.Fprintf(&s.out, "  "+format+"\n", args...) }

func (s *script) command(f []string) {
	mem := func() []byte { return s.i.mem.bytes() }
	switch f[0] {
	case "guest": // a fresh one; the words behind it are limits
		s.fresh(f[1:])
	case "phase":
		s.i.phase = map[string]phase{"initialize": initialize, "running": running}[f[1]]
	case "text": // text ADDRESS WORD
		copy(mem()[s.number(f[1]):], f[2])
	case "words": // words ADDRESS u32…
		for n, w := range f[2:] {
			binary.LittleEndian.PutUint32(mem()[s.number(f[1])+4*int64(n):], uint32(s.number(w)))
		}
	case "batch": // batch ADDRESS ROWS: of the schema of all ports
		w := s.layout().NewWriter()
		if _, err := w.Plan(counting(int(s.number(f[2])))); err != nil {
			s.t.Fatal(err)
		}
		w.Write(mem(), uint32(s.number(f[1])))
	case "show": // show ADDRESS LENGTH
		s.say("%q", mem()[s.number(f[1]):s.number(f[1])+s.number(f[2])])
	case "take": // take ADDRESS: read a batch
		r := s.layout().NewReader()
		if _, err := r.Measure(mem(), uint32(s.number(f[1]))); err != nil {
			s.say("%v", err)
			return
		}
		rec, err := r.Take()
		if err != nil {
			s.say("%v", err)
			return
		}
		s.say("%d rows, the last %s", rec.NumRows(), rec.Column(1).ValueStr(int(rec.NumRows())-1))
	case "fail":
		s.f.fail = errors.New(strings.Join(f[1:], " "))
	default:
		s.call(f[0], f[1:])
	}
}

func (s *script) layout() *cdata.Layout {
	l, err := cdata.NewLayout(numbers)
	if err != nil {
		s.t.Fatal(err)
	}
	return l
}

func (s *script) fresh(limits []string) {
	s.f = &fake{read: []arrow.RecordBatch{counting(3), counting(0), counting(2)}}
	s.logs, s.metrics, s.asked, s.batches = 0, 0, 0, 0
	e := newEngine(s.t, Config{})
	spec := specOf(assemble(s.t, proxy().text()), numbers)
	spec.Product.Limits.Memory = pageSize // nothing is asked of the guest beforehand: its memory is as the scripts have it
	for _, l := range limits {
		name, value, _ := strings.Cut(l, "=")
		switch name {
		case "logs":
			spec.Product.Limits.Logs = s.number(value)
		case "output":
			spec.Product.Limits.Output = s.number(value)
		}
	}
	s.i = start(s.t, e, spec, s.f)
	s.i.meter.setClock(spec.Start)
	s.i.seed(spec.RunID)
	s.i.phase, s.i.mem.denied = running, false
}

// number reads a number; end is the end of memory.
func (s *script) number(w string) int64 {
	base := int64(0)
	if rest, ok := strings.CutPrefix(w, "end"); ok {
		base, w = int64(s.i.mem.size), rest
		if w == "" {
			return base
		}
	}
	v, err := strconv.ParseInt(w, 0, 64)
	if err != nil {
		s.t.Fatal(err)
	}
	return base + v
}

// call calls an import through the guest and shows its result, what it did, and whether the run has failed.
func (s *script) call(name string, args []string) {
	f := s.i.mod.ExportedFunction("p." + name)
	if f == nil {
		s.t.Fatalf("no import %s", name)
	}
	stack := make([]uint64, max(len(args), 1))
	for n, a := range args {
		if f.Definition().ParamTypes()[n] == api.ValueTypeF64 {
			v, err := strconv.ParseFloat(a, 64)
			if err != nil {
				s.t.Fatal(err)
			}
			stack[n] = api.EncodeF64(v)
			continue
		}
		stack[n] = uint64(s.number(a))
	}
	s.i.ctx.Context = context.Background()
	err := f.CallWithStack(&s.i.ctx, stack)
	switch {
	case err != nil:
		s.say("killed: %v", s.i.fault(f.Definition(), err))
		return
	case len(f.Definition().ResultTypes()) == 0:
	case f.Definition().ResultTypes()[0] == api.ValueTypeI32:
		s.say("= %d", int32(stack[0]))
	case name == "clock": // to the millisecond, so that the script outlives a change of prices
		s.say("= the start + %v", time.Unix(0, int64(stack[0])).Sub(s.i.spec.Start).Truncate(time.Millisecond))
	default:
		s.say("= %d", int64(stack[0]))
	}
	s.effects()
}

func (s *script) effects() {
	for ; s.logs < len(s.f.logs); s.logs++ {
		s.say("log %.60q", s.f.logs[s.logs])
	}
	for ; s.metrics < len(s.f.metrics); s.metrics++ {
		s.say("metric %s", s.f.metrics[s.metrics])
	}
	for ; s.asked < len(s.f.asked); s.asked++ {
		s.say("asked %s", s.f.asked[s.asked])
	}
	for ; s.batches < len(s.f.batches); s.batches++ {
		s.say("emitted to %d: %d rows", s.f.ports[s.batches], s.f.batches[s.batches].NumRows())
	}
	if s.i.failure != nil {
		s.say("the run fails: %v", s.i.failure)
		var e *host.Error
		if !errors.As(s.i.failure, &e) {
			s.say("(not of the guest)")
		}
		s.i.failure = nil
	}
}
