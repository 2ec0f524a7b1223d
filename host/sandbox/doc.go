// Package sandbox runs guest modules: it admits and meters them, compiles them once, gives every run an instance of its
// own with hard limits, and carries record batches in and out of linear memory.
//
// An Engine holds compiled modules. Start gives an Instance for one run; its imports reach the run through Calls. What
// an instance may use is bounded on every axis: memory by the allocator, time and work by fuel that the rewritten code
// counts itself, native stack by a budget, output and logs by bytes. An instance that traps or is killed is never used
// again, and no guest data can make the host panic.
//
// It is the only user of wazero. The layout of batches is in the package cdata below it, which knows no engine.
package sandbox
