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
