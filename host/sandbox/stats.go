package sandbox

import "sync/atomic"

// Stats counts what an Engine has done since New.
type Stats struct {
	Initialised int64 // runs whose guest initialised itself
	Mapped      int64 // runs with a new instance in the state after initialisation
	Reused      int64 // runs with an instance that served another before
	Parked      int64 // instances that wait now
	Differing   int64 // modules whose compiled code did something else than the interpreter
}

// stats are the counters of Stats.
type stats struct{ initialised, mapped, reused, differing atomic.Int64 }

// Stats is a look at the counters.
func (e *Engine) Stats() Stats {
	s := &e.programs.stats
	return Stats{Initialised: s.initialised.Load(), Mapped: s.mapped.Load(), Reused: s.reused.Load(), Parked: int64(e.programs.parking.len()), Differing: s.differing.Load()}
}
