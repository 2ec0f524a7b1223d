//go:build cgo && duckdb_arrow

package duckdb

import (
	"encoding/json"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/adp-host/adp/drivers"
)

// refusal is what is wrong with a statement, and where.
type refusal struct {
	kind    error
	message string
	at      int // byte of the text, -1: the whole
}

// in is the refusal as an error of a question.
func (r *refusal) in(q drivers.Question) error {
	e := &drivers.Error{Kind: r.kind, Origin: q.Origin, Message: r.message}
	if r.at >= 0 && r.at <= len(q.Text) {
		before := q.Text[:r.at]
		e.Line = int64(strings.Count(before, "\n")) + 1
		e.Column = int64(utf8.RuneCountInString(before[strings.LastIndexByte(before, '\n')+1:])) + 1
	}
	return e
}

// said is an error of DuckDB, as it writes them with errors_as_json.
type said struct {
	Type     string `json:"exception_type"`
	Message  string `json:"exception_message"`
	Position string `json:"position"`
}

// complaint reads what DuckDB said.
func complaint(text string) *refusal {
	var s said
	if begin := strings.IndexByte(text, '{'); begin < 0 || json.Unmarshal([]byte(text[begin:]), &s) != nil || s.Message == "" {
		return &refusal{drivers.ErrRequest, text, -1}
	}
	kind := drivers.ErrRequest
	switch s.Type {
	case "Out of Memory":
		kind = drivers.ErrExceeded
	case "Permission":
		kind = drivers.ErrBeyond
	}
	message := strings.TrimSpace(s.Message)
	if kind == drivers.ErrExceeded { // what follows is advice to whoever may change settings
		message, _, _ = strings.Cut(message, "\n")
	}
	return &refusal{kind, message, offset(s.Position)}
}

// offset reads a position, -1 when there is none.
func offset(position string) int {
	at, err := strconv.ParseUint(position, 10, 31)
	if err != nil {
		return -1
	}
	return int(at)
}
