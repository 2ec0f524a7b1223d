// Package pythonsdk carries the Python kit, so that a tool can build products without a copy of the project.
package pythonsdk

import "embed"

// Source is the engine, a crate in engine/, and lib/adp.py, which is a part of it.
//
//go:embed engine/Cargo.toml engine/Cargo.lock engine/build.rs engine/src all:engine/lib lib/adp.py
var Source embed.FS
