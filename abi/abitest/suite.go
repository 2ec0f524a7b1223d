package abitest

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/adp-host/adp/abi"
)

var start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// parts are what the suite consists of.
var parts = []struct {
	name string
	test func(T, Harness)
}{
	{"Types", testTypes}, {"Batches", testBatches}, {"Empty", testEmpty}, {"Facts", testFacts}, {"State", testState},
	{"Scan", testScan}, {"Buffers", testBuffers}, {"Order", testOrder}, {"Kept", testKept}, {"Arena", testArena}, {"Changes", testChanges},
	{"Logs", testLogs}, {"Metrics", testMetrics}, {"Clock", testClock}, {"Random", testRandom}, {"Policy", testPolicy},
	{"Drivers", testDrivers}, {"Rebuild", testRebuild}, {"Failures", testFailures},
}

// Run checks that the guest behind the harness is the reference product and that the host behind it keeps the ABI.
func Run[S Runner[S]](t S, h Harness) {
	for _, p := range parts {
		t.Run(p.name, func(t S) { p.test(t, h) })
	}
}

// command is a row of input commands.
func command(name string, arg ...string) Row {
	if len(arg) == 0 {
		return Row{name, nil}
	}
	return Row{name, strings.Join(arg, " ")}
}

// begin opens a run and closes it with the test.
func begin(t T, h Harness, s Spec) Instance {
	t.Helper()
	in := h.Start(t, s)
	t.Cleanup(in.Close)
	if err := in.Open(); err != nil {
		t.Fatalf("open: %v", err)
	}
	return in
}

func process(t T, in Instance, input int, rows ...Row) {
	t.Helper()
	if err := in.Process(input, rows); err != nil {
		t.Fatalf("process: %v", err)
	}
}

func flush(t T, in Instance) Result {
	t.Helper()
	if err := in.Flush(); err != nil {
		t.Fatalf("flush: %v", err)
	}
	return in.Result()
}

// do runs commands as one batch and gives back the answers, without that of flush.
func do(t T, h Harness, s Spec, commands ...Row) ([]string, Result) {
	t.Helper()
	in := begin(t, h, s)
	process(t, in, InputCommands, commands...)
	r := flush(t, in)
	return facts(r), r
}

func facts(r Result) []string {
	var out []string
	for _, f := range r.Emitted["facts"] {
		switch {
		case f[0] == "flush":
		case f[1] == nil:
			out = append(out, fmt.Sprint(f[0], "=null"))
		default:
			out = append(out, fmt.Sprint(f[0], "=", f[1]))
		}
	}
	return out
}

func equal(t T, got, want []string) {
	t.Helper()
	if g, w := strings.Join(got, "\n"), strings.Join(want, "\n"); g != w {
		t.Errorf("got:\n%s\nwant:\n%s", clip(g), clip(w))
	}
}

func clip(s string) string {
	if len(s) > 4000 {
		return s[:4000] + "…"
	}
	return s
}

func sameRows(t T, what string, got, want []Row) {
	t.Helper()
	if len(got) != len(want) {
		t.Errorf("%s: %d rows, want %d", what, len(got), len(want))
		return
	}
	for i := range got {
		if g, w := Text(got[i:i+1]), Text(want[i:i+1]); g != w {
			t.Fatalf("%s: row %d is\n%swant\n%s", what, i, g, w)
		}
	}
}

// testTypes: every type, with nulls at every place, comes back equal by both ways. Sizes lie around the bytes of bitmaps.
func testTypes(t T, h Harness) {
	for _, n := range []int{1, 2, 7, 8, 9, 63, 64, 65, 300, 5000} {
		for _, density := range []float64{0, 0.3, 1} {
			rows := RandomRows(AllFields(), n, density, uint64(n))
			in := begin(t, h, ProductSpec())
			process(t, in, InputAll, rows...)
			r := flush(t, in)
			name := fmt.Sprintf("%d rows, %v null, ", n, density)
			sameRows(t, name+"columns", r.Emitted["columns"], rows)
			sameRows(t, name+"rows", r.Emitted["rows"], rows)
			in.Close()
		}
	}
}

