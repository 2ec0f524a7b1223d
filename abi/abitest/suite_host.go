package abitest

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/adp-host/adp/abi"
)

// testLogs: levels, long messages cut to what the log takes.
func testLogs(t T, h Harness) {
	long := strings.Repeat("é", abi.MaxLogMessage)
	_, r := do(t, h, ProductSpec(), command("log", "debug", "one"), command("log", "info", "two three"), command("log", "warn", "ü"),
		command("log", "error", "five"), command("log", "info", long))
	var got []string
	for _, l := range r.Logs {
		if strings.HasPrefix(l.Message, "éé") {
			if len(l.Message) > abi.MaxLogMessage || len(l.Message) < abi.MaxLogMessage-8 || !utf8.ValidString(l.Message) {
				t.Errorf("a message of %d bytes was cut to %d", len(long), len(l.Message))
			}
			continue
		}
		got = append(got, fmt.Sprint(l.Level, " ", l.Message))
	}
	equal(t, got, []string{"0 one", "1 two three", "2 ü", "3 five"})
	if len(r.Logs) != 5 {
		t.Errorf("%d messages, want 5", len(r.Logs))
	}
}

func testMetrics(t T, h Harness) {
	_, r := do(t, h, ProductSpec(), command("counter", "rows", "1"), command("counter", "rows", "2.5"), command("gauge", "depth", "7"), command("gauge", "depth", "-3"))
	if r.Metrics["rows"] != 3.5 || r.Metrics["depth"] != -3 || len(r.Metrics) != 2 {
		t.Errorf("metrics %v, want rows 3.5, depth -3", r.Metrics)
	}
}

// testClock: it starts where the run does and never goes back.
func testClock(t T, h Harness) {
	got, _ := do(t, h, ProductSpec(), command("clock"), command("clock"), command("clock"))
	last := start.UnixNano()
	for _, f := range got {
		n, err := strconv.ParseInt(strings.TrimPrefix(f, "clock="), 10, 64)
		if err != nil || n < last || n > start.UnixNano()+60e9 {
			t.Errorf("%s, want at least %d and about the start of the run", f, last)
		}
		last = n
	}
	if len(got) != 3 {
		t.Errorf("%d answers", len(got))
	}
}

// testRandom: the same for the same run, another for another, and one stream whatever the sizes.
func testRandom(t T, h Harness) {
	ask := func(run string, sizes ...string) string {
		s := ProductSpec()
		s.RunID = run
		var c []Row
		for _, n := range sizes {
			c = append(c, command("random", n))
		}
		got, _ := do(t, h, s, c...)
		for i, g := range got {
			got[i] = strings.TrimPrefix(g, "random=")
			if n, _ := strconv.Atoi(sizes[i]); len(got[i]) != 2*n {
				t.Errorf("%q is not %d bytes", got[i], n)
			}
		}
		return strings.Join(got, "")
	}
	first := ask("one", "32", "8")
	if again := ask("one", "32", "8"); again != first {
		t.Errorf("a run gave %s, then %s", first, again)
	}
	if split := ask("one", "1", "15", "3", "21"); split != first {
		t.Errorf("in other pieces the stream is %s, not %s", split, first)
	}
	if other := ask("two", "32", "8"); other == first {
		t.Errorf("two runs gave %s", other)
	}
	if first[:16] == first[16:32] {
		t.Errorf("the stream repeats: %s", first)
	}
}

func testPolicy(t T, h Harness) {
	s := ProductSpec()
	var asked []string
	s.Decide = func(request []byte) []byte {
		asked = append(asked, string(request))
		if strings.Contains(string(request), `"read"`) {
			return []byte(` { "reason" : "du \"darfst\" \u00fc\ud83e\udd85", "extra": {"a": [1, -2.5e3, null, "}"]}, "allow" : true } `)
		}
		return []byte(`{"allow":false,"reason":"` + strings.Repeat("no ", 1000) + `"}`)
	}
	got, _ := do(t, h, s, command("decide", "read", "adp://./a/b/c", "billing"), command("decide", "write", "adp://./x/\"y\""))
	equal(t, got, []string{"decide=allow du \"darfst\" ü🦅", "decide=deny " + strings.Repeat("no ", 1000)})
	asked = slices.Compact(asked) // a longer answer is asked for twice, or the host remembers it
	equal(t, asked, []string{`{"action":"read","resource":"adp://./a/b/c","purpose":"billing"}`, `{"action":"write","resource":"adp://./x/\"y\""}`})
}

func testDrivers(t T, h Harness) {
	s := ProductSpec()
	s.Read = func(binding string, request []byte) ([][]Row, error) {
		switch string(request) {
		case "two batches":
			return [][]Row{{{int64(1), "one"}, {int64(2), nil}}, {{int64(3), "drei"}}}, nil
		case "large":
			var rows []Row
			for i := range 20_000 {
				rows = append(rows, Row{int64(i % 10), "x"})
			}
			return [][]Row{{{int64(7), "small"}}, rows, {{int64(8), "small"}}}, nil
		}
		return nil, nil
	}
	got, r := do(t, h, s, command("read", "two batches"), command("read", "nothing"), command("read", "large"),
		command("write", "5", "five"), command("write", "6"), command("write", "7", "seven"))
	large := "read=7:small"
	for i := range 20_000 {
		large += fmt.Sprint(",", i%10, ":x")
	}
	equal(t, got, []string{"read=1:one,2:,3:drei", "read=", large + ",8:small"})
	sameRows(t, "sink", r.Written["sink"], []Row{{int64(5), "five"}, {int64(6), nil}, {int64(7), "seven"}})

	s.Read = func(string, []byte) ([][]Row, error) { return nil, errors.New("the source is down") }
	fails(t, h, s, "", command("read", "x"))
}

// testFailures: what fails a run, and that the reason is logged at level error.
func testFailures(t T, h Harness) {
	s := ProductSpec()
	fails(t, h, s, "no luck today", command("fail", "no luck today"))
	fails(t, h, s, "out of order", command("panic", "out of order"))
	fails(t, h, s, "nonsense", command("nonsense"))
	fails(t, h, s, "", command("put", strings.Repeat("k", abi.MaxKey+1), "v"))
	fails(t, h, s, "", command("put", "", "v"))

	in := h.Start(t, func() Spec { s := ProductSpec(); s.Inputs = s.Inputs[:3]; return s }())
	defer in.Close()
	if err := in.Open(); err == nil {
		t.Error("the product opened without its input commands")
	} else if !logged(in.Result(), "commands") {
		t.Errorf("no error names the missing input: %v", in.Result().Logs)
	}
}

// fails runs one command and expects the run to fail, with words in a message at level error.
func fails(t T, h Harness, s Spec, words string, c Row) {
	t.Helper()
	in := begin(t, h, s)
	defer in.Close()
	err := in.Process(InputCommands, []Row{c})
	if err == nil {
		err = in.Flush()
	}
	if err == nil {
		t.Errorf("%v did not fail the run", c[0])
	} else if words != "" && !logged(in.Result(), words) {
		t.Errorf("%v: no error says %q: %v", c[0], words, in.Result().Logs)
	}
}

func logged(r Result, words string) bool {
	return slices.ContainsFunc(r.Logs, func(l Log) bool { return l.Level == abi.LogError && strings.Contains(l.Message, words) })
}
