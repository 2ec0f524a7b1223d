package host

import "context"

type directKey struct{}

// WithDirect marks a request that the node is to answer from what it has itself: one node asks another so, and what is
// asked is not passed on a second time.
func WithDirect(ctx context.Context) context.Context {
	return context.WithValue(ctx, directKey{}, true)
}

// IsDirect reports whether the request is such a one.
func IsDirect(ctx context.Context) bool { return ctx.Value(directKey{}) != nil }
