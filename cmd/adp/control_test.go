package main

import (
	"fmt"
	"testing"

	"github.com/adp-host/adp/host"
)

func TestEffectFacts(t *testing.T) {
	for want, e := range map[string]*host.EffectStatus{
		"[]":                                       nil,
		"[[effects 7 delivered]]":                  {Delivered: 7},
		"[[effects 1 waiting, 7 delivered]]":       {Delivered: 7, Waiting: 1},
		"[[effects 2 waiting: is down]]":           {Delivered: 7, Waiting: 2, Error: "is down"},
		"[[effects 2 waiting: is down] [hint up]]": {Waiting: 2, Error: "is down", Hint: "up"},
	} {
		if got := fmt.Sprint(effectFacts(e)); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}

func TestMoreRejected(t *testing.T) {
	for _, c := range []struct {
		shown, limit int
		total        int64
		want         string
	}{
		{20, 20, 20, ""},
		{0, 20, 0, ""},
		{20, 20, 21, "1 more were set aside; see them with --limit 21"},
		{20, 20, 90_000, "89980 more were set aside; see them with --limit 10000"},
		{10_000, 10_000, 90_000, "80000 more were set aside; earlier ones: --snapshot SEQ"},
		{5, 20, 7, "2 more were set aside than are kept"},
	} {
		if got := moreRejected(c.shown, c.limit, c.total); got != c.want {
			t.Errorf("%d of %d, limit %d: %q, want %q", c.shown, c.total, c.limit, got, c.want)
		}
	}
}
