//go:build !wasip1

package adptest

import (
	"encoding/binary"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/adp-host/adp/guest-sdk/go/internal/abi"
	"github.com/adp-host/adp/guest-sdk/go/internal/bridge"
)

// Tables of ports in the open block.
const (
	inputs = iota
	outputs
	bindings
)

// read answers a request to a binding.
type read func(m *bridge.Memory, request string) (array uint32, err error)

// host is the fake. It keeps what the product does and follows abi/SPEC.md where products can tell the difference.
type host struct {
	t       testing.TB
	ports   [3][]bridge.Port
	config  map[string]string
	state   map[string][]byte
	reads   map[string]read
	decide  func([]byte) []byte
	start   time.Time
	clock   int64
	seed    uint64
	random  *rand.ChaCha8
	rebuild bool
	running bool // a call into the product is under way

	emitted map[string][]emission
	logs    []Log
	metrics map[string]float64
	readers []*reader
}

type emission struct {
	memory *bridge.Memory
	fields any
	array  uint32
	upsert bool
}

type reader struct {
	memory *bridge.Memory
	array  uint32
	open   bool
}

func (h *host) find(table int, name string) int {
	return slices.IndexFunc(h.ports[table], func(p bridge.Port) bool { return p.Name == name })
}

func (h *host) Emit(port uint32, m *bridge.Memory, array uint32) int32 {
	return h.keep(outputs, port, m, array)
}

func (h *host) keep(table int, port uint32, m *bridge.Memory, array uint32) int32 {
	if !h.running {
		return int32(abi.NotNow)
	}
	if int(port) >= len(h.ports[table]) {
		return int32(abi.NotFound)
	}
	p := h.ports[table][port]
	if table == bindings && p.Mode != abi.ModeWrite {
		return int32(abi.Denied)
	}
	if h.emitted == nil {
		h.emitted = map[string][]emission{}
	}
	h.emitted[p.Name] = append(h.emitted[p.Name], emission{m.Clone(), p.Fields, array, p.Mode == abi.ModeUpsert})
	return 0
}

func (h *host) Log(level int32, message string) int32 {
	names := []string{"debug", "info", "warn", "error"}
	switch {
	case level < 0 || int(level) >= len(names):
		return int32(abi.BadArgument)
	case len(message) > abi.MaxLogMessage:
		return int32(abi.TooLarge)
	}
	h.logs = append(h.logs, Log{names[level], strings.Clone(strings.ToValidUTF8(message, "\uFFFD"))})
	return 0
}

func (h *host) Config(key string, buf []byte) int64 {
	if len(key) == 0 || len(key) > abi.MaxKey {
		return -int64(keyStatus(key))
	}
	v, ok := h.config[key]
	if !ok {
		return -int64(abi.NotFound)
	}
	return fill(buf, []byte(v))
}

// fill follows the convention of buffers: a value that does not fit is not written.
func fill(buf, value []byte) int64 {
	if len(value) <= len(buf) {
		copy(buf, value)
	}
	return int64(len(value))
}

// Clock moves by a microsecond with each look.
func (h *host) Clock() int64 {
	h.clock += 1000
	return h.clock
}

func (h *host) Random(buf []byte) int32 {
	if len(buf) > abi.MaxRandom {
		return int32(abi.TooLarge)
	}
	if h.random == nil {
		var seed [32]byte
		binary.LittleEndian.PutUint64(seed[:], h.seed)
		h.random = rand.NewChaCha8(seed)
	}
	_, _ = h.random.Read(buf)
	return 0
}

func (h *host) Metric(kind int32, name string, value float64) int32 {
	switch {
	case name == "" || !utf8.ValidString(name):
		return int32(abi.BadArgument)
	case len(name) > abi.MaxName:
		return int32(abi.TooLarge)
	case kind == abi.MetricCounter:
		h.metrics[strings.Clone(name)] += value
	case kind == abi.MetricGauge:
		h.metrics[strings.Clone(name)] = value
	default:
		return int32(abi.BadArgument)
	}
	return 0
}

func keyStatus(key string) abi.Status {
	switch {
	case key == "":
		return abi.BadArgument
	case len(key) > abi.MaxKey:
		return abi.TooLarge
	}
	return abi.OK
}

func (h *host) StateGet(key string, buf []byte) int64 {
	if s := keyStatus(key); s != 0 {
		return -int64(s)
	}
	v, ok := h.state[key]
	if !ok {
		return -int64(abi.NotFound)
	}
	return fill(buf, v)
}

func (h *host) StatePut(key string, value []byte) int32 {
	if s := keyStatus(key); s != 0 {
		return int32(s)
	}
	if len(value) > abi.MaxValue {
		return int32(abi.TooLarge)
	}
	h.state[strings.Clone(key)] = slices.Clone(value)
	return 0
}

func (h *host) StateDelete(key string) int32 {
	if s := keyStatus(key); s != 0 {
		return int32(s)
	}
	if _, ok := h.state[key]; !ok {
		return int32(abi.NotFound)
	}
	delete(h.state, key)
	return 0
}

func (h *host) StateScan(prefix, after string, buf []byte) int64 {
	var keys []string
	for k := range h.state {
		if strings.HasPrefix(k, prefix) && k > after {
			keys = append(keys, k)
		}
	}
	slices.Sort(keys)
	n := 0
	for _, k := range keys {
		v := h.state[k]
		size := abi.ScanHeader + len(k) + len(v)
		if n+size > len(buf) {
			if n == 0 {
				return int64(size)
			}
			break
		}
		b := buf[n:n]
		b = binary.LittleEndian.AppendUint32(b, uint32(len(k)))
		b = binary.LittleEndian.AppendUint32(b, uint32(len(v)))
		_ = append(append(b, k...), v...)
		n += size
	}
	return int64(n)
}

func (h *host) DriverOpen(binding uint32, request []byte) int64 {
	if int(binding) >= len(h.ports[bindings]) {
		return -int64(abi.NotFound)
	}
	p := h.ports[bindings][binding]
	if p.Mode != abi.ModeRead {
		return -int64(abi.Denied)
	}
	if len(request) > abi.MaxRequest {
		return -int64(abi.TooLarge)
	}
	r := &reader{memory: new(bridge.Memory), open: true}
	var err error
	if r.array, err = h.reads[p.Name](r.memory, string(request)); err != nil {
		h.Log(abi.LogError, err.Error())
		return -int64(abi.DriverError)
	}
	h.readers = append(h.readers, r)
	return int64(len(h.readers) - 1)
}

func (h *host) DriverNext(i uint32, m *bridge.Memory) (uint32, int32) {
	if int(i) >= len(h.readers) || !h.readers[i].open {
		return 0, int32(abi.NotFound)
	}
	r := h.readers[i]
	*m = *r.memory
	array := r.array
	r.array = 0
	return array, 0
}

func (h *host) DriverClose(i uint32) int32 {
	if int(i) >= len(h.readers) || !h.readers[i].open {
		return int32(abi.NotFound)
	}
	h.readers[i].open = false
	return 0
}

func (h *host) DriverWrite(binding uint32, m *bridge.Memory, array uint32) int32 {
	return h.keep(bindings, binding, m, array)
}

func (h *host) Decide(request, buf []byte) int64 {
	if len(request) > abi.MaxRequest {
		return -int64(abi.TooLarge)
	}
	if h.decide == nil {
		return fill(buf, []byte(`{"allow":false,"reason":"the test has no policy"}`))
	}
	return fill(buf, h.decide(request))
}
