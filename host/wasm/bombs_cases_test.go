package wasm

import (
	"slices"
	"sort"
	"strconv"
)

// Bomb is a way to make a module that is large in one respect. At Limit it is admitted, one beyond it is refused.
type Bomb struct {
	Name  string
	Limit int
	Make  func(n int) []byte
	// Metered: Limit is the most that is admitted once it is metered. Until then a hundredth of it might be left of the limit.
	Metered bool
}

// bombModule is a module under construction: functions without names, exported not at all.
type bombModule struct {
	types, imports, funcs, tables, memories, globals, exports, elems, bodies, datas [][]byte
}

func (b *bombModule) typ(params, results []ValueType) int {
	e := append(appendU([]byte{0x60}, uint32(len(params))), asBytes(params)...)
	e = append(appendU(e, uint32(len(results))), asBytes(results)...)
	if i := slices.IndexFunc(b.types, func(t []byte) bool { return string(t) == string(e) }); i >= 0 {
		return i
	}
	b.types = append(b.types, e)
	return len(b.types) - 1
}

// fn adds a function of n locals of one type.
func (b *bombModule) fn(typ, n int, local ValueType, c code) {
	b.funcs = append(b.funcs, appendU(nil, uint32(typ)))
	body := []byte{0}
	if n > 0 {
		body = append(appendU([]byte{1}, uint32(n)), byte(local))
	}
	body = append(append(body, c...), opEnd)
	b.bodies = append(b.bodies, append(appendU(nil, uint32(len(body))), body...))
}

func (b *bombModule) bytes() []byte {
	w := &sectionWriter{out: slices.Clone(magic)}
	for _, s := range []struct {
		id      byte
		entries [][]byte
	}{{secType, b.types}, {secImport, b.imports}, {secFunction, b.funcs}, {secTable, b.tables}, {secMemory, b.memories}, {secGlobal, b.globals},
		{secExport, b.exports}, {secElement, b.elems}, {secCode, b.bodies}, {secData, b.datas}} {
		if len(s.entries) > 0 {
			w.section(s.id, append(appendU(nil, uint32(len(s.entries))), slices.Concat(s.entries...)...))
		}
	}
	return w.out
}

// branchTables are br_tables of n targets together, beside the default of each.
func branchTables(n int) (c code) {
	for size := 0; n > 0; n -= size {
		size = min(n, 30_000)
		c = append(c, appendU(code{opBlock, 0x40, opI32Const, 1, opBrTable}, uint32(size))...)
		c = append(c, append(make([]byte, size+1), opEnd)...)
	}
	return c
}

func repeated(n int, c ...byte) code { return slices.Repeat(code(c), n) }

// one makes a bomb of one function () -> () with a memory and a table.
func one(locals int, t ValueType, c code) []byte {
	b := &bombModule{memories: [][]byte{{0, 1}}, tables: [][]byte{{byte(FuncRef), 0, 10}}}
	b.fn(b.typ(nil, nil), locals, t, c)
	return b.bytes()
}

// instructions is a bomb of one function of n instructions, unit after unit; its last instruction is the end.
func instructions(name string, size int, unit ...byte) Bomb {
	if len(unit)*DefaultLimits.Instructions/size > DefaultLimits.BodyBytes {
		return Bomb{Name: name, Limit: DefaultLimits.BodyBytes, Make: func(n int) []byte {
			return one(0, 0, append(repeated((n-2)/len(unit), unit...), repeated((n-2)%len(unit), 0x01)...))
		}}
	}
	return Bomb{Name: name, Limit: DefaultLimits.Instructions, Make: func(n int) []byte {
		c := repeated((n-1)/size, unit...)
		return one(0, 0, append(c, repeated((n-1)%size, 0x01)...))
	}}
}

// around nests n constructs.
func around(n int, begin, inside, end []byte) code {
	return slices.Concat(slices.Repeat(code(begin), n), inside, slices.Repeat(code(end), n))
}

func values(n int, t ValueType) []ValueType { return slices.Repeat([]ValueType{t}, n) }