// testBatches: many batches of different size use the same arena.
func testBatches(t T, h Harness) {
	in := begin(t, h, ProductSpec())
	var all []Row
	for i, n := range []int{3, 1000, 0, 17, 4096, 1, 2500} {
		rows := RandomRows(AllFields(), n, 0.2, uint64(i))
		process(t, in, InputAll, rows...)
		all = append(all, rows...)
	}
	r := flush(t, in)
	sameRows(t, "columns", r.Emitted["columns"], all)
	sameRows(t, "rows", r.Emitted["rows"], all)
	sameRows(t, "facts", r.Emitted["facts"], []Row{{"flush", fmt.Sprint(len(all))}})
}

// testEmpty: a run without input emits nothing and is flushed all the same.
func testEmpty(t T, h Harness) {
	r := flush(t, begin(t, h, ProductSpec()))
	for port, rows := range r.Emitted {
		if len(rows) > 0 {
			t.Errorf("%d rows of %s from no input", len(rows), port)
		}
	}
}

func testFacts(t T, h Harness) {
	s := ProductSpec()
	s.Config = map[string]string{"greeting": "grüß dich", "empty": ""}
	got, r := do(t, h, s, command("ports"), command("rebuild"), command("config", "greeting"), command("config", "empty"), command("config", "missing"))
	equal(t, got, []string{
		"ports=input all incremental; input lookup snapshot; input changes incremental; input commands incremental; " +
			"output columns append; output rows append; output latest upsert; output facts append; binding source read; binding sink write",
		"rebuild=false", "config=grüß dich", "config=", "config=null",
	})
	if last := r.Emitted["facts"][len(r.Emitted["facts"])-1]; last[0] != "flush" || last[1] != "5" {
		t.Errorf("flush answered %v, want the 5 rows", last)
	}
}

func testState(t T, h Harness) {
	s := ProductSpec()
	s.State = map[string][]byte{"old": []byte("before"), "gone": []byte("x")}
	got, r := do(t, h, s,
		command("get", "old"), command("get", "new"), command("put", "new", "1"), command("get", "new"), command("put", "new", "2"), command("get", "new"),
		command("put", "empty", ""), command("get", "empty"), command("delete", "gone"), command("get", "gone"), command("delete", "gone"),
		command("add", "n", "40"), command("add", "n", "2"), command("add", "n", "-50"))
	equal(t, got, []string{"get=before", "get=null", "get=1", "get=2", "get=", "get=null", "add=40", "add=42", "add=-8"})
	want := map[string]string{"old": "before", "new": "2", "empty": "", "n": "\xf8\xff\xff\xff\xff\xff\xff\xff"}
	if len(r.State) != len(want) {
		t.Errorf("state has %d keys, want %d", len(r.State), len(want))
	}
	for k, v := range want {
		if g, ok := r.State[k]; !ok || string(g) != v {
			t.Errorf("state %s is %q, want %q", k, g, v)
		}
	}
}

// testScan: pages, order of bytes, the prefix itself, changes made before.
func testScan(t T, h Harness) {
	s := ProductSpec()
	s.State = map[string][]byte{"a": []byte("0"), "p": []byte("prefix"), "p\xff": []byte("last"), "q": []byte("1")}
	want := []string{"p=prefix"}
	for i := range 3000 {
		k := fmt.Sprintf("p%04d", i)
		s.State[k] = []byte(strings.Repeat("v", i%97))
		if i != 1234 {
			want = append(want, k+"="+string(s.State[k]))
		}
	}
	delete(s.State, "p\xff") // not text: answers are
	got, _ := do(t, h, s, command("delete", "p1234"), command("put", "pz", "new"), command("scan", "p"), command("scan", "none"))
	equal(t, got, []string{"scan=" + strings.Join(append(want, "pz=new"), ";"), "scan="})
}

