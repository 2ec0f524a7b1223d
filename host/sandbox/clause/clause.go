package clause

import "slices"

// Clause is something that abi/SPEC.md asks of a guest. Its name stands there behind the words that ask it.
type Clause struct {
	Name    string
	Section string // of the SPEC
	Asks    string // in short
	Mend    string // what to do about a guest that does not
}

// Clauses are those that a guest is held against, in the order of the SPEC.
var Clauses = []Clause{
	{"module", "1", "a valid WebAssembly 2.0 module, without threads, tail calls, exceptions, several memories and memory64",
		"compile for wasm32 without these features (clang and Rust: -C target-feature / -m flags)"},
	{"size", "1", "a module within the limits of §8", "leave out what is not used, optimise for size, split the largest functions"},
	{"exports", "1", "all exports of the table, memory among them", "export them under exactly these names; linkers drop what is not marked as exported"},
	{"signatures", "1", "exports of exactly the kinds and signatures of the table", "pointers and lengths are i32, a status is an i32 result"},
	{"imports", "1", "imports from adp_v1 and the listed part of WASI only, functions only, with exactly their signatures",
		"look for the library that asks for it; a memory must be the module's own"},
	{"reserved", "1", "no further names that begin with adp_", "give the export another name"},
	{"initialize", "2", "a start section and _initialize that return", "see the trap; nothing of the run is there yet"},
	{"before-open", "2", "nothing of the run asked for before adp_open", "call log, clock and random only until then, and move the rest to adp_open"},
	{"open", "2", "adp_open takes the ports of its product", "return 0 when all is well; see the log for the guest's own reason"},
	{"batches", "2", "adp_process takes batches of any size", "loop over the length of each batch"},
	{"flush", "2", "adp_flush ends every run", "return 0 when all is well"},
	{"empty-run", "2", "a run without batches is flushed, too", "expect adp_flush right after adp_open"},
	{"status", "3", "statuses of the table", "return 1 (Failed) for whatever is not in it"},
	{"unknown-status", "3", "a status that is not in the table counts as Failed", "compare with 0, not with the codes you know"},
	{"pointers", "3", "pointers and lengths in memory, and aligned", "see which call; an address and its length must not leave memory"},
	{"larger-buffer", "3", "a value that is longer than the buffer is asked for again with a larger one", "when the result is greater than cap nothing was written: make room and call again"},
	{"alloc-aligned", "4", "addresses that are multiples of 64 from adp_alloc", "round up: (p + 63) & ~63"},
	{"alloc-inside", "4", "all bytes of an allocation in memory", "grow memory before the address is given away"},
	{"alloc-own", "4", "bytes that nothing else uses, until they are freed", "count size, not only its rounding, and keep your own data elsewhere"},
	{"alloc-full", "4", "0 or a trap when there is no memory", "look at the result of memory.grow, and for sums that overflow"},
	{"free", "4", "adp_free takes back what adp_alloc gave", "it gets exactly the address and size of adp_alloc"},
	{"alloc-quiet", "4", "no import of adp_v1 but log from adp_alloc and adp_free", "move it to adp_open or adp_process"},
	{"arena-not-kept", "4", "no pointers into the arena after adp_process", "copy what you keep, also strings"},
	{"arena-unwritten", "4", "an input batch that is not written to", "copy what you change"},
	{"open-block", "5", "the open block read by its pointers, wherever they lead", "follow the pointers; order and gaps of what they lead to are the host's choice"},
	{"emit-port", "5", "rows for ports that are there", "ports count from 0, in the order of the open block"},
	{"operations", "5", "null, upsert or delete in the column _op of an upsert output", "leave it null for rows that are put in the place of others"},
	{"empty-batch", "6", "a batch without rows taken like any other", "its buffers may be 0: do not read the first value before looking at the length"},
	{"validity", "6", "a bitmap that is there read, also where it says that nothing is null", "decide by the bit, not by whether there is a bitmap"},
	{"offset", "6", "the offset of each column honoured", "row i is at index offset + i, of bitmaps, offsets and values alike"},
	{"first-offset", "6", "strings and lists read from where their offsets say", "the first offset need not be 0: read offsets[i] and offsets[i+1]"},
	{"emit-aligned", "6", "structs aligned to 8, tables of pointers to 4, buffers to their values", "align what you allocate for them to 64"},
	{"emit-inside", "6", "arrays whose structs and buffers lie in memory", "look for lengths in bytes where rows are meant, and for memory that was freed"},
	{"emit-array", "6", "arrays of the port's schema, as the C Data Interface has them", "see the column and the reason; n_buffers, n_children, null_count and offsets are looked at"},
	{"members", "7", "members of answers that a guest does not know ignored", "read the JSON by its names"},
	{"deterministic", "8", "the same calls with the same bytes from the same run", "look for addresses, uninitialised memory and the order of hash maps in what is emitted"},
	{"version", "11", "1 from adp_abi", "return 1"},
}

// named is the clause of that name; it panics where there is none.
func named(name string) Clause {
	return Clauses[slices.IndexFunc(Clauses, func(c Clause) bool { return c.Name == name })]
}

// Result is what became of a clause.
type Result string

// The three results.
const (
	OK       Result = "ok"
	Fail     Result = "fail"
	NotShown Result = "not_shown" // this guest, these ports or these rows do not come to it
)

// Finding is what was seen of one clause.
type Finding struct {
	Section string `json:"section"`
	Clause  string `json:"clause"`
	Result  Result `json:"result"`
	Seen    string `json:"seen"`           // what the guest did, or why the clause was not shown
	Asks    string `json:"asks,omitempty"` // of what failed: what the SPEC asks
	Mend    string `json:"mend,omitempty"` // and what to do
}
