// Package bridge joins the SDK to its fake host outside a sandbox: what are imports and exports of the module inside.
package bridge

// Memory gives 32-bit addresses to Go memory. The zero value is ready.
type Memory struct {
	segments []segment
	next     uint32
}

type segment struct {
	base  uint32
	bytes []byte
}

// first is where addresses begin, so that 0 is nobody's.
const first = 1 << 16

// Addr is an address for b, 64-byte aligned; 0 when b is empty. The bytes are not copied.
func (m *Memory) Addr(b []byte) uint32 {
	if len(b) == 0 {
		return 0
	}
	if m.next < first {
		m.next = first
	}
	base := m.next
	m.Map(base, b)
	return base
}

// Map puts b at base, which is above every address given so far.
func (m *Memory) Map(base uint32, b []byte) {
	m.segments = append(m.segments, segment{base, b})
	m.next = (base + uint32(len(b)) + 127) &^ 63 // a gap, so that one byte past the end is nobody's
}

// View is the n bytes at addr. It panics when they are not all there, as the sandbox would trap.
func (m *Memory) View(addr, n uint32) []byte {
	if n == 0 {
		return nil
	}
	lo, hi := 0, len(m.segments)
	for lo < hi {
		mid := (lo + hi) / 2
		if m.segments[mid].base <= addr {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	if lo > 0 {
		s := m.segments[lo-1]
		if at := addr - s.base; uint64(at)+uint64(n) <= uint64(len(s.bytes)) {
			return s.bytes[at : at+n : at+n]
		}
	}
	panic("adp: access outside memory")
}

// Clone is a copy at the same addresses.
func (m *Memory) Clone() *Memory {
	c := &Memory{next: m.next}
	for _, s := range m.segments {
		c.segments = append(c.segments, segment{s.base, append([]byte(nil), s.bytes...)})
	}
	return c
}

// Host is what the imports of module adp_v1 reach. Results follow the ABI: a status, or for functions that fill a buffer
// the length of the whole value or the negated status.
type Host interface {
	Emit(port uint32, m *Memory, array uint32) int32
	Log(level int32, message string) int32
	Config(key string, buf []byte) int64
	Clock() int64
	Random(buf []byte) int32
	Metric(kind int32, name string, value float64) int32
	StateGet(key string, buf []byte) int64
	StatePut(key string, value []byte) int32
	StateDelete(key string) int32
	StateScan(prefix, after string, buf []byte) int64
	DriverOpen(binding uint32, request []byte) int64
	// DriverNext maps the batch into m and returns its address, 0 at the end.
	DriverNext(reader uint32, m *Memory) (array uint32, status int32)
	DriverClose(reader uint32) int32
	DriverWrite(binding uint32, m *Memory, array uint32) int32
	Decide(request, buf []byte) int64
}

// Guest is what the exports of the module do.
type Guest interface {
	Open(m *Memory, block uint32) int32
	Process(input uint32, m *Memory, array uint32) int32
	Flush() int32
}

// Port is a port of the open block. Fields is a []adp.Field, which this package cannot name.
type Port struct {
	Name   string
	Mode   uint32
	Fields any
}

// What package adp does for its fake host; it sets these when it is loaded.
var (
	Start     func(product any, host Host) Guest
	Encode    func(m *Memory, fields, rows any) (array uint32, err error)
	Decode    func(m *Memory, fields any, array uint32, rows any) error
	OpenBlock func(m *Memory, ports [3][]Port, rebuild bool) uint32
)
