// Package arrow is the source of the Go SDK's helper for Apache Arrow (adparrow), so that a tool can build products with it
// and without a copy of the project. It is a module of its own, and needs nothing of Arrow itself.
package arrow

import "embed"

// Source is named relative to the module's root.
//
//go:embed go.mod go.sum adparrow/record.go adparrow/emit.go
var Source embed.FS
