// Code generated from abi/abi.go of the project by go test ./abi -update. DO NOT EDIT.

// Package abi is the contract between the host and a guest, ABI version 1: names, status codes and the memory
// layout of what crosses. SPEC.md is normative; this package is its constants.
package abi

// Version is what adp_abi returns.
const Version = 1

// ImportModule is the only module, beside the listed subset of WASI, that a guest may import from.
const ImportModule = "adp_v1"

// Reserved is the prefix of every name that belongs to the host.
const Reserved = "adp_"

// MeterModule and MeterRefill name the import that metering adds; no guest may name it.
const (
	MeterModule = "adp_meter"
	MeterRefill = "refill"
)

// Exports of a guest.
const (
	ExportMemory     = "memory"
	ExportInitialize = "_initialize" // optional
	ExportABI        = "adp_abi"     // () -> i32
	ExportAlloc      = "adp_alloc"   // (size i32) -> i32, 64-byte aligned, 0 when out of memory
	ExportFree       = "adp_free"    // (ptr i32, size i32)
	ExportOpen       = "adp_open"    // (open i32, size i32) -> status i32
	ExportProcess    = "adp_process" // (input i32, array i32) -> status i32
	ExportFlush      = "adp_flush"   // () -> status i32
)

// Imports that a guest may use, module ImportModule.
const (
	// io
	ImportEmit        = "emit"         // (port i32, array i32) -> status i32
	ImportLog         = "log"          // (level i32, ptr i32, len i32) -> status i32
	ImportConfig      = "config"       // (key i32, key_len i32, buf i32, cap i32) -> i64
	ImportClock       = "clock"        // () -> i64 nanoseconds since the epoch, virtual
	ImportRandom      = "random"       // (ptr i32, len i32) -> status i32
	ImportMetric      = "metric"       // (kind i32, name i32, name_len i32, value f64) -> status i32
	ImportStateGet    = "state_get"    // (key i32, key_len i32, buf i32, cap i32) -> i64
	ImportStatePut    = "state_put"    // (key i32, key_len i32, value i32, value_len i32) -> status i32
	ImportStateDelete = "state_delete" // (key i32, key_len i32) -> status i32
	ImportStateScan   = "state_scan"   // (prefix i32, prefix_len i32, after i32, after_len i32, buf i32, cap i32) -> i64
	// driver
	ImportDriverOpen  = "driver_open"  // (binding i32, request i32, request_len i32) -> i64 reader, or negative status
	ImportDriverNext  = "driver_next"  // (reader i32, buf i32, cap i32) -> i64 bytes of the batch laid down in buf, 0: no more
	ImportDriverClose = "driver_close" // (reader i32) -> status i32
	ImportDriverWrite = "driver_write" // (binding i32, array i32) -> status i32
	// policy
	ImportDecide = "decide" // (request i32, request_len i32, buf i32, cap i32) -> i64
)

// Status is the result of a call in either direction. Codes are only ever appended.
//
// Functions that fill a buffer return i64: the length of the whole value when ≥ 0 (when it is greater than cap nothing
// was written and the guest calls again with a larger buffer), else the negated Status.
type Status int32

const (
	OK            Status = 0
	Failed        Status = 1  // no more precise reason; the log says why
	NotFound      Status = 2  // no such key, port, binding, setting
	OutOfBounds   Status = 3  // pointer and length leave memory
	Misaligned    Status = 4  // a pointer is not aligned to its type
	BadArray      Status = 5  // an ArrowArray breaks the Arrow C Data Interface or the port's schema
	BadArgument   Status = 6  // an index, level or kind outside its range
	LimitExceeded Status = 7  // a limit of the run; further output is refused and the run fails
	Denied        Status = 8  // policy, or a binding without that access
	NotNow        Status = 9  // called outside open, process or flush
	TooLarge      Status = 10 // a key, value or message longer than the ABI allows
	DriverError   Status = 11 // the driver failed; the run fails with its reason
)

