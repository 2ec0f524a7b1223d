package build

import (
	"encoding/binary"
	"encoding/json"
	"slices"

	"github.com/adp-host/adp/abi"
	"github.com/adp-host/adp/host"
)

// sqlGuest is the guest of a product in SQL: when the inputs are consumed it asks binding 0 the first statement and passes the
// answer on to output 0, batch by batch as the host has laid it down, then binding 1 the second, and so on. What is in it beside
// the statements is the same for all of them.
func sqlGuest(statements []host.Statement) ([]byte, error) {
	data, err := sqlData(statements)
	if err != nil {
		return nil, err
	}
	top := (sqlBase + len(data) + abi.Alignment - 1) / abi.Alignment * abi.Alignment
	n := int32(len(statements))
	out := []byte("\x00asm\x01\x00\x00\x00")
	const i32, i64 = 0x7f, 0x7e
	out = section(out, 1, vector( // types
		[]byte{0x60, 3, i32, i32, i32, 1, i64}, // 0 driver_open, driver_next
		[]byte{0x60, 1, i32, 1, i32},           // 1 driver_close, adp_alloc
		[]byte{0x60, 2, i32, i32, 1, i32},      // 2 emit, adp_open, adp_process
		[]byte{0x60, 0, 1, i32},                // 3 adp_abi, adp_flush
		[]byte{0x60, 2, i32, i32, 0},           // 4 adp_free
	))
	imported := func(name string, kind byte) []byte {
		return append(append(text(abi.ImportModule), text(name)...), 0, kind)
	}
	out = section(out, 2, vector(imported(abi.ImportDriverOpen, 0), imported(abi.ImportDriverNext, 0), imported(abi.ImportDriverClose, 1), imported(abi.ImportEmit, 2)))
	out = section(out, 3, vector([]byte{3}, []byte{1}, []byte{4}, []byte{2}, []byte{2}, []byte{3})) // functions 4 to 9
	out = section(out, 5, vector(unsigned([]byte{0}, top>>16+1)))                                   // memory
	out = section(out, 6, vector(append(constant([]byte{i32, 1}, int32(top)), opEnd)))              // where free memory begins
	exported := func(name string, kind, index byte) []byte { return append(text(name), kind, index) }
	out = section(out, 7, vector(exported("memory", 2, 0), exported(abi.ExportABI, 0, 4), exported(abi.ExportAlloc, 0, 5), exported(abi.ExportFree, 0, 6),
		exported(abi.ExportOpen, 0, 7), exported(abi.ExportProcess, 0, 8), exported(abi.ExportFlush, 0, 9)))
	none := []byte{0}
	out = section(out, 10, vector(
		function(none, constant(nil, abi.Version)),
		function([]byte{2, 1, i32, 2, i64}, sqlAlloc()),
		function(none),
		function(none, // adp_open: as many outputs as there are statements, or NotFound
			[]byte{opGet, 0, opLoad, 2, abi.OpenNOutputs}, constant(nil, n), []byte{opNe, opIf, i32}, constant(nil, int32(abi.NotFound)), []byte{opElse}, constant(nil, int32(abi.OK)), []byte{opEnd}),
		function(none, constant(nil, int32(abi.OK))), // adp_process: the inputs go elsewhere
		function([]byte{3, 4, i32, 1, i64, 1, i32}, sqlFlush(n)),
	))
	return section(out, 11, vector(append(append(constant([]byte{0}, sqlBase), opEnd), text(string(data))...))), nil
}

// sqlBase is where the guest's data begins: for each statement its address and length, then the statements.
const sqlBase = 1024

func sqlData(statements []host.Statement) ([]byte, error) {
	at := sqlBase + 8*len(statements)
	var table, texts []byte
	for _, s := range statements {
		request, err := json.Marshal(s)
		if err != nil {
			return nil, err
		}
		if len(request) > abi.MaxRequest {
			return nil, host.Errorf(host.CodeBuildCompile, "%s: the statement has %d bytes, at most %d can be asked", s.File, len(request), abi.MaxRequest)
		}
		table = binary.LittleEndian.AppendUint32(table, uint32(at+len(texts)))
		table = binary.LittleEndian.AppendUint32(table, uint32(len(request)))
		texts = append(texts, request...)
	}
	return append(table, texts...), nil
}

// Instructions of WebAssembly.
const (
	opUnreachable, opBlock, opLoop, opIf, opElse, opEnd, opBr, opBrIf, opReturn, opCall, opDrop = 0x00, 0x02, 0x03, 0x04, 0x05, 0x0b, 0x0c, 0x0d, 0x0f, 0x10, 0x1a
	opGet, opSet, opTee, opGetGlobal, opSetGlobal, opLoad, opSize, opGrow, opConst, opConst64   = 0x20, 0x21, 0x22, 0x23, 0x24, 0x28, 0x3f, 0x40, 0x41, 0x42
	opEqz, opEq, opNe, opGeU, opEqz64, opLtS64, opGtS64, opGtU64, opAdd, opSub, opShl           = 0x45, 0x46, 0x47, 0x4f, 0x50, 0x53, 0x55, 0x56, 0x6a, 0x6b, 0x74
	opAdd64, opSub64, opAnd64, opShl64, opShrU64, opWrap, opExtendU                             = 0x7c, 0x7d, 0x83, 0x86, 0x88, 0xa7, 0xad
	empty                                                                                       = 0x40 // type of a block without a result
)

