package abitest

import "time"

// T is what the suite asks of a test. *testing.T has it, and so can a program that checks guests outside of go test.
type T interface {
	Helper()
	Errorf(format string, args ...any)
	Fatalf(format string, args ...any) // does not return
	Error(args ...any)
	Fatal(args ...any) // does not return
	Cleanup(f func())  // at the end of the part that calls it
}

// Runner is a T that has parts of its own, as *testing.T is a Runner[*testing.T].
type Runner[S any] interface {
	T
	Run(name string, part func(S)) bool
}

// Harness starts instances of one guest module in a host.
type Harness interface {
	Start(t T, s Spec) Instance
}

// Spec is what surrounds one run.
type Spec struct {
	Inputs, Outputs, Bindings []Port

	RunID   string    // seeds randomness
	Start   time.Time // virtual clock at open
	Rebuild bool
	Config  map[string]string
	State   map[string][]byte // what earlier runs left
	// Read answers what a guest asks of a binding with read access, in batches. An error is a driver's.
	Read func(binding string, request []byte) ([][]Row, error)
	// Decide answers questions to policy, both ends JSON; nil denies.
	Decide func(request []byte) []byte
}

// Instance is one run. Errors are those of the run: a status that is not OK, a trap, a fatal status of an import. After
// an error it is good only for Result and Close.
type Instance interface {
	Open() error
	Process(input int, rows []Row) error
	Flush() error
	Result() Result
	Close()
}

// Result is what a run has done so far.
type Result struct {
	Emitted map[string][]Row // by output, in order
	Written map[string][]Row // by binding, in order
	Logs    []Log
	Metrics map[string]float64 // counters summed, gauges last
	State   map[string][]byte
}

// Log is a logged line.
type Log struct {
	Level   int32
	Message string
}
