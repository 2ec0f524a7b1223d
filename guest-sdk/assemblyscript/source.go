// Package assemblyscriptsdk carries the source of the AssemblyScript kit, so that a tool can build products without a copy of the
// project.
package assemblyscriptsdk

import "embed"

// Source is the npm package adp: its lock file, its sources and the programs that compile and test products.
//
//go:embed package.json package-lock.json index.ts assembly bin
var Source embed.FS
