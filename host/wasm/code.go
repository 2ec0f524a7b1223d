package wasm

// code is a body under construction.
type code []byte

func (c *code) op(b ...byte)             { *c = append(*c, b...) }
func (c *code) index(op byte, x uint32)  { *c = appendU(append(*c, op), x) }
func (c *code) i64(v int64)              { *c = appendS(append(*c, opI64Const), v) }
func (c *code) i32(v int32)              { *c = appendS(append(*c, opI32Const), int64(v)) }
func (c *code) begin(op byte, typ int64) { *c = appendS(append(*c, op), typ) }

// emptyBlock is the block type without operands and results, as a signed number.
const emptyBlock = -64
