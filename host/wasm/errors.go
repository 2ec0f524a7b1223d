package wasm

import (
	"errors"
	"fmt"
	"strings"
)

// The two ways in which a module fails; test with errors.Is.
var (
	// ErrInvalid: not a WebAssembly module of the supported features, or one that does not validate.
	ErrInvalid = errors.New("invalid module")
	// ErrRefused: a valid module that exceeds a limit, or imports or exports what the policy does not allow.
	ErrRefused = errors.New("module refused")
)

// Error says what is wrong with a module and where.
type Error struct {
	Kind   error  // ErrInvalid or ErrRefused
	Offset int    // in bytes from the beginning of the module, -1 where no place can be named
	Func   string // the function concerned ("$12 main.step"), or ""
	Detail string
}

func (e *Error) Error() string {
	s := e.Kind.Error()
	if e.Func != "" {
		s += ": function " + e.Func
	}
	if e.Offset >= 0 {
		s += fmt.Sprintf(" at byte %#x", e.Offset)
	}
	return s + ": " + e.Detail
}

// Unwrap returns the kind.
func (e *Error) Unwrap() error { return e.Kind }

// maxDetail is how many bytes of a reason are kept: names of imports and exports are the guest's, and may be megabytes.
const maxDetail = 600

func refusedf(format string, a ...any) error {
	detail := fmt.Sprintf(format, a...)
	if len(detail) > maxDetail {
		detail = strings.ToValidUTF8(detail[:maxDetail], "") + "…"
	}
	return &Error{Kind: ErrRefused, Offset: -1, Detail: detail}
}
