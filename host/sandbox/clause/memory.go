package clause

import (
	"fmt"

	"github.com/adp-host/adp/abi"
	"github.com/adp-host/adp/host"
)

// allocation starts the guest and asks it for memory before there is a run. It gives false when it does not even start.
func (x *exam) allocation() bool {
	g, err := x.start(x.subject.Spec, manner{})
	defer g.close()
	switch {
	case host.CodeOf(err) == host.CodeGuestABI:
		x.fail("version", "%s", reason(err))
		x.stop("the guest speaks another version of the ABI")
		return false
	case err != nil:
		x.fail("initialize", "%s", reason(err))
		x.stop("the guest does not start")
		return false
	}
	x.ok("initialize", "%d calls into the host", len(g.calls))
	x.ok("version", "%d", abi.Version)
	x.beforeOpen(g)
	x.sizes(g)
	x.churn()
	x.full()
	return true
}

// beforeOpen looks for calls that mean nothing yet.
func (x *exam) beforeOpen(g *guest) {
	var early []string
	for _, c := range g.calls {
		switch {
		case c.module != abi.ImportModule, c.name == abi.ImportLog, c.name == abi.ImportClock, c.name == abi.ImportRandom:
		default:
			early = append(early, fmt.Sprintf("%s before adp_open answers %d", c.name, int64(c.result)))
		}
	}
	x.judge("before-open", early, "", "%d calls, none about the run", len(g.calls))
}

// sizes asks for memory of many sizes at the same time.
func (x *exam) sizes(g *guest) {
	sizes := []uint32{1, 8, 63, 64, 65, 100, 4096, 70_000, 1 << 20}
	for i, n := range sizes {
		s, err := g.alloc(n, fmt.Sprintf("the allocation of %d bytes", n))
		if err != nil {
			x.fail("alloc-inside", "adp_alloc(%d): %s", n, reason(err))
			return
		}
		b := g.bytes(s)
		for j := range b {
			b[j] = byte(i + 1)
		}
	}
	held := append([]span(nil), g.live...)
	for i, s := range held {
		for j, b := range g.bytes(s) {
			if b != byte(i+1) {
				x.fail("alloc-own", "byte %d of %s was changed by adp_alloc", j, s)
				break
			}
		}
	}
	what := fmt.Sprintf("%d allocations of 1 byte to 1 MiB at the same time", len(sizes))
	x.ok("alloc-aligned", "%s", what)
	x.ok("alloc-inside", "%s", what)
	x.ok("alloc-own", "%s", what)
	for _, i := range []int{4, 0, 8, 2, 7, 1, 3, 6, 5} {
		if g.free(held[i]) != nil {
			return
		}
	}
	x.quiet(g)
}

// quiet looks at what adp_alloc and adp_free call.
func (x *exam) quiet(g *guest) {
	var loud []string
	seen := 0
	for _, c := range g.calls {
		if c.stage != abi.ExportAlloc && c.stage != abi.ExportFree {
			continue
		}
		seen++
		if c.module == abi.ImportModule && c.name != abi.ImportLog {
			loud = append(loud, c.stage+" calls "+c.name)
		}
	}
	x.judge("alloc-quiet", loud, "", "%d calls into the host", seen)
}

// churn takes and gives back until a guest that does not take back shows how it grows.
func (x *exam) churn() {
	const times, size = 256, 64 << 10
	g, err := x.start(x.subject.Spec, manner{})
	defer g.close()
	if err != nil {
		x.fail("free", "a second instance: %s", reason(err))
		return
	}
	begin := len(g.bare.Memory())
	for n := range times {
		s, err := g.alloc(size, "the allocation of 64 KiB")
		if err != nil {
			x.fail("free", "adp_alloc(%d) fails when as much has been allocated and freed %d times: %s", size, n, reason(err))
			return
		}
		if g.free(s) != nil {
			return
		}
	}
	x.ok("free", "64 KiB allocated and freed %d times: memory grew by %d KiB", times, (len(g.bare.Memory())-begin)>>10)
}

// full asks for more than there can be.
func (x *exam) full() {
	for _, n := range []uint64{1 << 30, 1<<31 - 1, 1<<32 - 65, 1<<32 - 1} {
		g, err := x.start(x.subject.Spec, manner{})
		if err != nil {
			g.close()
			x.fail("alloc-full", "another instance: %s", reason(err))
			return
		}
		ptr, err := g.call(abi.ExportAlloc, n)
		g.close()
		if err == nil && ptr != 0 {
			x.fail("alloc-full", "adp_alloc(%d) returned %d, where memory is at most %d", n, uint32(ptr), host.DefaultLimits.Memory)
			return
		}
	}
	x.ok("alloc-full", "no address for 1 GiB to 4 GiB")
}
