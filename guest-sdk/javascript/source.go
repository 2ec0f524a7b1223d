// Package javascriptsdk carries the source of the JavaScript kit, so that a tool can build products without a copy of the project.
package javascriptsdk

import "embed"

// Source is the engine: a crate with its lock file. Products' scripts are laid into what it compiles to.
//
//go:embed engine/Cargo.toml engine/Cargo.lock engine/src
var Source embed.FS
