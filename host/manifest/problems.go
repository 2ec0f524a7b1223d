package manifest

import (
	"fmt"
	"strings"

	"github.com/adp-host/adp/host"
)

// Problems is everything that is wrong with a set of documents, in their order. errors.As finds the first.
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

// maxProblems bounds what one document reports: who sees that many needs another document.
const maxProblems = 50

// sink collects the problems of one document.
type sink struct {
	doc      *Document
	problems Problems
}

// add reports a problem at a place of the document.
func (s *sink) add(at place, code host.ErrorCode, hint, format string, args ...any) {
	if len(s.problems) >= maxProblems {
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
	return s.problems
}

// didYouMean suggests the known word nearest to one that is not known, "" when none is near.
func didYouMean(word string, known []string) string {
	best, distance := "", len(word)/3+2
	for _, k := range known {
		if d := editDistance(strings.ToLower(word), strings.ToLower(k)); d < distance {
			best, distance = k, d
		}
	}
	if best == "" {
		return ""
	}
	return fmt.Sprintf("did you mean %q?", best)
}

// editDistance is Levenshtein's, over bytes; words longer than 64 bytes are far from everything.
func editDistance(a, b string) int {
	if len(a) > 64 || len(b) > 64 {
		return 1 << 10
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			next := min(row[j]+1, row[j+1]+1, diagonal+cost)
			diagonal, row[j+1] = row[j+1], next
		}
	}
	return row[len(b)]
}
