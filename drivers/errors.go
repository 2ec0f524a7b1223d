package drivers

import "errors"

// What a driver says when it cannot do what was asked, beside ErrChanged, ErrRestart, ErrBeyond and ErrExceeded. Errors wrap one of these, so
// that the host can tell them apart whatever the technology is.
var (
	// ErrRequest: the address, an option or the mode means nothing to the driver.
	ErrRequest = errors.New("bad request to a driver")
	// ErrUnavailable: missing, no permission, or it cannot be listed or read.
	ErrUnavailable = errors.New("source is not available")
	// ErrFormat: what is there is not in the format it claims. Single rows that do not parse are Rejected, no error.
	ErrFormat = errors.New("source is not in its format")
	// ErrSchema: a wanted column is missing, or has a type that cannot become the wanted one.
	ErrSchema = errors.New("source does not have the wanted columns")
	// ErrDenied: it is not open to whoever asks, by a rule of the driver or its operator.
	ErrDenied = errors.New("a driver may not do that")
	// ErrMoving: the source changed while it was read. Nothing of the read may be used; the same read can be tried again.
	ErrMoving = errors.New("source changed while it was read")
)

// Error is a failure of a driver in words for people. It wraps Kind, one of the sentinels of this package, and Err.
type Error struct {
	Kind    error
	Origin  string // the file, topic, table it is about; "" when it is the request
	Line    int64  // 1-based, in Origin; 0 when it is about the whole
	Column  int64  // of Line, 1-based, in characters; 0 when it is not known
	Message string // a sentence without Origin
	Hint    string // what to do next, "" when there is nothing to say
	Err     error  // the cause, nil when the driver itself found out
}

func (e *Error) Error() string {
	s := e.Message
	if e.Origin != "" {
		s = e.Origin + ": " + s
	}
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

// Unwrap gives the kind and the cause.
func (e *Error) Unwrap() []error {
	if e.Err == nil {
		return []error{e.Kind}
	}
	return []error{e.Kind, e.Err}
}
