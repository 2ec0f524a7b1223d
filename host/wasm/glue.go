package wasm

import "slices"

// Glue is a module without memory, tables and globals. It exports functions that it imports from others, under their names: those who import
// them from it call the others directly. And it exports functions of its own, each a few calls of those. The zero value is a module without any.
type Glue struct {
	types   []FuncType
	imports []byte
	exports []byte
	count   uint32
	own     []glueFunc
}

type glueFunc struct {
	name   string
	typ    uint32
	locals uint32
	steps  Steps
}

// Pass adds the function name of module, and gives its index. No two have the same name.
func (g *Glue) Pass(module, name string, t FuncType) uint32 {
	g.imports = appendName(appendName(g.imports, module), name)
	g.imports = appendU(append(g.imports, byte(KindFunc)), g.typ(t))
	g.exports = appendU(append(appendName(g.exports, name), byte(KindFunc)), g.count)
	g.count++
	return g.count - 1
}

// Add adds a function of the glue's own, with locals of type i64 behind its parameters.
func (g *Glue) Add(name string, t FuncType, locals uint32, steps Steps) {
	g.own = append(g.own, glueFunc{name: name, typ: g.typ(t), locals: locals, steps: steps})
}

func (g *Glue) typ(t FuncType) uint32 {
	n := slices.IndexFunc(g.types, t.Equal)
	if n < 0 {
		n = len(g.types)
		g.types = append(g.types, t)
	}
	return uint32(n)
}

// Steps are what a function of glue does, one after the other. What the last ones leave are its results.
type Steps struct{ code code }

// Call calls the function of an index that Pass gave.
func (s Steps) Call(index uint32) Steps { s.code.index(opCall, index); return s }

// Get takes a parameter or a local.
func (s Steps) Get(local uint32) Steps { s.code.index(opLocalGet, local); return s }

// Keep writes what was left last into a local, and leaves it.
func (s Steps) Keep(local uint32) Steps { s.code.index(opLocalTee, local); return s }

// Module is the binary.
func (g *Glue) Module() []byte {
	functions, exports, bodies := appendU(nil, uint32(len(g.own))), g.exports, appendU(nil, uint32(len(g.own)))
	for i, f := range g.own {
		functions = appendU(functions, f.typ)
		exports = appendU(append(appendName(exports, f.name), byte(KindFunc)), g.count+uint32(i))
		body := []byte{0}
		if f.locals > 0 {
			body = append(appendU([]byte{1}, f.locals), byte(I64))
		}
		body = append(append(body, f.steps.code...), opEnd)
		bodies = append(appendU(bodies, uint32(len(body))), body...)
	}
	out := &sectionWriter{out: append([]byte(nil), magic...)}
	out.section(secType, typeSection(g.types))
	out.section(secImport, append(appendU(nil, g.count), g.imports...))
	out.section(secFunction, functions)
	out.section(secExport, append(appendU(nil, g.count+uint32(len(g.own))), exports...))
	out.section(secCode, bodies)
	return out.out
}
