package sandbox

import (
	"encoding/binary"
	"math"

	"github.com/adp-host/adp/abi"
	"github.com/adp-host/adp/host"
)

// wasiSignatures are those of WASI preview 1 for the functions that abi names.
var wasiSignatures = map[string]string{
	"args_get": "i32 i32 -> i32", "args_sizes_get": "i32 i32 -> i32",
	"environ_get": "i32 i32 -> i32", "environ_sizes_get": "i32 i32 -> i32",
	"clock_time_get": "i32 i64 i32 -> i32", "clock_res_get": "i32 i32 -> i32",
	"poll_oneoff": "i32 i32 i32 i32 -> i32", "sched_yield": "-> i32",
	"random_get": "i32 i32 -> i32", "fd_write": "i32 i32 i32 i32 -> i32", "proc_exit": "i32 ->",
	"fd_close": "i32 -> i32", "fd_read": "i32 i32 i32 i32 -> i32", "fd_seek": "i32 i64 i32 i32 -> i32",
	"fd_fdstat_get": "i32 i32 -> i32", "fd_fdstat_set_flags": "i32 i32 -> i32", "fd_filestat_get": "i32 i32 -> i32",
	"fd_prestat_get": "i32 i32 -> i32", "fd_prestat_dir_name": "i32 i32 i32 -> i32",
	"path_open": "i32 i32 i32 i32 i32 i64 i64 i32 i32 -> i32", "path_filestat_get": "i32 i32 i32 i32 i32 -> i32",
}

// wasiImports are the functions of the offered subset of WASI.
func wasiImports() []hostFunc {
	calls := map[string]func(*Instance, []uint64){
		"args_get": none, "environ_get": none,
		"args_sizes_get": (*Instance).noneSizes, "environ_sizes_get": (*Instance).noneSizes,
		"clock_time_get": (*Instance).clockTimeGet, "clock_res_get": (*Instance).clockResGet,
		"poll_oneoff": (*Instance).pollOneoff, "sched_yield": none,
		"random_get": (*Instance).randomGet, "fd_write": (*Instance).fdWrite, "proc_exit": (*Instance).procExit,
		"fd_close": closed, "fd_read": (*Instance).fdRead, "fd_seek": noFile,
		"fd_fdstat_get": (*Instance).fdstatGet, "fd_fdstat_set_flags": closed, "fd_filestat_get": noFile,
		"fd_prestat_get": noFile, "fd_prestat_dir_name": noFile,
		"path_open": noPath, "path_filestat_get": noPath,
	}
	var out []hostFunc
	for _, names := range [][]string{abi.WASIOffered[:], abi.WASIClosed[:]} {
		for _, name := range names {
			out = append(out, hostFunc{name, wasiSignatures[name], callCost, 0, calls[name]})
		}
	}
	return out
}

// none: there are no arguments and no environment, and yielding to nobody is done at once.
func none(_ *Instance, stack []uint64) { stack[0] = abi.WASISuccess }

// noFile: there are no files, and the standard streams cannot do this.
func noFile(_ *Instance, stack []uint64) { stack[0] = abi.WASIBadFD }

// noPath: there are no files.
func noPath(_ *Instance, stack []uint64) { stack[0] = abi.WASINotAllow }

// closed succeeds on the standard streams and does nothing.
func closed(_ *Instance, stack []uint64) {
	if uint32(stack[0]) > 2 {
		stack[0] = abi.WASIBadFD
		return
	}
	stack[0] = abi.WASISuccess
}

// put writes little-endian values behind one another, and gives the errno.
func (i *Instance) put(ptr uint64, values ...uint32) uint64 {
	b, ok := i.view(ptr, uint64(4*len(values)))
	if !ok {
		return abi.WASIFault
	}
	for n, v := range values {
		binary.LittleEndian.PutUint32(b[4*n:], v)
	}
	return abi.WASISuccess
}

