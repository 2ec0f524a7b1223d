package wasm

// Flags of an element segment.
const (
	elemPassive     = 1 << iota // or declarative, with elemExplicit
	elemExplicit                // names a table, or is declarative
	elemExpressions             // entries are constant expressions, not function indices
)

// funcRefs is told of each function index that a constant expression or element segment holds, at the bytes [start, end).
type funcRefs func(start, end int, index uint32)

// elementEntry reads one element segment.
func (p *sectionParser) elementEntry(int) { p.elems = append(p.elems, p.element(nil)) }

// element reads one element segment and returns its type. The rewriter reads segments by the same code to shift
// function indices.
func (p *sectionParser) element(refs funcRefs) ValueType {
	at := p.pos
	flag := p.u32()
	if flag > 7 {
		p.failAt(at, "element segment of kind %d", flag)
		return 0
	}
	active, table := flag&elemPassive == 0, uint32(0)
	if active {
		if flag&elemExplicit != 0 {
			table = p.tableIndex()
		} else if len(p.tables) == 0 {
			p.failAt(at, "no table 0")
		}
		p.constExpr(I32, refs)
	}
	elem := FuncRef
	if flag&(elemPassive|elemExplicit) != 0 {
		if flag&elemExpressions != 0 {
			elem = p.refType()
		} else if kind := p.u8(); kind != 0 {
			p.failAt(p.pos-1, "element kind %d", kind)
		}
	}
	if p.err == nil && active && p.tables[table].elem != elem {
		p.failAt(at, "elements of type %s in a table of %s", elem, p.tables[table].elem)
	}
	n := p.vec(1)
	for i := 0; i < n && p.err == nil; i++ {
		if flag&elemExpressions != 0 {
			p.constExpr(elem, refs)
			continue
		}
		start := p.pos
		p.refer(start, p.funcIndex(), refs)
	}
	return elem
}

// refer notes a function that is named outside of bodies.
func (p *sectionParser) refer(start int, f uint32, refs funcRefs) {
	if p.err != nil {
		return
	}
	if refs != nil {
		refs(start, p.pos, f)
		return
	}
	p.declareFunc(f)
}

// constExpr reads a constant expression of one type: one constant, or an imported immutable global, and an end.
func (p *sectionParser) constExpr(want ValueType, refs funcRefs) {
	at := p.pos
	var got ValueType
	switch op := p.u8(); op {
	case 0x41:
		p.signed(32)
		got = I32
	case 0x42:
		p.signed(64)
		got = I64
	case 0x43:
		p.bytes(4)
		got = F32
	case 0x44:
		p.bytes(8)
		got = F64
	case 0x23:
		got = p.constGlobal()
	case 0xd0:
		got = p.refType()
	case 0xd2:
		start := p.pos
		p.refer(start, p.funcIndex(), refs)
		got = FuncRef
	case prefixVector:
		if p.u32() != 12 {
			p.failAt(at, "not a constant expression")
		}
		p.bytes(16)
		got = V128
	default:
		p.failAt(at, "not a constant expression")
	}
	if p.err == nil && got != want {
		p.failAt(at, "constant of type %s, want %s", got, want)
	}
	if p.u8() != 0x0b {
		p.failAt(p.pos-1, "constant expression goes on")
	}
}

// constGlobal reads the index of a global that may initialise others.
func (p *sectionParser) constGlobal() ValueType {
	at := p.pos
	g := p.u32()
	if int64(g) >= int64(p.importedGlobals) {
		p.failAt(at, "no imported global %d", g)
		return 0
	}
	if p.globals[g].mutable {
		p.failAt(at, "global %d is mutable", g)
	}
	return p.globals[g].value
}
