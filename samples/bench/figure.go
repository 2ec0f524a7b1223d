package main

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"time"
)

// figure is a line of the result. Aims never move; what misses its aim says so.
type figure struct {
	name    string
	value   float64
	unit    string
	against string
	atMost  float64 // aim; 0: there is none of this kind
	atLeast float64
}

func (f figure) aim() string {
	switch {
	case f.atMost > 0:
		return "≤ " + number(f.atMost)
	case f.atLeast > 0:
		return "≥ " + number(f.atLeast)
	}
	return "-"
}

// ok reports whether the figure, as it is, meets its aim: nothing is rounded in its favour.
func (f figure) ok() bool {
	return (f.atMost == 0 || f.value <= f.atMost) && (f.atLeast == 0 || f.value >= f.atLeast)
}

func (f figure) String() string {
	word := "short"
	if f.ok() {
		word = "ok"
	}
	return fmt.Sprintf("%s\t%s\t%s\t%s\t%s\t%s", f.name, number(f.value), f.unit, f.against, f.aim(), word)
}

// number is three digits, more where the whole part has more.
func number(v float64) string {
	digits := 3
	for n := 1000.0; v >= n; n *= 10 {
		digits++
	}
	return strconv.FormatFloat(mustParse(strconv.FormatFloat(v, 'g', digits, 64)), 'f', -1, 64)
}

func mustParse(s string) float64 {
	v, _ := strconv.ParseFloat(s, 64) // of what FormatFloat wrote
	return v
}

// print writes a line of the result.
func (b *bench) print(f figure) { fmt.Fprintln(os.Stdout, f) }

// talk tells a person who waits.
func (b *bench) talk(format string, args ...any) { fmt.Fprintf(os.Stderr, format+"\n", args...) }

// rounds is how often something is measured.
func (b *bench) rounds(full int) int {
	if b.short {
		return max(3, full/4)
	}
	return full
}

// timed measures one call.
func timed(f func() error) (time.Duration, error) {
	start := time.Now()
	err := f()
	return time.Since(start), err
}

// inTurn calls all of fs, one after another, as often as told, and returns the durations of each. Peers that are measured in
// turn see the same machine. fs measure themselves, so that they can leave out what is not the matter.
func inTurn(rounds int, fs ...func() (time.Duration, error)) ([][]time.Duration, error) {
	out := make([][]time.Duration, len(fs))
	for range rounds {
		for i, f := range fs {
			d, err := f()
			if err != nil {
				return nil, err
			}
			out[i] = append(out[i], d)
		}
	}
	return out, nil
}

func best(ds []time.Duration) float64 { return float64(slices.Min(ds)) }

// median is the lower one of two middles.
func median(ds []time.Duration) time.Duration {
	ds = slices.Sorted(slices.Values(ds))
	return ds[(len(ds)-1)/2]
}
