package manifest

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/adp-host/adp/host"
)

// Problems is everything that is wrong with a set of documents, file by file and in the order of their lines. errors.As
// finds the first.
type Problems []*host.Error

// Error is a line for each problem.
func (p Problems) Error() string {
	lines := make([]string, len(p))
	for i, e := range p {
		lines[i] = e.Error()
	}
	return strings.Join(lines, "\n")
}

// Unwrap gives the problems to errors.Is and errors.As.
func (p Problems) Unwrap() []error {
	out := make([]error, len(p))
	for i, e := range p {
		out[i] = e
	}
	return out
}

// sorted puts the problems of each file together, in the order in which the files first appear, and by place within a
// file. A place that several checks stumble over is told of once, by the first of them.
func (p Problems) sorted() Problems {
	order := map[string]int{}
	for _, e := range p {
		if _, ok := order[e.At.File]; !ok {
			order[e.At.File] = len(order)
		}
	}
	slices.SortStableFunc(p, func(a, b *host.Error) int {
		return cmp.Or(cmp.Compare(order[a.At.File], order[b.At.File]), cmp.Compare(a.At.Line, b.At.Line), cmp.Compare(a.At.Column, b.At.Column))
	})
	return slices.CompactFunc(p, func(a, b *host.Error) bool { return a.At == b.At && a.Message == b.Message })
}

// asProblems is any error of a document as Problems.
func asProblems(err error) Problems {
	var all Problems
	var one *host.Error
	switch {
	case err == nil:
		return nil
	case errors.As(err, &all):
		return all
	case errors.As(err, &one):
		return Problems{one}
	}
	return Problems{host.Errorf(host.CodeManifestRef, "%w", err)}
}

// maxProblems bounds what one document reports: who sees that many needs another document.
const maxProblems = 50

// sink collects the problems of one document.
type sink struct {
	doc      *Document
	problems Problems
	more     int // problems beyond maxProblems
}

// add reports a problem at a place of the document.
func (s *sink) add(at place, code host.ErrorCode, hint, format string, args ...any) {
	if len(s.problems) >= maxProblems {
		s.more++
		return
	}
	e := host.Errorf(code, format, args...)
	e.Hint = hint
	e.At = host.Position{File: s.doc.Name, Line: at.line, Column: at.column}
	e.Excerpt = s.doc.excerpt(at)
	s.problems = append(s.problems, e)
}

// err is nil when there are no problems.
func (s *sink) err() error {
	if len(s.problems) == 0 {
		return nil
	}
	if s.more > 0 {
		last := s.problems[len(s.problems)-1]
		last.Hint = strings.TrimPrefix(fmt.Sprintf("%s; and %d more problems in this document", last.Hint, s.more), "; ")
		s.more = 0
	}
	return s.problems
}

// didYouMean suggests the known word nearest to one that is not known, "" when none is near.
func didYouMean(word string, known []string) string {
	best, distance := "", len(word)/4+2
	for _, k := range known {
		d := editDistance(strings.ToLower(word), strings.ToLower(k))
		if len(word) >= 3 && strings.HasPrefix(strings.ToLower(k), strings.ToLower(word)) {
			d = min(d, 1) // an abbreviation
		}
		if d < distance {
			best, distance = k, d
		}
	}
	if best == "" {
		return ""
	}
	return fmt.Sprintf("did you mean %q?", best)
}

// oneOf is the hint for a word that should be one of a few: the nearest, else all of them.
func oneOf(word string, known []string) string {
	if hint := didYouMean(word, known); hint != "" {
		return hint
	}
	return "write one of " + strings.Join(known, ", ")
}

// editDistance counts insertions, deletions, replacements and swaps of neighbours, over bytes; words longer than 64 bytes
// are far from everything.
func editDistance(a, b string) int {
	if len(a) > 64 || len(b) > 64 {
		return 1 << 10
	}
	before, row, next := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		next[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			next[j+1] = min(next[j]+1, row[j+1]+1, row[j]+cost)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				next[j+1] = min(next[j+1], before[j-1]+1)
			}
		}
		before, row, next = row, next, before
	}
	return row[len(b)]
}
