package wasm

// Limits bound what a module may be, so that compiling and instantiating it is bounded too. The engine's own limits admit
// modules of 12 KB that take more than a second to compile; see RATIONALE.md for the measurements behind the figures.
// A zero field means: none allowed, so start from DefaultLimits.
type Limits struct {
	ModuleBytes       int // the whole binary
	Types             int // function signatures
	Functions         int // imported and defined
	Params            int // of a signature
	Results           int // of a signature
	Imports           int
	Exports           int
	Globals           int
	Tables            int
	TableEntries      int // of a table, at instantiation; also the most it may grow to
	Segments          int // element and data segments together
	MemoryPages       int // of 64 KiB, at instantiation; also the most it may grow to
	BodyBytes         int // of one function
	Instructions      int // of one function
	Locals            int // of one function, parameters included
	Calls             int // of one function, direct and indirect
	Nesting           int // of blocks, in one function
	BranchTargets     int // of one br_table
	Targets           int // of all br_tables of one function: 15 µs and 2 KB each, where there are many
	ModuleTargets     int // the same, summed over the module
	BlockLocals       int // blocks × locals of one function: what time and memory of compilation follow
	ModuleBlockLocals int // the same, summed over the module
	BlockWalks        int // steps from each block up through those that every way to it passes, summed over the module
	BlockSquares      int // blocks × blocks, summed over the functions of the module: an engine is slower than linear in them
}

// DefaultLimits are those of guests. Modules that carry a script are named exceptions: see Module.limits.
var DefaultLimits = Limits{
	ModuleBytes:       16 << 20,
	Types:             10_000,
	Functions:         20_000,
	Params:            200,
	Results:           100,
	Imports:           1_000,
	Exports:           2_000,
	Globals:           300,
	Tables:            1,
	TableEntries:      20_000,
	Segments:          100_000, // the Go linker cuts data at runs of zeros: 31,000 in a small guest
	MemoryPages:       65_535,  // the sandbox's allocator sets each run's own limit
	BodyBytes:         1 << 20,
	Instructions:      500_000,
	Locals:            1_000,
	Calls:             50_000,
	Nesting:           8_192,
	BranchTargets:     32_768,
	Targets:           65_536,  // 15,889 in Go with Arrow, the most seen
	ModuleTargets:     750_000, // 167,682 in the same
	BlockLocals:       1_000_000,
	ModuleBlockLocals: 8_000_000,
	BlockWalks:        500_000_000, // a module of 38 MB (Go with Arrow and its compute kernels) has 6 million
	BlockSquares:      4_000_000_000,
}

// scriptSection is the name of the custom section by which a module says that it is an interpreter with a script in it. Embed writes it.
const scriptSection = "adp_script"

// scriptedTimes is how many times as many functions, and blocks × locals in all, a module may have that carries a script.
const scriptedTimes = 2

// limits are those that hold for this module. An interpreter has more functions, and more of the large ones, than a product that was
// written for its purpose: Python's, compiled for size, has 33,000, which come to 11 million blocks × locals when it is metered. So a
// module that carries a script may have twice as many of both. Anybody can say so of his module, and gains nothing else: what bounds one
// function stays, since that is what an engine is slower than linear in, and so does the size of the module; twice the time and memory to
// compile it are within what the process that compiles may take.
func (m *Module) limits(l Limits) Limits {
	if m.scripted {
		l.Functions *= scriptedTimes
		l.ModuleBlockLocals *= scriptedTimes
	}
	return l
}

// Policy says with whom a module may talk.
type Policy struct {
	// Imports are the functions that the module may import. Nothing else can be imported.
	Imports []ImportRule
	// Exports are those that the module must have, or may have under a reserved name.
	Exports []ExportRule
	// Reserved is the prefix of export names that belong to the host ("adp_"). A module may export such a name only
	// where Exports lists it. Empty reserves nothing beyond the names that Meter adds.
	Reserved string
	// Hint says of modules that are not offered what to do about it.
	Hint map[string]string
}

// ImportRule allows one function.
type ImportRule struct {
	Module, Name string
	Type         FuncType
}

// ExportRule names one export.
type ExportRule struct {
	Name     string
	Kind     Kind
	Type     FuncType // of functions
	Optional bool     // checked only if present
}
