// Package cdata lays Arrow record batches into the linear memory of a wasm32 guest and takes them out again, by the
// Arrow C Data Interface with 32-bit pointers (offsets in package abi).
//
// What goes in is trusted and written with one pass of copies. What comes out is not: a Reader checks every pointer and
// length against the memory before anything is allocated, copies the values once into memory of the host, and
// validates the copy. It reads only against a schema that the host knows; schemas never come from guests.
//
// The package works on plain byte slices and knows no Wasm engine.
package cdata
