package main

import (
	"reflect"
	"testing"

	adp "github.com/adp-host/adp/guest-sdk/go"
	"github.com/adp-host/adp/guest-sdk/go/adptest"
)

var ports = []adptest.Option{
	adptest.Input[Airport]("airports", adp.Snapshot),
	adptest.Input[Strike]("strikes", adp.Incremental),
	adptest.Output[Risk]("risk", adp.Upsert),
}

// TestTwoRuns: the second run goes on where the state of the first ended.
func TestTwoRuns(t *testing.T) {
	seattle := "Seattle"
	airports := []Airport{{Code: "SEA", Name: "Tacoma International", City: &seattle}, {Code: "XXX", Name: "Nowhere"}}

	first := adptest.New(t, product, append(ports, adptest.Config("minimum_cost", "10"))...)
	adptest.Feed(first, "airports", airports...)
	adptest.Feed(first, "strikes",
		Strike{"SEA", adp.NewDate(2026, 5, 1), adp.Some(int64(100))},
		Strike{"SEA", adp.NewDate(2026, 4, 1), adp.Some(int64(9))},
		Strike{"SEA", adp.NewDate(2026, 4, 1), adp.Null[int64]{}})
	first.Flush()
	want := []Risk{{"SEA", &airports[0].Name, &seattle, 1, 100, adp.NewDate(2026, 5, 1)}}
	if got := adptest.Emitted[Risk](first, "risk"); !reflect.DeepEqual(got, want) {
		t.Fatalf("got %+v, want %+v", got, want)
	}
	if n := first.Metric("strikes_ignored"); n != 2 {
		t.Errorf("%v strikes ignored, want 2", n)
	}

	second := adptest.New(t, product, append(ports, adptest.WithState(first.State()))...)
	adptest.Feed(second, "airports", airports...)
	adptest.Feed(second, "strikes", Strike{"SEA", adp.NewDate(2026, 4, 2), adp.Some(int64(11))})
	second.Flush()
	want[0].Strikes, want[0].Cost = 2, 111
	if got := adptest.Emitted[Risk](second, "risk"); !reflect.DeepEqual(got, want) {
		t.Fatalf("got %+v, want %+v", got, want)
	}
}

// TestUnknownAirport: a strike at an airport that the table does not have is counted without a name.
func TestUnknownAirport(t *testing.T) {
	run := adptest.New(t, product, ports...)
	adptest.Feed(run, "strikes", Strike{Airport: "ZZZ", Cost: adp.Some(int64(5))})
	run.Flush()
	got := adptest.Emitted[Risk](run, "risk")
	if len(got) != 1 || got[0].Name != nil || got[0].Cost != 5 {
		t.Fatalf("got %+v", got)
	}
}

// TestBadSetting: a setting that is no number fails the run with its name.
func TestBadSetting(t *testing.T) {
	run := adptest.Try(t, product, append(ports, adptest.Config("minimum_cost", "cheap"))...)
	if f := run.Failure(); f != `setting minimum_cost: "cheap" is not what is needed here, like 0` {
		t.Errorf("failure %q", f)
	}
}
