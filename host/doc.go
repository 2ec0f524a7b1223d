// Package host holds the nouns of the data mesh: products, ports, schemas, rules,
// heads, cursors and the error vocabulary. Every room of the house speaks them.
//
// The package knows the standard library and abi, nothing else: no engine, no
// wire, no storage. Rooms below host/ implement the verbs.
package host
