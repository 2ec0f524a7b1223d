//go:build !wasip1

package adp

import "github.com/adp-host/adp/guest-sdk/go/internal/bridge"

// system is the host as the SDK sees it: outside a sandbox, the fake of package adptest.
type system struct{ host bridge.Host }

func (s system) emit(port uint32, m memory, array uint32) Status {
	return Status(s.host.Emit(port, m.Memory, array))
}

func (s system) driverWrite(binding uint32, m memory, array uint32) Status {
	return Status(s.host.DriverWrite(binding, m.Memory, array))
}

func (s system) log(level int32, message string) Status   { return Status(s.host.Log(level, message)) }
func (s system) config(key string, buf []byte) int64      { return s.host.Config(key, buf) }
func (s system) clock() int64                             { return s.host.Clock() }
func (s system) random(buf []byte) Status                 { return Status(s.host.Random(buf)) }
func (s system) stateGet(key string, buf []byte) int64    { return s.host.StateGet(key, buf) }
func (s system) statePut(key string, value []byte) Status { return Status(s.host.StatePut(key, value)) }
func (s system) stateDelete(key string) Status            { return Status(s.host.StateDelete(key)) }
func (s system) driverClose(reader uint32) Status         { return Status(s.host.DriverClose(reader)) }
func (s system) decide(request, buf []byte) int64         { return s.host.Decide(request, buf) }

func (s system) metric(kind int32, name string, value float64) Status {
	return Status(s.host.Metric(kind, name, value))
}

func (s system) stateScan(prefix, after string, buf []byte) int64 {
	return s.host.StateScan(prefix, after, buf)
}

func (s system) driverOpen(binding uint32, request []byte) int64 {
	return s.host.DriverOpen(binding, request)
}

func (s system) driverNext(reader uint32, _ *[]byte) (memory, uint32, Status) {
	m := memory{new(bridge.Memory)}
	array, status := s.host.DriverNext(reader, m.Memory)
	return m, array, Status(status)
}

// guest is a run for the fake host.
type guest struct{ p *Product }

func (g guest) Open(m *bridge.Memory, block uint32) int32 {
	return int32(g.p.open(g.p.build, memory{m}, block))
}

func (g guest) Process(input uint32, m *bridge.Memory, array uint32) int32 {
	return int32(g.p.process(input, memory{m}, array))
}

func (g guest) Flush() int32 { return int32(g.p.flush()) }
