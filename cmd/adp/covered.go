package main

import (
	"fmt"
	"strings"

	"github.com/adp-host/adp/host"
)

// covered is what fixtures show of the rules of a contract. A rule is named PORT/RULE.
type covered struct {
	Rules       int      `json:"rules"`
	Judged      int      `json:"judged"`       // of them, by rows of the fixtures
	NeverJudged []string `json:"never_judged"` // skipped, or not to be evaluated
	NeverBroken []string `json:"never_broken"` // judged, and no row shows that they would find anything
}

func coveredBy(checks []host.Check) *covered {
	c := &covered{Rules: len(checks), NeverJudged: []string{}, NeverBroken: []string{}}
	for _, k := range checks {
		name := k.Port + "/" + k.Rule
		switch k.Status {
		case host.CheckSkip, host.CheckError:
			c.NeverJudged = append(c.NeverJudged, name)
			continue
		case host.CheckPass:
			if k.Measured == 0 { // one that allows for some has found some where it passes with more
				c.NeverBroken = append(c.NeverBroken, name)
			}
		}
		c.Judged++
	}
	return c
}

// String is for a person who wants to know what is left to try.
func (c *covered) String() string {
	s := fmt.Sprintf("the fixtures try %d of %d rules", c.Judged, c.Rules)
	if len(c.NeverJudged) > 0 {
		s += "; not tried: " + strings.Join(c.NeverJudged, ", ")
	}
	if len(c.NeverBroken) > 0 {
		s += "; no row of them breaks " + strings.Join(c.NeverBroken, ", ")
	}
	return s
}
