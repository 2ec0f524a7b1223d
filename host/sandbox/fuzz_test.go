package sandbox

import (
	"encoding/binary"
	"strings"
	"testing"

	"github.com/tetratelabs/wazero/api"

	"github.com/adp-host/adp/abi"
	"github.com/adp-host/adp/host"
)

// FuzzImports makes a guest call its imports with anything: each call is a function, and for each parameter a byte that
// chooses an address (near what lies there, the end of memory, the end of addresses) or a small number. Bytes in between
// are written into its memory, so that keys, requests, pieces, subscriptions and batches are what nobody laid down.
//
// The host never fails, every answer is one that the ABI has, and no limit is passed.
func FuzzImports(f *testing.F) {
	e := newEngine(f, Config{})
	module := assemble(f, proxy().text())
	funcs := append(guestImports(), wasiImports()...)
	for n := range funcs {
		f.Add([]byte{byte(n), 0, 1, 2, 3, 4, 5, 6, 7, 8})
		f.Add([]byte{byte(n), 20, 21, 22, 23, 24, 25, 26, 27, 28, 200, 3, 1, 255, byte(n), 20, 31, 41, 30, 40, 50, 60, 70, 80})
	}
	f.Fuzz(func(t *testing.T, script []byte) {
		if len(script) > 400 {
			return // ten calls find what a hundred do
		}
		i := prepared(t, e, module)
		defer i.Close()
		i.limits.Output, i.log.limit, i.meter.limit = 1<<20, 1<<16, 1<<40
		next := func() int {
			if len(script) == 0 {
				return 0
			}
			b := script[0]
			script = script[1:]
			return int(b)
		}
		for len(script) > 0 {
			n := next()
			if n >= 200 { // a change of memory: what, where
				at := []int{aKey, aBatch, aBatch + 64, aBatch + 192, aPieces, aSubscription, aBuffer}[n%7] + next()
				i.mem.bytes()[at] = byte(next())
				continue
			}
			fn := funcs[n%len(funcs)]
			if !i.callAnything(t, fn, next) {
				return
			}
			i.failure = nil // what would refuse all that follows
		}
	})
}

// callAnything calls one import with drawn parameters, and reports whether the guest lives on.
func (i *Instance) callAnything(t *testing.T, fn hostFunc, next func() int) bool {
	params, results, _ := strings.Cut(fn.signature, "->")
	var args []uint64
	for k, typ := range strings.Fields(params) {
		b := next()
		v := uint64(drawn(b, i.mem.size))
		if valid := imported[fn.name].args; b%3 == 0 && k < len(valid) {
			v = valid[k]
		}
		switch typ {
		case "f64":
			v = api.EncodeF64(float64(int8(b)))
		case "i32":
			v = uint64(uint32(v))
		}
		args = append(args, v)
	}
	got, err := called(t, i, fn.name, args)
	if err != nil {
		if host.CodeOf(err) == "" {
			t.Fatalf("%s%v: the host failed: %v", fn.name, args, err)
		}
		return false
	}
	most := int64(abi.DriverError)
	isStatus := strings.HasSuffix(results, "i32") && got >= 0 && got <= most || strings.HasSuffix(results, "i64") && got >= -most
	if !isWASI(fn.name) && fn.name != abi.ImportClock && !isStatus {
		t.Fatalf("%s%v answers %d, which is no status", fn.name, args, got)
	}
	if u := i.Usage(); u.BytesOut > i.limits.Output || u.LogBytes > i.log.limit || int64(i.mem.size) > i.limits.Memory {
		t.Fatalf("%s%v passed a limit: %+v", fn.name, args, u)
	}
	return true
}

func isWASI(name string) bool { _, ok := wasiSignatures[name]; return ok }

// drawn is a number that a byte stands for: small ones, addresses of what lies in memory, and the ends of everything.
func drawn(b, size int) int64 {
	places := []int{0, 1, 3, 8, 16, aKey, aSetting, aBuffer, aBatch, aBatch + 8, aPieces, aSubscription, aEvents, size - 64, size - 8, size - 1, size, size + 1}
	switch {
	case b < 4*len(places):
		return int64(places[b/4]) + int64(b%4)
	case b < 160:
		return int64(b - 100)
	case b < 192:
		return 1<<32 - int64(b-159)
	case b < 224:
		return 1 << (b - 192)
	default:
		return int64(binary.LittleEndian.Uint64([]byte{255, 255, 255, byte(b), 0, 255, 255, 127})) >> (b - 224)
	}
}
