package adp

import (
	"strconv"

	"github.com/adp-host/adp/guest-sdk/go/internal/abi"
)

// Kind is the type of a column as the type table of the ABI has it.
type Kind uint8

// Kinds, with the Go type of a field that holds their values.
const (
	KindBool        Kind = iota + 1 // bool
	KindInt32                       // int32
	KindInt64                       // int64, int
	KindFloat32                     // float32
	KindFloat64                     // float64
	KindDecimal                     // Decimal
	KindDate                        // Date
	KindTime                        // Time
	KindTimestamp                   // Timestamp: a local time, no zone
	KindTimestampTZ                 // Timestamp: an instant
	KindString                      // string
	KindBinary                      // []byte
	KindList                        // []T
	KindStruct                      // struct
)

var kindNames = [...]string{"of a form that this kit does not know", "bool", "int32", "int64", "float32", "float64", "decimal", "date", "time", "timestamp",
	"timestamptz", "string", "binary", "list", "struct"}

func (k Kind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return "kind " + strconv.Itoa(int(k))
}

// Field is a named column, list element or struct member.
type Field struct {
	Name      string
	Kind      Kind
	Nullable  bool
	Precision int     // KindDecimal: 1–38
	Scale     int     // KindDecimal: 0–Precision
	Fields    []Field // KindStruct: members; KindList: the element
}

// String is the type as people write it, e.g. decimal(12,2) or list<int64>.
func (f *Field) String() string {
	switch f.Kind {
	case KindDecimal:
		return "decimal(" + strconv.Itoa(f.Precision) + "," + strconv.Itoa(f.Scale) + ")"
	case KindList:
		return "list<" + f.Fields[0].String() + ">"
	case KindStruct:
		s := "struct<"
		for i := range f.Fields {
			if i > 0 {
				s += ", "
			}
			s += f.Fields[i].Name + ": " + f.Fields[i].String()
		}
		return s + ">"
	}
	return f.Kind.String()
}

// Mode says what a port delivers or how it takes rows.
type Mode uint32

const (
	Incremental = Mode(abi.ModeIncremental) // input: what is new since the last run
	Snapshot    = Mode(abi.ModeSnapshot)    // input: the whole table, before any incremental input
	Append      = Mode(abi.ModeAppend)      // output: rows are added
	Upsert      = Mode(abi.ModeUpsert)      // output: rows replace those with the same key
	Replace     = Mode(abi.ModeReplace)     // output: the rows of a run are the whole new table
	ReadAccess  = Mode(abi.ModeRead)        // binding
	WriteAccess = Mode(abi.ModeWrite)       // binding
)

var modeNames = [...]string{"incremental", "snapshot", "append", "upsert", "replace", "read", "write"}

func (m Mode) String() string {
	if int(m) < len(modeNames) {
		return modeNames[m]
	}
	return "mode " + strconv.Itoa(int(m))
}

// Op is what happened to a row of an upsert or replace port: the column _op.
type Op string

const (
	OpInsert       Op = abi.OpInsert
	OpUpdateBefore Op = abi.OpUpdateBefore // the row as it was; the row as it is follows as OpUpdateAfter
	OpUpdateAfter  Op = abi.OpUpdateAfter
	OpDelete       Op = abi.OpDelete
	OpUpsert       Op = abi.OpUpsert // emitted only
)

// Adds reports whether the row holds from now on: OpInsert, OpUpdateAfter. So does a row without an op.
func (o Op) Adds() bool { return o != OpDelete && o != OpUpdateBefore }

// Removes reports whether the row holds no longer: OpDelete, OpUpdateBefore.
func (o Op) Removes() bool { return !o.Adds() }

// Change is embedded in the row struct of an incremental input over an upsert or replace port.
type Change struct {
	Op  Op    `adp:"_op"`
	Seq int64 `adp:"_seq"` // of the upstream's snapshot that made the change
}

// Null is a value that may be missing: an alternative to a pointer that allocates nothing.
type Null[T any] struct {
	V     T
	Valid bool
}

// Some is a Null that is there.
func Some[T any](v T) Null[T] { return Null[T]{V: v, Valid: true} }

// Or is the value, or other when it is missing.
func (n Null[T]) Or(other T) T {
	if n.Valid {
		return n.V
	}
	return other
}

// nullable marks Null for reflection.
func (n Null[T]) nullable() {}

// Status is what a call over the sandbox's wall answers; see abi.Status in the project.
type Status int32

var statusNames = [...]string{"ok", "failed", "not found", "out of bounds", "misaligned", "bad array", "bad argument",
	"limit exceeded", "denied", "not now", "too large", "driver error"}

// Error is the status in words.
func (s Status) Error() string {
	if int(s) >= 0 && int(s) < len(statusNames) {
		return statusNames[s]
	}
	return "status " + strconv.Itoa(int(s))
}
