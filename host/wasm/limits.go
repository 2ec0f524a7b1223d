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
	BlockLocals       int // blocks × locals of one function: what time and memory of compilation follow
	ModuleBlockLocals int // the same, summed over the module
	BlockWalks        int // steps from each block up through those that every way to it passes, summed over the module
	BlockSquares      int // blocks × blocks, summed over the functions of the module: an engine is slower than linear in them
}

// DefaultLimits are those of guests. Kits with an interpreter inside are named exceptions with limits of their own.
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
	BlockLocals:       1_000_000,
	ModuleBlockLocals: 8_000_000,
	BlockWalks:        500_000_000, // a module of 38 MB (Go with Arrow and its compute kernels) has 6 million
	BlockSquares:      4_000_000_000,
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
