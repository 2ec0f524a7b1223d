package wasm

import "slices"

// Glue is a module without code of its own: it exports, under their names, functions that it imports from others. Those who import
// them from it call the others directly. The zero value is a module without any.
type Glue struct {
	types   []FuncType
	imports []byte
	exports []byte
	count   uint32
}

// Pass adds the function name of module. No two have the same name.
func (g *Glue) Pass(module, name string, t FuncType) {
	n := slices.IndexFunc(g.types, t.Equal)
	if n < 0 {
		n = len(g.types)
		g.types = append(g.types, t)
	}
	g.imports = appendName(appendName(g.imports, module), name)
	g.imports = appendU(append(g.imports, byte(KindFunc)), uint32(n))
	g.exports = appendU(append(appendName(g.exports, name), byte(KindFunc)), g.count)
	g.count++
}

// Module is the binary.
func (g *Glue) Module() []byte {
	out := &sectionWriter{out: append([]byte(nil), magic...)}
	out.section(secType, typeSection(g.types))
	out.section(secImport, append(appendU(nil, g.count), g.imports...))
	out.section(secExport, append(appendU(nil, g.count), g.exports...))
	return out.out
}