// Bombs are the generators, at least one for each limit.
func Bombs() []Bomb {
	l := DefaultLimits
	void := func(b *bombModule) int { return b.typ(nil, nil) }
	empty := func(n int) *bombModule {
		b := &bombModule{}
		for range n {
			b.fn(void(b), 0, 0, nil)
		}
		return b
	}
	get := func(x int, more ...byte) []byte {
		c := code{}
		c.index(opLocalGet, uint32(x))
		return append(c, more...)
	}
	bs := []Bomb{
		{Name: "bytes of data", Limit: l.ModuleBytes, Make: func(n int) []byte {
			b := &bombModule{memories: [][]byte{{0, 1}}}
			text := make([]byte, n-100)
			b.datas = [][]byte{append(appendU([]byte{1}, uint32(len(text))), text...)}
			out := b.bytes()
			return append(out, slices.Concat([]byte{0}, appendU(nil, uint32(n-len(out)-2)), []byte{1, 'x'}, make([]byte, n-len(out)-4))...)
		}},
		{Name: "types", Limit: l.Types, Make: func(n int) []byte {
			b := &bombModule{}
			for i := range n {
				var ps []ValueType
				for k := i; k > 0; k /= 4 {
					ps = append(ps, scalars[k%4])
				}
				b.types = append(b.types, append(appendU([]byte{0x60}, uint32(len(ps))), append(slices.Clone(asBytes(ps)), 0)...))
			}
			return b.bytes()
		}},
		{Name: "functions", Limit: l.Functions, Make: func(n int) []byte { return empty(n).bytes() }},
		{Name: "functions that call each other", Limit: l.Functions, Make: func(n int) []byte {
			b := &bombModule{}
			for i := range n {
				var c code
				for k := range 20 {
					c.index(opCall, uint32((i*7+k*13)%n))
				}
				b.fn(void(b), 0, 0, c)
			}
			return b.bytes()
		}},
		{Name: "parameters", Limit: l.Params, Make: func(n int) []byte {
			b := &bombModule{}
			t := b.typ(values(n, I64), nil)
			var c code
			for range 1000 {
				for i := range n {
					c.index(opLocalGet, uint32(i))
				}
				c.index(opCall, 0)
			}
			b.fn(t, 0, 0, c)
			return b.bytes()
		}},
		{Name: "results", Limit: l.Results, Make: func(n int) []byte {
			b := &bombModule{}
			t := b.typ(nil, values(n, V128))
			var c code
			for range 1000 {
				c.index(opCall, 0)
				c = append(c, repeated(n, opDrop)...)
			}
			c.index(opCall, 0)
			b.fn(t, 0, 0, c)
			return b.bytes()
		}},
		{Name: "imports", Limit: l.Imports, Make: func(n int) []byte {
			b := &bombModule{}
			for i := range n {
				b.imports = append(b.imports, appendU(append(appendName(appendName(nil, "m"), strconv.Itoa(i)), 0), uint32(void(b))))
			}
			return b.bytes()
		}},
		{Name: "exports", Limit: l.Exports, Make: func(n int) []byte {
			b := empty(1)
			for i := range n {
				b.exports = append(b.exports, append(appendName(nil, strconv.Itoa(i)), 0, 0))
			}
			return b.bytes()
		}},
		{Name: "globals", Limit: l.Globals, Make: func(n int) []byte {
			b := empty(1)
			for range n {
				b.globals = append(b.globals, []byte{byte(I32), 1, opI32Const, 0, opEnd})
			}
			return b.bytes()
		}},
		{Name: "tables", Limit: l.Tables, Make: func(n int) []byte {
			b := empty(1)
			b.tables = slices.Repeat([][]byte{{byte(FuncRef), 0, 1}}, n)
			return b.bytes()
		}},
		{Name: "table entries", Limit: l.TableEntries, Make: func(n int) []byte {
			b := empty(1)
			b.tables = [][]byte{appendU([]byte{byte(FuncRef), 0}, uint32(n))}
			b.elems = [][]byte{slices.Concat([]byte{0, opI32Const, 0, opEnd}, appendU(nil, uint32(n)), make([]byte, n))}
			return b.bytes()
		}},
		{Name: "segments", Limit: l.Segments, Make: func(n int) []byte {
			b := &bombModule{memories: [][]byte{{0, 1}}, datas: slices.Repeat([][]byte{{0, opI32Const, 0, opEnd, 1, 'x'}}, n)}
			return b.bytes()
		}},
		{Name: "pages of memory", Limit: l.MemoryPages, Make: func(n int) []byte {
			return (&bombModule{memories: [][]byte{appendU([]byte{0}, uint32(n))}}).bytes()
		}},
		{Name: "bytes of a body", Limit: l.BodyBytes, Make: func(n int) []byte {
			n -= 2 // no locals, the end
			return one(0, 0, append(repeated(n/12, opI64Const, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x7f, opDrop), repeated(n%12, 0x01)...))
		}},
		instructions("nops", 1, 0x01),
		instructions("constants", 2, opI32Const, 1, opDrop),
		instructions("additions", 4, opI32Const, 1, opI32Const, 2, opI32Add, opDrop),
		instructions("divisions", 4, opI64Const, 1, opI64Const, 2, 0x7f, opDrop),
		instructions("loads", 3, opI32Const, 1, 0x29, 0, 0, opDrop),
		instructions("stores", 3, opI32Const, 1, opI64Const, 1, 0x37, 0, 0),
		{Name: "calls", Limit: l.Calls, Make: func(n int) []byte { return one(0, 0, repeated(n, opCall, 0)) }},
		{Name: "indirect calls", Limit: l.Calls, Make: func(n int) []byte { return one(0, 0, repeated(n, opI32Const, 1, opCallIndirect, 0, 0)) }},
		instructions("fills", 4, opI32Const, 1, opI32Const, 1, opI32Const, 1, prefixMisc, 0x0b, 0),
		instructions("growths", 3, opI32Const, 1, opMemoryGrow, 0, opDrop),
		instructions("conversions", 3, 0x44, 0, 0, 0, 0, 0, 0, 0, 0, 0xb0, opDrop),
		instructions("vectors", 4, opI32Const, 1, prefixVector, 0x0f, prefixVector, 0x62, opDrop),
		instructions("selects", 5, opI32Const, 1, opI32Const, 1, opI32Const, 1, opSelect, opDrop),
		{Name: "operands", Limit: l.Instructions, Make: func(n int) []byte { // half of them on the stack at once
			k := (n - 1) / 2
			return one(0, 0, append(append(repeated(k, opI32Const, 1), repeated(k-1, opI32Add)...), append(code{opDrop}, repeated((n-1)%2, 0x01)...)...))
		}},
		{Name: "operands across a call", Limit: l.Instructions, Make: func(n int) []byte {
			k := (n - 2) / 3
			return one(0, 0, append(append(append(repeated(k, opI32Const, 1, 0x2d, 0, 0), opCall, 0), repeated(k, opDrop)...), repeated((n-2)%3, 0x01)...))
		}},
		{Name: "locals", Limit: l.Locals, Make: func(n int) []byte {
			c := code{opLoop, 0x40}
			for i := range n {
				c = append(c, get(i)...)
				c.op(opI32Const, 1, opI32Add)
				c.index(opLocalSet, uint32(i))
			}
			c.op(opI32Const, 1, opBrIf, 0, opEnd)
			return one(n, I32, c)
		}},
		{Name: "vector locals", Limit: l.Locals, Make: func(n int) []byte {
			c := code{opLoop, 0x40}
			for i := range n {
				c = append(c, get(i)...)
				c = append(c, get((i+1)%n, prefixVector, 0x6e)...)
				c.index(opLocalSet, uint32(i))
			}
			c.op(opI32Const, 1, opBrIf, 0, opCall, 0, opEnd)
			return one(n, V128, c)
		}},
		{Name: "nested blocks", Limit: l.Nesting, Make: func(n int) []byte { return one(0, 0, around(n, []byte{opBlock, 0x40}, nil, []byte{opEnd})) }},
		{Name: "nested ifs", Limit: l.Nesting, Make: func(n int) []byte {
			return one(0, 0, around(n, []byte{opI32Const, 1, opIf, 0x40}, nil, []byte{opElse, opCall, 0, opEnd}))
		}},
		{Name: "targets of a table", Limit: l.BranchTargets, Make: func(n int) []byte {
			c := append(appendU(code{opI32Const, 1, opBrTable}, uint32(n)), make([]byte, n+1)...)
			return one(0, 0, append(code{opBlock, 0x40}, append(c, opEnd)...))
		}},
		{Name: "targets of many tables", Limit: l.Targets, Make: func(n int) []byte { return one(0, 0, branchTables(n)) }},
		{Name: "targets of tables of a module", Limit: l.ModuleTargets, Make: func(n int) []byte {
			b := &bombModule{}
			for ; n > 0; n -= l.Targets {
				b.fn(b.typ(nil, nil), 0, 0, branchTables(min(n, l.Targets)))
			}
			return b.bytes()
		}},
	}
	for name, unit := range map[string][]byte{
		"loops":                   {opLoop, 0x40, opEnd},
		"ifs":                     {opI32Const, 1, opIf, 0x40, opEnd},
		"branches":                {opI32Const, 1, opBrIf, 0},
		"calls in ifs":            {opI32Const, 1, opIf, 0x40, opCall, 0, opElse, opCall, 0, opEnd},
		"loops tested at the top": {opLoop, 0x40, opI32Const, 1, opIf, 0x40, opBr, 1, opEnd, opEnd},
	} {
		row := func(n int) []byte { return one(1, I32, slices.Repeat(code(unit), n)) }
		bs = append(bs, Bomb{Name: name, Limit: mostMetered(row, 1<<17), Make: row, Metered: true})
	}
	nested := func(n int) []byte {
		return one(0, 0, around(n, []byte{opLoop, 0x40}, []byte{opI32Const, 1, opBrIf, 0}, []byte{opEnd}))
	}
	bs = append(bs, Bomb{Name: "nested loops", Limit: mostMetered(nested, l.Nesting), Make: nested, Metered: true})
	blocks := func(name string, locals int, t ValueType, unit func(local uint32) []byte) {
		bs = append(bs, Bomb{Name: name, Limit: l.BlockLocals, Make: func(n int) []byte { return unitsUpTo(n, locals, t, unit) }})
	}
	add := func(x uint32) code {
		c := code{}
		c.index(opLocalGet, x)
		c.op(opI32Const, 1, opI32Add)
		c.index(opLocalSet, x)
		return c
	}
	blocks("blocks × locals", 100, I32, func(x uint32) []byte {
		return slices.Concat(code{opBlock, 0x40, opLocalGet, 0, opBrIf, 0}, add(x), code{opEnd})
	})
	blocks("loops × locals", 500, I32, func(x uint32) []byte {
		return slices.Concat(code{opLoop, 0x40}, add(x), code{opLocalGet, 0, opBrIf, 0, opEnd})
	})
	blocks("arms × locals", 1000, I32, func(x uint32) []byte {
		return slices.Concat(code{opLocalGet, 0, opIf, 0x40}, add(x), code{opElse}, add(x/2), code{opEnd})
	})
	ofModule := func(n, each int) []byte {
		b := &bombModule{}
		for ; n > 0; n -= each {
			m, _ := Parse(unitsUpTo(min(n, each), 100, I32, func(x uint32) []byte {
				return slices.Concat(code{opLoop, 0x40}, add(x), code{opLocalGet, 0, opBrIf, 0, opEnd})
			}))
			f := &m.bodies[0]
			b.fn(void(b), 100, I32, m.raw[f.code:f.end-1])
		}
		return b.bytes()
	}
	script := slices.Concat([]byte{0, byte(2 + len(scriptSection))}, appendName(nil, scriptSection), []byte{1})
	return append(bs, Bomb{Name: "blocks × locals of a module", Limit: l.ModuleBlockLocals, Make: func(n int) []byte { return ofModule(n, 400_000) }},
		Bomb{Name: "blocks × locals with a script", Limit: scriptedTimes * l.ModuleBlockLocals, Make: func(n int) []byte { return append(ofModule(n, 100_000), script...) }},
		Bomb{Name: "functions with a script", Limit: scriptedTimes * l.Functions, Make: func(n int) []byte { return append(empty(n).bytes(), script...) }})
}

// mostMetered is the largest n, up to most, that is admitted and metered.
func mostMetered(make func(n int) []byte, most int) int {
	return sort.Search(most, func(n int) bool {
		m, err := ParseWithin(make(n+1), DefaultLimits)
		if err == nil {
			err = m.Admit(DefaultLimits, Policy{})
		}
		if err == nil {
			_, err = Meter(m, Options{})
		}
		return err != nil
	})
}

// unitsUpTo makes a function whose blocks × locals is n, as nearly as whole units and single blocks allow.
func unitsUpTo(n, locals int, t ValueType, unit func(local uint32) []byte) []byte {
	measure := func(c code) int {
		m, err := Parse(one(locals, t, c))
		if err != nil {
			panic(err)
		}
		return m.bodies[0].blocks
	}
	base := measure(nil)
	per := measure(unit(0)) - base
	want := (n+locals-1)/locals - base
	var c code
	for i := range max(0, want/per) {
		c = append(c, unit(uint32(i%locals))...)
	}
	return one(locals, t, append(c, repeated(max(0, want%per), opI32Const, 1, opBrIf, 0)...))
}