// sqlAlloc is adp_alloc(size), parameter 0: memory behind all that there was, in local 1, or 0. Nothing comes back. Local 2 is the
// end, a multiple of abi.Alignment, local 3 how much is missing up to there.
func sqlAlloc() []byte {
	return slices.Concat(
		[]byte{opGetGlobal, 0, opTee, 1, opExtendU, opGet, 0, opExtendU, opAdd64, opConst64, 63, opAdd64, opConst64, 0x40, opAnd64, opTee, 2},
		[]byte{opConst64, 0xff, 0xff, 0xff, 0xff, 0x0f, opGtU64, opIf, empty}, constant(nil, 0), []byte{opReturn, opEnd},
		[]byte{opGet, 2, opSize, 0, opExtendU, opConst64, 16, opShl64, opSub64, opTee, 3, opConst64, 0, opGtS64, opIf, empty},
		[]byte{opGet, 3, opConst64, 0xff, 0xff, 3, opAdd64, opConst64, 16, opShrU64, opWrap, opGrow, 0}, constant(nil, -1), []byte{opEq, opIf, empty}, constant(nil, 0), []byte{opReturn, opEnd, opEnd},
		[]byte{opGet, 2, opWrap, opSetGlobal, 0, opGet, 1},
	)
}

// sqlFlush is adp_flush. Locals: 0 the statement, 1 its reader, 2 the buffer, 3 how much fits, 4 (64 bits) an answer, 5 a status.
func sqlFlush(n int32) []byte {
	failed := slices.Concat([]byte{opTee, 4, opConst64, 0, opLtS64, opIf, empty}, constant(nil, 0), []byte{opGet, 4, opWrap, opSub, opReturn, opEnd})
	field := func(at int) []byte { // of the table of statements
		return slices.Concat([]byte{opGet, 0}, constant(nil, 3), []byte{opShl, opLoad, 2}, unsigned(nil, at))
	}
	return slices.Concat(
		[]byte{opLoop, empty, opGet, 0}, constant(nil, n), []byte{opGeU, opIf, empty}, constant(nil, int32(abi.OK)), []byte{opReturn, opEnd},
		[]byte{opGet, 0}, field(sqlBase), field(sqlBase+4), []byte{opCall, 0}, failed, []byte{opGet, 4, opWrap, opSet, 1},
		[]byte{opBlock, empty, opLoop, empty, opGet, 1, opGet, 2, opGet, 3, opCall, 1}, failed,
		[]byte{opGet, 4, opEqz64, opBrIf, 1},
		[]byte{opGet, 4, opGet, 3, opExtendU, opGtU64, opIf, empty}, // a larger buffer, and again
		[]byte{opGet, 4, opWrap, opCall, 5, opTee, 2, opEqz, opIf, empty}, constant(nil, int32(abi.LimitExceeded)), []byte{opReturn, opEnd},
		[]byte{opGet, 4, opWrap, opSet, 3, opBr, 1, opEnd},
		[]byte{opGet, 0, opGet, 2, opCall, 3, opTee, 5, opIf, empty, opGet, 5, opReturn, opEnd, opBr, 0, opEnd, opEnd},
		[]byte{opGet, 1, opCall, 2, opDrop, opGet, 0}, constant(nil, 1), []byte{opAdd, opSet, 0, opBr, 0, opEnd, opUnreachable},
	)
}

// function is a body: its locals and its instructions.
func function(locals []byte, code ...[]byte) []byte {
	body := append(append(slices.Clone(locals), slices.Concat(code...)...), opEnd)
	return append(unsigned(nil, len(body)), body...)
}

func section(out []byte, id byte, content []byte) []byte {
	return append(unsigned(append(out, id), len(content)), content...)
}

func vector(items ...[]byte) []byte {
	return append(unsigned(nil, len(items)), slices.Concat(items...)...)
}

func text(s string) []byte { return append(unsigned(nil, len(s)), s...) }

// unsigned and constant write numbers as LEB128, constant as an instruction.
func unsigned(out []byte, v int) []byte { return binary.AppendUvarint(out, uint64(v)) }

func constant(out []byte, v int32) []byte {
	out = append(out, opConst)
	for {
		b := byte(v & 0x7f)
		v >>= 7
		if v == 0 && b&0x40 == 0 || v == -1 && b&0x40 != 0 {
			return append(out, b)
		}
		out = append(out, b|0x80)
	}
}