func (i *Instance) put64(ptr uint64, v int64) uint64 {
	return i.put(ptr, uint32(v), uint32(uint64(v)>>32))
}

// noneSizes is args_sizes_get and environ_sizes_get(count i32, size i32).
func (i *Instance) noneSizes(stack []uint64) {
	if stack[0] = i.put(stack[0], 0); stack[0] == abi.WASISuccess {
		stack[0] = i.put(stack[1], 0)
	}
}

// wasiClocks are 0, realtime, and 1, monotonic: one clock, but that realtime is set when the run begins.
const wasiClocks = 2

func (i *Instance) wasiClock(id uint32) int64 {
	if id == 0 {
		return i.meter.now()
	}
	return add(beforeOpen.UnixNano(), i.meter.ticks())
}

// clockTimeGet is clock_time_get(id i32, precision i64, time i32).
func (i *Instance) clockTimeGet(stack []uint64) {
	id := uint32(stack[0])
	if id >= wasiClocks {
		stack[0] = abi.WASIInvalid
		return
	}
	stack[0] = i.put64(stack[2], i.wasiClock(id))
}

// clockResGet is clock_res_get(id i32, resolution i32).
func (i *Instance) clockResGet(stack []uint64) {
	if uint32(stack[0]) >= wasiClocks {
		stack[0] = abi.WASIInvalid
		return
	}
	stack[0] = i.put64(stack[1], 1)
}

// randomGet is random_get(buf i32, len i32). Runtimes ask for a few bytes; whoever wants more asks again.
func (i *Instance) randomGet(stack []uint64) {
	if _, ok := i.view(stack[0], stack[1]); !ok {
		stack[0] = abi.WASIFault
		return
	}
	if i.fillRandom(i.wasiRandom, stack[0], stack[1]) != abi.OK {
		stack[0] = abi.WASIInvalid
		return
	}
	stack[0] = abi.WASISuccess
}

// maxVectors bounds the pieces of one write, as IOV_MAX does, and maxWrite the bytes that it takes: the guest cannot be
// stopped before it returns. Whoever gets less written than it has writes again.
const (
	maxVectors = 1024
	maxWrite   = 256 << 10
)

// fdWrite is fd_write(fd i32, iovs i32, iovs_len i32, written i32). Lines of 1 and 2 become messages of the log.
func (i *Instance) fdWrite(stack []uint64) {
	fd, n := uint32(stack[0]), uint32(stack[2])
	iovs, ok := i.view(stack[1], uint64(min(n, maxVectors))*8)
	switch {
	case fd != 1 && fd != 2:
		stack[0] = abi.WASIBadFD
		return
	case n > maxVectors:
		stack[0] = abi.WASIInvalid
		return
	case !ok:
		stack[0] = abi.WASIFault
		return
	}
	var written uint32
	for ; len(iovs) > 0 && written < maxWrite; iovs = iovs[8:] {
		b, ok := i.view(uint64(binary.LittleEndian.Uint32(iovs)), uint64(binary.LittleEndian.Uint32(iovs[4:])))
		if !ok {
			stack[0] = abi.WASIFault
			return
		}
		b = b[:min(len(b), int(maxWrite-written))]
		i.meter.charge(int64(len(b))) // each might be a line
		if i.failure == nil && !i.log.write(int(fd-1), b) {
			i.flooded()
		}
		written += uint32(len(b))
	}
	stack[0] = i.put(stack[3], written)
}

// fdRead is fd_read(fd i32, iovs i32, iovs_len i32, read i32): standard input is empty.
func (i *Instance) fdRead(stack []uint64) {
	if uint32(stack[0]) != 0 {
		stack[0] = abi.WASIBadFD
		return
	}
	stack[0] = i.put(stack[3], 0)
}

