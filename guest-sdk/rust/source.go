// Package rustsdk carries the source of the Rust SDK, so that a tool can build products without a copy of the project.
package rustsdk

import "embed"

// Source is the crate adp: Cargo.toml and src/.
//
//go:embed Cargo.toml src
var Source embed.FS
