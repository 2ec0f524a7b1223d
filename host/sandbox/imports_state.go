package sandbox

import (
	"encoding/binary"

	"github.com/adp-host/adp/abi"
)

// stateKey reads the key of a state function. State does not exist before open.
func (i *Instance) stateKey(ptr, length uint64) ([]byte, abi.Status) {
	if i.phase != running {
		return nil, abi.NotNow
	}
	return i.key(ptr, length, abi.MaxKey)
}

// stateGet is adp_v1.state_get(key i32, key_len i32, buf i32, cap i32) → i64: the length of the value. NotFound,
// OutOfBounds, BadArgument (empty key), TooLarge, NotNow.
func (i *Instance) stateGet(stack []uint64) {
	key, status := i.stateKey(stack[0], stack[1])
	if status != abi.OK {
		stack[0] = negated(status)
		return
	}
	value, ok := i.calls.StateGet(key)
	if !ok {
		stack[0] = negated(abi.NotFound)
		return
	}
	stack[0] = i.fill(stack[2], stack[3], value)
}

// statePut is adp_v1.state_put(key i32, key_len i32, value i32, value_len i32) → OK, OutOfBounds, BadArgument (empty
// key), TooLarge, NotNow, LimitExceeded (the run's state limit, which fails the run).
func (i *Instance) statePut(stack []uint64) {
	key, status := i.stateKey(stack[0], stack[1])
	switch value, ok := i.view(stack[2], stack[3]); {
	case status != abi.OK:
	case uint32(stack[3]) > abi.MaxValue:
		status = abi.TooLarge
	case !ok:
		status = i.outOfBounds(stack[2], stack[3])
	default:
		i.meter.chargeBytes(int64(len(value)))
		if err := i.calls.StatePut(key, append([]byte(nil), value...)); err != nil {
			i.fail(err)
			status = abi.LimitExceeded
		}
	}
	stack[0] = uint64(status)
}

// stateDelete is adp_v1.state_delete(key i32, key_len i32) → OK, NotFound, OutOfBounds, BadArgument (empty key),
// TooLarge, NotNow.
func (i *Instance) stateDelete(stack []uint64) {
	key, status := i.stateKey(stack[0], stack[1])
	if status == abi.OK {
		if value, ok := i.calls.StateGet(key); ok {
			i.meter.chargeBytes(int64(len(value)))
			i.calls.StateDelete(key)
		} else {
			status = abi.NotFound
		}
	}
	stack[0] = uint64(status)
}

// stateScan is adp_v1.state_scan(prefix i32, prefix_len i32, after i32, after_len i32, buf i32, cap i32) → i64: the bytes
// of the entries laid into buf, as many whole ones as fit; more than cap when the first does not; 0 when none follows.
//
//	buf: | key_len u32 | value_len u32 | key | value | key_len u32 | …
//
// OutOfBounds, TooLarge (prefix or after), NotNow.
func (i *Instance) stateScan(stack []uint64) {
	prefix, status := i.optional(stack[0], stack[1])
	var after []byte
	if status == abi.OK {
		after, status = i.optional(stack[2], stack[3])
	}
	var buf []byte
	if status == abi.OK {
		buf, status = i.buffer(stack[4], stack[5])
	}
	if i.phase != running {
		status = abi.NotNow
	}
	if status != abi.OK {
		stack[0] = negated(status)
		return
	}
	used, needed := 0, 0
	i.calls.StateScan(prefix, after, func(key, value []byte) bool {
		n := abi.ScanHeader + len(key) + len(value)
		if n > len(buf)-used {
			if used == 0 {
				needed = n
			}
			return false
		}
		entry := buf[used : used+n]
		binary.LittleEndian.PutUint32(entry[abi.ScanKeyLen:], uint32(len(key)))
		binary.LittleEndian.PutUint32(entry[abi.ScanValueLen:], uint32(len(value)))
		copy(entry[abi.ScanHeader:], key)
		copy(entry[abi.ScanHeader+len(key):], value)
		used += n
		return true
	})
	i.meter.chargeBytes(int64(max(used, needed)))
	stack[0] = uint64(max(used, needed))
}

// optional reads a key that may be empty.
func (i *Instance) optional(ptr, length uint64) ([]byte, abi.Status) {
	if uint32(length) == 0 {
		return nil, abi.OK
	}
	return i.key(ptr, length, abi.MaxKey)
}