// fdstatGet is fd_fdstat_get(fd i32, stat i32): | filetype u8 | flags u16 @2 | rights u64 @8 | inheriting u64 @16 |.
func (i *Instance) fdstatGet(stack []uint64) {
	const character, readWrite = 2, 1<<1 | 1<<6
	if uint32(stack[0]) > 2 {
		stack[0] = abi.WASIBadFD
		return
	}
	stack[0] = i.put(stack[1], character, 0, readWrite, 0, 0, 0)
}

// procExit is proc_exit(code i32): a product that leaves has failed, whatever its code.
func (i *Instance) procExit(stack []uint64) {
	i.log.flush()
	e := host.Errorf(host.CodeGuestTrap, "the guest exited with code %d%s", int32(stack[0]), i.log.lastWords())
	if i.mem.denied {
		e.Code = host.CodeGuestMemory
		e.Message = "the guest wanted more than its " + size(i.limits.Memory) + " of memory and gave up" + i.log.lastWords()
		e.Hint = "look for data that is kept from batch to batch, or raise limits.memory"
	}
	i.kill(e)
}

// Layout of poll_oneoff's structs.
const (
	subscriptionSize = 48 // userdata u64 | tag u8 @8 | clock u32 @16 | timeout u64 @24 | precision u64 | flags u16 @40
	eventSize        = 32 // userdata u64 | errno u16 @8 | type u8 @10 | nbytes u64 @16 | flags u16 @24
	maxSubscriptions = 1024

	pollClock    = 0
	pollAbsolute = 1
)

// pollOneoff is poll_oneoff(in i32, out i32, subscriptions i32, events i32). Descriptors are answered at once, with
// EBADF. With clocks only, the virtual clock moves to the earliest: nobody waits.
func (i *Instance) pollOneoff(stack []uint64) {
	n := uint32(stack[2])
	if n == 0 || n > maxSubscriptions {
		stack[0] = abi.WASIInvalid
		return
	}
	in, ok := i.view(stack[0], uint64(n)*subscriptionSize)
	out, ok2 := i.view(stack[1], uint64(n)*eventSize)
	if !ok || !ok2 {
		stack[0] = abi.WASIFault
		return
	}
	i.meter.charge(int64(n) * 10)
	in = append([]byte(nil), in...) // timeouts are made absolute in place
	due := i.earliest(in)
	if due > 0 {
		i.meter.wait(due)
	}
	var events uint32
	for ; len(in) > 0; in = in[subscriptionSize:] {
		tag := in[8]
		if tag == pollClock && i.timeout(in) > 0 {
			continue
		}
		e := out[events*eventSize:][:eventSize]
		clear(e)
		copy(e, in[:8])
		e[10] = tag
		switch {
		case tag != pollClock:
			e[8] = abi.WASIBadFD
		case binary.LittleEndian.Uint32(in[16:]) >= wasiClocks:
			e[8] = abi.WASIInvalid
		}
		events++
	}
	stack[0] = i.put(stack[3], events)
}

// earliest is how long the first event is away, in ns; 0 when there is one already.
func (i *Instance) earliest(in []byte) int64 {
	first := int64(math.MaxInt64)
	for ; len(in) > 0; in = in[subscriptionSize:] {
		if in[8] != pollClock || binary.LittleEndian.Uint32(in[16:]) >= wasiClocks {
			return 0
		}
		first = min(first, i.timeout(in))
	}
	return first
}

// timeout is how long a clock subscription is away from now, in ns, not negative. A relative one is turned into an
// absolute one, so that it has come when the clock has moved.
func (i *Instance) timeout(sub []byte) int64 {
	now := i.wasiClock(binary.LittleEndian.Uint32(sub[16:]))
	at := int64(min(binary.LittleEndian.Uint64(sub[24:]), math.MaxInt64))
	if sub[40]&pollAbsolute == 0 {
		at = add(now, at)
		binary.LittleEndian.PutUint64(sub[24:], uint64(at))
		sub[40] |= pollAbsolute
	}
	return max(at-now, 0)
}
