// Package csdk carries the headers of the C kit, so that a tool can build products without a copy of the project.
package csdk

import "embed"

// Source is the folder include/, which goes into a compiler's search path.
//
//go:embed include
var Source embed.FS