// Limits of the ABI itself, in bytes.
const (
	MaxKey        = 1 << 10
	MaxValue      = 16 << 20
	MaxLogMessage = 16 << 10
	MaxName       = 256
	MaxRandom     = 64 << 10
	MaxRequest    = 64 << 10
	Alignment     = 64 // of buffers the host lays down
)

// Log levels.
const (
	LogDebug int32 = iota
	LogInfo
	LogWarn
	LogError
)

// Metric kinds.
const (
	MetricCounter int32 = iota // value is added
	MetricGauge                // value replaces
)

// Reserved columns. Incremental inputs over upsert and replace ports carry both, last, in this order; emitted rows of
// an upsert port carry ColumnOp last (null or OpUpsert: insert or replace; OpDelete: remove by key, other columns ignored).
const (
	ColumnOp  = "_op"  // utf8
	ColumnSeq = "_seq" // int64, the upstream's seq
)

// Values of ColumnOp.
const (
	OpInsert       = "insert"
	OpUpdateBefore = "update_before"
	OpUpdateAfter  = "update_after"
	OpDelete       = "delete"
	OpUpsert       = "upsert" // emitted only
)

// One entry in the buffer that state_scan fills: this header, then the key, then the value, without padding. The host
// writes as many whole entries as fit and returns their bytes; 0 means that no key follows after.
const (
	ScanKeyLen   = 0 // u32, unaligned
	ScanValueLen = 4 // u32, unaligned
	ScanHeader   = 8
)

// Sizes and offsets of the Arrow C Data structs in wasm32: pointers are u32, counts are i64, little endian.
const (
	ArraySize       = 64
	ArrayLength     = 0  // i64
	ArrayNullCount  = 8  // i64, -1: not computed
	ArrayOffset     = 16 // i64
	ArrayNBuffers   = 24 // i64
	ArrayNChildren  = 32 // i64
	ArrayBuffers    = 40 // u32 → u32[n_buffers]
	ArrayChildren   = 44 // u32 → u32[n_children]
	ArrayDictionary = 48 // u32 → ArrowArray of the values, 0: not a dictionary
	ArrayRelease    = 52 // u32, ignored: ownership is the call's (see SPEC)
	ArrayPrivate    = 56 // u32, the guest's own

	SchemaSize       = 48
	SchemaFormat     = 0  // u32 → NUL-terminated
	SchemaName       = 4  // u32 → NUL-terminated
	SchemaMetadata   = 8  // u32, 0 or Arrow metadata
	SchemaFlags      = 16 // i64, 2: nullable
	SchemaNChildren  = 24 // i64
	SchemaChildren   = 32 // u32 → u32[n_children]
	SchemaDictionary = 36 // u32 → ArrowSchema of the values, 0: not a dictionary
	SchemaRelease    = 40 // u32
	SchemaPrivate    = 44 // u32
)

// Flags of an ArrowSchema.
const (
	FlagOrdered    = 1 // of a dictionary: its values are in their order
	FlagNullable   = 2
	FlagKeysSorted = 4 // of a map
)

// The open block that adp_open receives: a header and three tables of ports. All pointers are absolute addresses in
// guest memory, inside the block, which belongs to the guest from the call on.
const (
	OpenSize      = 32
	OpenVersion   = 0  // u32 = Version
	OpenNInputs   = 4  // u32
	OpenInputs    = 8  // u32 → port[n]
	OpenNOutputs  = 12 // u32
	OpenOutputs   = 16 // u32 → port[n]
	OpenNBindings = 20 // u32
	OpenBindings  = 24 // u32 → port[n]
	OpenFlags     = 28 // u32: OpenRebuild

	PortSize    = 16
	PortName    = 0  // u32 → UTF-8, not terminated
	PortNameLen = 4  // u32
	PortMode    = 8  // u32: one of the Mode constants
	PortSchema  = 12 // u32 → ArrowSchema of the struct that holds the columns
)

// OpenRebuild: this run recomputes everything; state is empty and inputs start from their beginning.
const OpenRebuild = 1

// Modes of ports and bindings.
const (
	ModeIncremental uint32 = iota
	ModeSnapshot
	ModeAppend
	ModeUpsert
	ModeReplace
	ModeRead
	ModeWrite
)
