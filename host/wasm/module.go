package wasm

import "strconv"

// Module is a parsed, valid module. It shares the bytes it was parsed from, which must not change. It is immutable and
// safe for concurrent use.
type Module struct {
	// Imports and Exports in the order of the binary.
	Imports []Import
	Exports []Export

	raw      []byte
	sections [13]section // by id; custom sections are not kept
	scripted bool        // it says that a script was laid into it
	names    names

	types    []FuncType
	funcs    []uint32 // type of each function, imports first
	tables   []tableType
	memories []Bounds
	globals  []globalType // imports first
	start    int64        // function index, -1 without a start section
	elems    []ValueType  // type of each element segment
	datas    int
	bodies   []body

	importedFuncs, importedTables, importedMemories, importedGlobals int

	mostBody  int    // bytes of a body, while parsing
	mostFuncs int    // while parsing; 0: any number
	outlined  bool   // bodies were not looked into
	declared  []bool // functions that ref.func in a body may name
	hasDatas  bool   // a data count section
}

// Import is something that the module takes from its host.
type Import struct {
	Module, Name string
	Kind         Kind
	Type         FuncType // of functions
}

// Export is something that the module gives to its host.
type Export struct {
	Name  string
	Kind  Kind
	Index uint32
	Type  FuncType // of functions
}

// section is where a section's content lies in the module.
type section struct {
	start, end int
	present    bool
}

const (
	secType = iota + 1
	secImport
	secFunction
	secTable
	secMemory
	secGlobal
	secExport
	secStart
	secElement
	secCode
	secData
	secDataCount
)

// sectionOrder is the place of each section in a binary: the data count comes before the code.
var sectionOrder = [...]int{secType: 1, secImport: 2, secFunction: 3, secTable: 4, secMemory: 5, secGlobal: 6, secExport: 7,
	secStart: 8, secElement: 9, secDataCount: 10, secCode: 11, secData: 12}

// body is one defined function, with the measures that admission asks for.
type body struct {
	start, end int // of locals and code in the module
	code       int // where the code begins, behind the declarations of locals
	typ        uint32
	locals     int // parameters included
	vectors    int // locals, parameters included, of type v128

	instructions int
	blocks       int // about the basic blocks that an engine makes of it
	walk         int // steps up from each of them to the first: see walks.go

	choices []choice // in the order of the code
	nesting int
	targets int // of the largest br_table
	ways    int // targets of all br_tables
	calls   int
}

// FuncName is the name that the module gives a function, in its name section or else by its import or first export, or
// "$12".
func (m *Module) FuncName(index uint32) string { return m.funcNames()[index] }

// HasStart reports whether the module has a start section.
func (m *Module) HasStart() bool { return m.start >= 0 }

// Memory is the module's memory in pages of 64 KiB, own or imported, and whether it has one.
func (m *Module) Memory() (Bounds, bool) {
	if len(m.memories) == 0 {
		return Bounds{}, false
	}
	return m.memories[0], true
}

func (m *Module) funcType(index uint32) *FuncType { return &m.types[m.funcs[index]] }

// localTypes appends the types of a body's parameters and locals to ts.
func (m *Module) localTypes(ts []ValueType, b *body) []ValueType {
	ts = append(ts, m.types[b.typ].Params...)
	r := &reader{b: m.raw, pos: b.start, end: b.code}
	for n := r.vec(2); n > 0; n-- {
		count := r.u32()
		for t := r.valueType(); count > 0; count-- {
			ts = append(ts, t)
		}
	}
	return ts
}

// funcNames are the names of all functions, as FuncName gives them.
func (m *Module) funcNames() []string {
	all := make([]string, len(m.funcs))
	i := 0
	for _, im := range m.Imports {
		if im.Kind == KindFunc {
			all[i] = im.Module + "." + im.Name
			i++
		}
	}
	for _, x := range m.Exports {
		if x.Kind == KindFunc && all[x.Index] == "" {
			all[x.Index] = x.Name
		}
	}
	for i := range all {
		if n := m.names.funcs[uint32(i)]; n != "" {
			all[i] = n
		} else if all[i] == "" {
			all[i] = "$" + strconv.Itoa(i)
		}
		all[i] = printable(all[i])
	}
	return all
}
