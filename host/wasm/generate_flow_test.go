package wasm

// The statements of Generate: what leaves nothing on the stack, and where control goes.

func (g *generator) open(op byte, params, results []ValueType, counter int) {
	l := genLabel{carry: results, counter: counter}
	if op == opLoop {
		l.carry = params
	}
	switch {
	case len(params)+len(results) == 0:
		g.code.begin(op, emptyBlock)
	case len(params) == 0 && len(results) == 1:
		g.code.begin(op, int64(results[0])-0x80)
	default:
		g.code.begin(op, int64(g.typ(FuncType{params, results})))
	}
	g.labels = append(g.labels, l)
}

func (g *generator) close() {
	g.code.op(opEnd)
	g.labels = g.labels[:len(g.labels)-1]
}

func (g *generator) statements() {
	for n := g.r.IntN(6); n >= 0 && g.left > 0; n-- {
		g.statement()
	}
}

func (g *generator) statement() {
	g.left--
	if len(g.labels) > 12 || g.left < 0 {
		return
	}
	switch g.r.IntN(16) {
	case 0, 1:
		g.assign()
	case 2:
		g.store()
	case 3, 4:
		g.loop()
	case 5:
		g.open(opBlock, nil, nil, -1)
		g.statements()
		g.close()
	case 6, 7:
		g.expr(I32, 3)
		g.open(opIf, nil, nil, -1)
		g.statements()
		if g.r.IntN(2) == 0 {
			g.code.op(opElse)
			g.statements()
		}
		g.close()
	case 8, 9:
		g.branchIf()
	case 10:
		if g.r.IntN(3) == 0 {
			g.jump()
		}
	case 11:
		g.branchTable()
	case 12:
		f := g.r.IntN(len(g.funcs))
		g.call(f, 3)
		for range g.funcs[f].Results {
			g.code.op(opDrop)
		}
	case 13:
		g.bulk()
	case 14:
		t := scalars[g.r.IntN(len(scalars))]
		g.expr(t, 3)
		g.code.op(opDrop)
	case 15:
		g.carrying()
	}
}

func (g *generator) assign() {
	t := []ValueType{I32, I64, F32, F64, V128}[g.r.IntN(5)]
	if x, ok := g.anyGlobal(t); ok && g.r.IntN(3) == 0 {
		g.expr(t, 4)
		g.code.index(opGlobalSet, x)
	} else if l, ok := g.anyLocal(t); ok {
		g.expr(t, 4)
		g.code.index(opLocalSet, l)
	}
}

func (g *generator) store() {
	_, stores := pure()
	op := stores[g.r.IntN(len(stores))]
	for op.code>>8 == prefixVector && op.name != "v128.store" {
		op = stores[g.r.IntN(len(stores))]
	}
	g.expr(I32, 2)
	g.address()
	g.expr(op.params[1], 3)
	g.write(op)
}

// carrying is a block with operands and two results.
func (g *generator) carrying() {
	g.expr(I64, 2)
	g.open(opBlock, []ValueType{I64}, []ValueType{I64, I32}, -1)
	g.expr(I32, 2)
	if g.r.IntN(2) == 0 {
		g.expr(I32, 2)
		g.code.index(opBrIf, 0)
	}
	g.close()
	g.code.op(opDrop, opDrop)
}

