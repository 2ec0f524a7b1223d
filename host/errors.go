package host

import (
	"errors"
	"fmt"
	"strings"
)

// ErrorCode is a stable error code: "ADP-", an area letter, three digits. Codes are listed in codes.go and never reused.
type ErrorCode string

// Position is a place in a document, 1-based; Line 0 means the whole file.
type Position struct {
	File   string `json:"file,omitempty"`
	Line   int    `json:"line,omitempty"`
	Column int    `json:"column,omitempty"`
}

func (p Position) String() string {
	switch {
	case p.File == "":
		return ""
	case p.Line == 0:
		return p.File
	default:
		return fmt.Sprintf("%s:%d:%d", p.File, p.Line, p.Column)
	}
}

// Error is a failure a person is meant to read: what happened, where, and what to do next.
// Two Errors are the same to errors.Is when their codes are equal.
type Error struct {
	Code    ErrorCode `json:"code,omitempty"` // "" where none is known
	Message string    `json:"message"`
	At      Position  `json:"at,omitzero"`
	Excerpt string    `json:"excerpt,omitempty"` // source lines with a caret
	Hint    string    `json:"hint,omitempty"`    // what to do next
	Err     error     `json:"-"`                 // the chain for the operator
}

// Errorf makes an Error. A %w verb keeps the chain.
func Errorf(code ErrorCode, format string, args ...any) *Error {
	e := fmt.Errorf(format, args...)
	return &Error{Code: code, Message: e.Error(), Err: errors.Unwrap(e)}
}

// WithHint returns e with what to do next.
func (e *Error) WithHint(format string, args ...any) *Error {
	e.Hint = fmt.Sprintf(format, args...)
	return e
}

// Error is one line: position, message, code where there is one.
func (e *Error) Error() string {
	var b strings.Builder
	if p := e.At.String(); p != "" {
		b.WriteString(p + ": ")
	}
	b.WriteString(e.Message)
	if e.Code != "" {
		b.WriteString(" [" + string(e.Code) + "]")
	}
	return b.String()
}

func (e *Error) Unwrap() error { return e.Err }

// Is compares codes, so that errors.Is(err, host.ErrHeld) works on both sides of a wire.
func (e *Error) Is(target error) bool {
	t, ok := target.(*Error)
	return ok && t.Code == e.Code
}

// CodeOf returns the code of the first Error in the chain, "" when there is none.
func CodeOf(err error) ErrorCode {
	var e *Error
	if errors.As(err, &e) {
		return e.Code
	}
	return ""
}

// HintOf returns the hint of the first Error in the chain, "" when there is none.
func HintOf(err error) string {
	var e *Error
	if errors.As(err, &e) {
		return e.Hint
	}
	return ""
}
