package synthetic

import (
	"math/rand/v2"
	"regexp/syntax"
	"strings"
	"unicode"
)

// repeatMost is how often something is repeated that may be repeated without end.
const repeatMost = 6

// matching makes a text that a pattern (RE2) matches as a whole, false for one that cannot be read. What a pattern says about
// the borders of words is not kept.
func matching(r *rand.Rand, pattern string) (string, bool) {
	re, err := syntax.Parse(pattern, syntax.Perl)
	if err != nil {
		return "", false
	}
	var s strings.Builder
	generate(r, re, &s)
	return s.String(), true
}

func generate(r *rand.Rand, re *syntax.Regexp, s *strings.Builder) {
	times := func(least, most int) {
		for range least + r.IntN(max(most-least, 0)+1) {
			generate(r, re.Sub[0], s)
		}
	}
	switch re.Op {
	case syntax.OpLiteral:
		for _, c := range re.Rune {
			if re.Flags&syntax.FoldCase != 0 && r.IntN(2) == 0 {
				c = unicode.SimpleFold(c)
			}
			s.WriteRune(c)
		}
	case syntax.OpCharClass:
		if n := len(re.Rune) / 2; n > 0 {
			at := r.IntN(n)
			first, last := re.Rune[2*at], re.Rune[2*at+1]
			s.WriteRune(visible(first + r.Int32N(min(last-first, 200)+1)))
		}
	case syntax.OpAnyChar, syntax.OpAnyCharNotNL:
		s.WriteRune('!' + r.Int32N(94))
	case syntax.OpCapture:
		generate(r, re.Sub[0], s)
	case syntax.OpStar:
		times(0, repeatMost)
	case syntax.OpPlus:
		times(1, repeatMost)
	case syntax.OpQuest:
		times(0, 1)
	case syntax.OpRepeat:
		most := re.Max
		if most < 0 {
			most = re.Min + repeatMost
		}
		times(re.Min, most)
	case syntax.OpConcat:
		for _, sub := range re.Sub {
			generate(r, sub, s)
		}
	case syntax.OpAlternate:
		generate(r, re.Sub[r.IntN(len(re.Sub))], s)
	}
}

// visible is a character of a class as it is, but for halves of surrogate pairs, which are no characters.
func visible(c rune) rune {
	if c >= 0xD800 && c <= 0xDFFF {
		return 0xD7FF
	}
	return c
}
