package adp

import (
	"runtime"
	"unsafe"

	"github.com/adp-host/adp/guest-sdk/go/internal/abi"
)

// The imports of module adp_v1. Addresses are those of Go memory: the heap does not move, and the host keeps none of them
// beyond the call. They are passed as integers, which hides them from escape analysis, so every caller holds its memory
// alive with runtime.KeepAlive.

//go:wasmimport adp_v1 emit
func importEmit(port, array uint32) int32

//go:wasmimport adp_v1 log
func importLog(level int32, ptr, n uint32) int32

//go:wasmimport adp_v1 config
func importConfig(key, keyLen, buf, capacity uint32) int64

//go:wasmimport adp_v1 clock
func importClock() int64

//go:wasmimport adp_v1 random
func importRandom(ptr, n uint32) int32

//go:wasmimport adp_v1 metric
func importMetric(kind int32, name, nameLen uint32, value float64) int32

//go:wasmimport adp_v1 state_get
func importStateGet(key, keyLen, buf, capacity uint32) int64

//go:wasmimport adp_v1 state_put
func importStatePut(key, keyLen, value, valueLen uint32) int32

//go:wasmimport adp_v1 state_delete
func importStateDelete(key, keyLen uint32) int32

//go:wasmimport adp_v1 state_scan
func importStateScan(prefix, prefixLen, after, afterLen, buf, capacity uint32) int64

//go:wasmimport adp_v1 driver_open
func importDriverOpen(binding, request, requestLen uint32) int64

//go:wasmimport adp_v1 driver_next
func importDriverNext(reader, buf, capacity uint32) int64

//go:wasmimport adp_v1 driver_close
func importDriverClose(reader uint32) int32

//go:wasmimport adp_v1 driver_write
func importDriverWrite(binding, array uint32) int32

//go:wasmimport adp_v1 decide
func importDecide(request, requestLen, buf, capacity uint32) int64

// system is the host as the SDK sees it. Inside the sandbox there is one, behind the imports.
type system struct{}

func ofString(s string) uint32 {
	if s == "" {
		return 0
	}
	return uint32(uintptr(unsafe.Pointer(unsafe.StringData(s))))
}

func ofBytes(b []byte) uint32 {
	if cap(b) == 0 {
		return 0
	}
	return uint32(uintptr(unsafe.Pointer(unsafe.SliceData(b))))
}

func (system) emit(port uint32, _ memory, array uint32) Status {
	return Status(importEmit(port, array))
}

func (system) driverWrite(binding uint32, _ memory, array uint32) Status {
	return Status(importDriverWrite(binding, array))
}

func (system) log(level int32, message string) Status {
	s := importLog(level, ofString(message), uint32(len(message)))
	runtime.KeepAlive(message)
	return Status(s)
}

func (system) config(key string, buf []byte) int64 {
	n := importConfig(ofString(key), uint32(len(key)), ofBytes(buf), uint32(len(buf)))
	runtime.KeepAlive(key)
	runtime.KeepAlive(buf)
	return n
}

func (system) clock() int64 { return importClock() }

func (system) random(buf []byte) Status {
	s := importRandom(ofBytes(buf), uint32(len(buf)))
	runtime.KeepAlive(buf)
	return Status(s)
}

func (system) metric(kind int32, name string, value float64) Status {
	s := importMetric(kind, ofString(name), uint32(len(name)), value)
	runtime.KeepAlive(name)
	return Status(s)
}

func (system) stateGet(key string, buf []byte) int64 {
	n := importStateGet(ofString(key), uint32(len(key)), ofBytes(buf), uint32(len(buf)))
	runtime.KeepAlive(key)
	runtime.KeepAlive(buf)
	return n
}

func (system) statePut(key string, value []byte) Status {
	s := importStatePut(ofString(key), uint32(len(key)), ofBytes(value), uint32(len(value)))
	runtime.KeepAlive(key)
	runtime.KeepAlive(value)
	return Status(s)
}

func (system) stateDelete(key string) Status {
	s := importStateDelete(ofString(key), uint32(len(key)))
	runtime.KeepAlive(key)
	return Status(s)
}

func (system) stateScan(prefix, after string, buf []byte) int64 {
	n := importStateScan(ofString(prefix), uint32(len(prefix)), ofString(after), uint32(len(after)), ofBytes(buf), uint32(len(buf)))
	runtime.KeepAlive(prefix)
	runtime.KeepAlive(after)
	runtime.KeepAlive(buf)
	return n
}

func (system) driverOpen(binding uint32, request []byte) int64 {
	n := importDriverOpen(binding, ofBytes(request), uint32(len(request)))
	runtime.KeepAlive(request)
	return n
}

func (system) driverClose(reader uint32) Status { return Status(importDriverClose(reader)) }

// driverNext lays the next batch down in buf, which it grows as needed; array is 0 at the end.
func (system) driverNext(reader uint32, buf *[]byte) (m memory, array uint32, s Status) {
	for {
		n := importDriverNext(reader, ofBytes(*buf), uint32(len(*buf)))
		switch {
		case n < 0:
			return m, 0, Status(-n)
		case n == 0:
			return m, 0, 0
		case n <= int64(len(*buf)):
			return m, ofBytes(*buf), 0
		}
		*buf = aligned(int(n))
	}
}

func (system) decide(request, buf []byte) int64 {
	n := importDecide(ofBytes(request), uint32(len(request)), ofBytes(buf), uint32(len(buf)))
	runtime.KeepAlive(request)
	runtime.KeepAlive(buf)
	return n
}

// aligned is n bytes at a multiple of 64.
func aligned(n int) []byte {
	b := make([]byte, n+abi.Alignment)
	skip := -uintptr(unsafe.Pointer(&b[0])) & (abi.Alignment - 1)
	return b[skip:][:n:n]
}
