package wasm

import "encoding/binary"

// address pops an address and checks size bytes there.
func (x *refFrame) address(i *refInstr, size int) []byte {
	at := uint64(x.pop32()) + i.c.Lo
	x.must(at+uint64(size) <= uint64(len(x.Memory)), TrapMemory)
	return x.Memory[at:][:size]
}

// access executes a load or store.
func (x *refFrame) access(i *refInstr) {
	le := binary.LittleEndian
	load := func(size int) (v uint64) {
		var b [8]byte
		copy(b[:], x.address(i, size))
		return le.Uint64(b[:])
	}
	store := func(size int) {
		v := x.pop()
		var b [8]byte
		le.PutUint64(b[:], v)
		copy(x.address(i, size), b[:])
	}
	switch i.op.name {
	case "i32.load", "f32.load", "i64.load32_u":
		x.push(load(4))
	case "i64.load", "f64.load":
		x.push(load(8))
	case "i32.load8_s":
		x.push32(uint32(int8(load(1))))
	case "i32.load8_u", "i64.load8_u":
		x.push(load(1))
	case "i32.load16_s":
		x.push32(uint32(int16(load(2))))
	case "i32.load16_u", "i64.load16_u":
		x.push(load(2))
	case "i64.load8_s":
		x.push(uint64(int8(load(1))))
	case "i64.load16_s":
		x.push(uint64(int16(load(2))))
	case "i64.load32_s":
		x.push(uint64(int32(load(4))))
	case "i32.store", "f32.store", "i64.store32":
		store(4)
	case "i64.store", "f64.store":
		store(8)
	case "i32.store8", "i64.store8":
		store(1)
	case "i32.store16", "i64.store16":
		store(2)
	case "v128.load":
		b := x.address(i, 16)
		x.pushWord(Word{le.Uint64(b), le.Uint64(b[8:])})
	case "v128.store":
		w := x.popWord()
		b := x.address(i, 16)
		le.PutUint64(b, w.Lo)
		le.PutUint64(b[8:], w.Hi)
	case "v128.load32_zero":
		x.push(load(4))
	case "v128.load64_splat":
		v := load(8)
		x.pushWord(Word{v, v})
	default:
		panic("reference: " + i.op.name)
	}
}

// bulk executes operations on memory and tables as a whole.
func (x *refFrame) bulk(i *refInstr) {
	switch i.op.name {
	case "memory.size":
		x.push(uint64(len(x.Memory) >> 16))
	case "memory.grow":
		n := x.pop32()
		old := uint64(len(x.Memory) >> 16)
		if old+uint64(n) > uint64(x.max[0]) {
			x.push32(1<<32 - 1)
			return
		}
		x.Memory = append(x.Memory, make([]byte, int(n)<<16)...)
		x.push(old)
	case "memory.fill":
		n, v, to := uint64(x.pop32()), byte(x.pop32()), uint64(x.pop32())
		x.must(to+n <= uint64(len(x.Memory)), TrapMemory)
		for k := range x.Memory[to : to+n] {
			x.Memory[to+uint64(k)] = v
		}
	case "memory.copy":
		n, from, to := uint64(x.pop32()), uint64(x.pop32()), uint64(x.pop32())
		x.must(max(from, to)+n <= uint64(len(x.Memory)), TrapMemory)
		copy(x.Memory[to:to+n], x.Memory[from:from+n])
	case "memory.init":
		n, from, to := uint64(x.pop32()), uint64(x.pop32()), uint64(x.pop32())
		x.must(from+n <= uint64(len(x.datas[i.x])) && to+n <= uint64(len(x.Memory)), TrapMemory)
		copy(x.Memory[to:], x.datas[i.x][from:from+n])
	case "data.drop":
		x.datas[i.x] = nil
	case "elem.drop":
		x.elems[i.x] = nil
	default:
		x.tables(i)
	}
}

func (x *refFrame) tables(i *refInstr) {
	size := uint64(len(x.table))
	switch i.op.name {
	case "table.get":
		n := uint64(x.pop32())
		x.must(n < size, TrapTable)
		x.push(x.table[n])
	case "table.set":
		v, n := x.pop(), uint64(x.pop32())
		x.must(n < size, TrapTable)
		x.table[n] = v
	case "table.size":
		x.push(size)
	case "table.grow":
		n, v := uint64(x.pop32()), x.pop()
		if size+n > uint64(x.max[1]) {
			x.push32(1<<32 - 1)
			return
		}
		for range n {
			x.table = append(x.table, v)
		}
		x.push(size)
	case "table.fill":
		n, v, to := uint64(x.pop32()), x.pop(), uint64(x.pop32())
		x.must(to+n <= size, TrapTable)
		for k := range n {
			x.table[to+k] = v
		}
	case "table.copy":
		n, from, to := uint64(x.pop32()), uint64(x.pop32()), uint64(x.pop32())
		x.must(max(from, to)+n <= size, TrapTable)
		copy(x.table[to:to+n], x.table[from:from+n])
	case "table.init":
		n, from, to := uint64(x.pop32()), uint64(x.pop32()), uint64(x.pop32())
		x.must(from+n <= uint64(len(x.elems[i.x])) && to+n <= size, TrapTable)
		copy(x.table[to:], x.elems[i.x][from:from+n])
	default:
		panic("reference: " + i.op.name)
	}
}
