//go:build !wasip1

package adp

import "embed"

// Source is the SDK's own source, so that a tool can build products without a copy of the project. Files are named relative
// to the module's root; products need none of the tests among them.
//
//go:embed go.mod *.go adptest/*.go adpjson/*.go internal/abi/*.go internal/bridge/*.go
var Source embed.FS
