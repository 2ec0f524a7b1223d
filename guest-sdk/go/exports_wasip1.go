package adp

import (
	"runtime"
	"unsafe"
)

// The exports of the module. The host calls them one after another, never from two threads and never from inside an import.

// allocated pins what the host has asked for: the collector sees no pointer that lives in the host.
var allocated = map[uint32][]byte{}

//go:wasmexport adp_abi
func exportABI() int32 { return abiVersion }

//go:wasmexport adp_alloc
func exportAlloc(size uint32) uint32 {
	if size > 1<<31-128 {
		return 0
	}
	b := aligned(int(max(size, 1)))
	p := uint32(uintptr(unsafe.Pointer(unsafe.SliceData(b))))
	allocated[p] = b
	return p
}

// large is what is worth a collection when the host gives it back: it asks for something larger next, and the memory limit
// holds for both.
const large = 1 << 20

//go:wasmexport adp_free
func exportFree(ptr, size uint32) {
	delete(allocated, ptr)
	if size >= large {
		runtime.GC()
	}
}

// running is the run of this instance, from open on.
var running *Product

//go:wasmexport adp_open
func exportOpen(block, size uint32) int32 {
	running = newProduct(system{})
	return int32(running.open(registered, memory{}, block))
}

//go:wasmexport adp_process
func exportProcess(input, array uint32) int32 {
	if running == nil {
		return int32(statusNotNow)
	}
	return int32(running.process(input, memory{}, array))
}

//go:wasmexport adp_flush
func exportFlush() int32 {
	if running == nil {
		return int32(statusNotNow)
	}
	return int32(running.flush())
}
