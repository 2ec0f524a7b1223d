// Package abitest says what every guest SDK and every host must agree on: golden vectors of the memory layout, and a
// conformance suite for the reference product "conform", which each SDK implements.
//
// It knows abi and the standard library. A host runs the suite by implementing [Harness] over its real instances.
package abitest