// testBuffers: values around and far beyond the buffers that guests begin with.
func testBuffers(t T, h Harness) {
	s := ProductSpec()
	s.Config = map[string]string{}
	var commands []Row
	var want []string
	for _, n := range []int{0, 1, 255, 256, 257, 32767, 32768, 32769, 300_000, 5 << 20} {
		commands = append(commands, command("fill", "big", fmt.Sprint(n)))
		want = append(want, fmt.Sprint("fill=", n))
		if n < 100_000 {
			key := fmt.Sprint("c", n)
			s.Config[key] = strings.Repeat("y", n)
			commands = append(commands, command("config", key))
			want = append(want, "config="+s.Config[key])
		}
	}
	commands = append(commands, command("put", "after", "1"), command("scan", "after"))
	got, r := do(t, h, s, commands...)
	equal(t, got, append(want, "scan=after=1"))
	if n := len(r.State["big"]); n != 5<<20 {
		t.Errorf("state big has %d bytes", n)
	}
}

// testOrder: the snapshot is there when the first command comes.
func testOrder(t T, h Harness) {
	in := begin(t, h, ProductSpec())
	process(t, in, InputLookup, Row{"a", int64(1)}, Row{"b", nil})
	process(t, in, InputLookup, Row{"c", int64(3)})
	process(t, in, InputCommands, command("lookup", "a"), command("lookup", "b"), command("lookup", "c"), command("lookup", "d"))
	equal(t, facts(flush(t, in)), []string{"lookup=1", "lookup=null", "lookup=3", "lookup=null"})
}

// testKept: what a guest keeps of a row survives the reuse of the arena.
func testKept(t T, h Harness) {
	in := begin(t, h, ProductSpec())
	var want []string
	for i := range 20 {
		var batch []Row
		for j := range 1 + i*37%11 {
			s := strings.Repeat(string(rune('a'+i)), 1+j)
			batch = append(batch, command("keep", s))
			want = append(want, "keep="+s)
		}
		process(t, in, InputCommands, batch...)
	}
	equal(t, facts(flush(t, in)), want)
}

// testArena: the arena is the host's for the whole run, however much the guest allocates and frees meanwhile.
func testArena(t T, h Harness) {
	in := begin(t, h, ProductSpec())
	var want []string
	for i := range 24 {
		var batch []Row
		for j := range 20 {
			s := strings.Repeat(string(rune('a'+(i+j)%26)), 5000)
			batch = append(batch, command("keep", s))
			want = append(want, "keep="+s)
		}
		process(t, in, InputCommands, append(batch, command("fill", "big", fmt.Sprint(900_000+i)))...)
	}
	got := facts(flush(t, in))
	equal(t, got[24:], want)
}

func testChanges(t T, h Harness) {
	in := begin(t, h, ProductSpec())
	process(t, in, InputChanges,
		Row{"a", int64(1), abi.OpInsert, int64(7)}, Row{"b", nil, abi.OpInsert, int64(7)},
		Row{"a", int64(1), abi.OpUpdateBefore, int64(8)}, Row{"a", int64(2), abi.OpUpdateAfter, int64(8)},
		Row{"b", nil, abi.OpDelete, int64(9)})
	process(t, in, InputCommands, command("upsert", "c", "5"), command("upsert", "d"), command("remove", "a"))
	var got []string
	for _, r := range flush(t, in).Emitted["latest"] {
		op := r[2]
		if op == nil {
			op = abi.OpUpsert
		}
		if op == abi.OpDelete {
			r[1] = "any"
		}
		got = append(got, fmt.Sprint(r[0], " ", r[1], " ", op))
	}
	equal(t, got, []string{"a 1 upsert", "b <nil> upsert", "a 2 upsert", "b any delete", "c 5 upsert", "d <nil> upsert", "a any delete"})
}

func testRebuild(t T, h Harness) {
	s := ProductSpec()
	s.Rebuild = true
	got, _ := do(t, h, s, command("rebuild"))
	equal(t, got, []string{"rebuild=true"})
}

// RandomRows are rows with values from the whole range of each type, nulls as often as density says.
func RandomRows(fields []Field, n int, density float64, seed uint64) []Row {
	r := rand.New(rand.NewPCG(seed, 1))
	rows := make([]Row, n)
	for i := range rows {
		rows[i] = make(Row, len(fields))
		for j, f := range fields {
			rows[i][j] = randomValue(r, f, density)
		}
	}
	return rows
}