// loop is one of the shapes that compilers make. All count down a local of their own.
func (g *generator) loop() {
	c := g.local(I32)
	g.fixed[int(c)] = true
	g.code.i32(int32(1 + g.r.IntN(5)))
	g.code.index(opLocalSet, c)
	down := func() {
		g.code.index(opLocalGet, c)
		g.code.i32(1)
		g.code.op(opI32Sub)
		g.code.index(opLocalTee, c)
	}
	switch g.r.IntN(6) {
	case 0: // tested at the bottom
		g.open(opLoop, nil, nil, int(c))
		g.statements()
		down()
		g.code.i32(0)
		g.code.op(0x4a) // i32.gt_s
		g.code.index(opBrIf, 0)
		g.close()
	case 1: // tested at the top, as AssemblyScript does
		g.open(opLoop, nil, nil, -1)
		down()
		g.code.i32(0)
		g.code.op(0x4e) // i32.ge_s
		g.open(opIf, nil, nil, -1)
		if g.r.IntN(2) == 0 {
			g.straight()
		} else {
			g.statements()
		}
		g.surplus()
		g.code.index(opBr, 1)
		g.close()
		g.close()
	case 2: // left by the way, as Go does
		g.open(opBlock, nil, nil, -1)
		g.open(opLoop, nil, nil, -1)
		down()
		g.code.i32(0)
		g.code.op(0x48) // i32.lt_s
		g.code.index(opBrIf, 1)
		g.statements()
		g.code.index(opBr, 0)
		g.close()
		g.close()
	case 3: // with an operand
		g.expr(I64, 2)
		g.open(opLoop, []ValueType{I64}, []ValueType{I64}, int(c))
		g.expr(I64, 2)
		g.code.op(opI64Add)
		down()
		g.code.i32(0)
		g.code.op(0x4a)
		g.code.index(opBrIf, 0)
		g.close()
		g.code.op(opDrop)
	case 4: // back through a table
		g.open(opBlock, nil, nil, -1)
		g.open(opLoop, nil, nil, int(c))
		g.statements()
		down()
		g.code.i32(0)
		g.code.op(0x4c) // i32.le_s
		g.code.op(opBrTable, 1, 0, 1)
		g.close()
		g.close()
	case 5: // two conditions, nothing else
		g.open(opLoop, nil, nil, int(c))
		down()
		g.code.i32(0)
		g.code.op(0x4a)
		g.open(opIf, nil, nil, -1)
		g.expr(I32, 2)
		g.code.index(opBrIf, 1)
		g.close()
		g.statements()
		g.close()
	}
}

// target picks a label that a branch may go to at any time.
func (g *generator) target() (depth int, l genLabel) {
	depth = g.r.IntN(len(g.labels) + 1)
	if depth == len(g.labels) {
		return depth, genLabel{carry: g.results, counter: -1}
	}
	return depth, g.labels[len(g.labels)-1-depth]
}

func (g *generator) carried(ts []ValueType) {
	for _, t := range ts {
		g.expr(t, 2)
	}
}

func (g *generator) branchIf() {
	depth, l := g.target()
	g.carried(l.carry)
	g.expr(I32, 3)
	if l.counter >= 0 {
		g.countDown(l)
	}
	g.code.index(opBrIf, uint32(depth))
	for range l.carry {
		g.code.op(opDrop)
	}
}

// countDown makes the condition on the stack false when a loop has had its turns.
func (g *generator) countDown(l genLabel) {
	g.code.index(opLocalGet, uint32(l.counter))
	g.code.i32(1)
	g.code.op(opI32Sub)
	g.code.index(opLocalTee, uint32(l.counter))
	g.code.i32(0)
	g.code.op(0x4a) // i32.gt_s
	g.code.op(0x71) // i32.and
}

// straight is code without control.
func (g *generator) straight() {
	for range g.r.IntN(4) {
		t := scalars[g.r.IntN(len(scalars))]
		g.operation(t, 1)
		if l, ok := g.anyLocal(t); ok {
			g.code.index(opLocalSet, l)
		} else {
			g.code.op(opDrop)
		}
	}
}

// surplus leaves operands in front of a branch, which discards them.
func (g *generator) surplus() {
	for range max(0, g.r.IntN(6)-3) {
		g.leaf(scalars[g.r.IntN(len(scalars))])
	}
}

// jump leaves for good; what follows is never reached.
func (g *generator) jump() {
	switch g.r.IntN(8) {
	case 0:
		g.code.op(opUnreachable)
	case 1, 2:
		g.surplus()
		g.carried(g.results)
		g.code.op(opReturn)
	default:
		depth, l := g.target()
		if l.counter >= 0 {
			return
		}
		g.surplus()
		g.carried(l.carry)
		g.code.index(opBr, uint32(depth))
	}
}

// branchTable goes to labels that carry nothing, in a block of its own so that code behind it is reached.
func (g *generator) branchTable() {
	depths := []byte{0}
	for d := 1; d <= len(g.labels); d++ {
		if l := g.labels[len(g.labels)-d]; len(l.carry) == 0 && l.counter < 0 && g.r.IntN(2) == 0 {
			depths = append(depths, byte(d))
		}
	}
	g.open(opBlock, nil, nil, -1)
	g.expr(I32, 2)
	g.few(7)
	g.code.op(opBrTable)
	g.code = appendU(g.code, uint32(len(depths)-1))
	g.r.Shuffle(len(depths), func(i, j int) { depths[i], depths[j] = depths[j], depths[i] })
	g.code.op(depths...)
	g.close()
}
