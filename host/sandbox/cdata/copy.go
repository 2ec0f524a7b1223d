package cdata

import (
	"encoding/binary"
	"fmt"
	"unicode/utf8"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/bitutil"
	"github.com/apache/arrow-go/v18/arrow/decimal128"
)

// copy copies the buffers of slot i and validates the copies, so that nothing the guest still holds can matter.
func (r *Reader) copy(block []byte, i int) error {
	s := &r.slots[i]
	if err := r.copyValidity(block, i); err != nil {
		return err
	}
	if s.length == 0 {
		return nil
	}
	switch s.n.kind {
	case bits:
		size := (s.length + 7) / 8
		moveBits(block[s.valuesAt:s.valuesAt+int64(size)], r.bitsOf(s, s.values), s.first, s.length)
		pad(block, s.valuesAt, size)
	case fixed:
		size := s.length * s.n.width
		values := block[s.valuesAt : s.valuesAt+int64(size)]
		copy(values, r.mem[s.values:])
		pad(block, s.valuesAt, size)
		return r.checkFixed(block, i, values)
	case varying, list:
		if err := r.copyOffsets(block, s); err != nil {
			return err
		}
		if s.dataLen > 0 {
			data := block[s.dataAt : s.dataAt+int64(s.dataLen)]
			copy(data, r.mem[s.data:])
			pad(block, s.dataAt, s.dataLen)
			if s.n.check == text {
				return r.checkText(block, i, data)
			}
		}
	}
	return nil
}

// copyValidity copies the bitmap and counts the nulls. A bitmap that has none is left out of the result.
func (r *Reader) copyValidity(block []byte, i int) error {
	s := &r.slots[i]
	if s.valid == 0 {
		s.nulls = 0
		return nil
	}
	size := (s.length + 7) / 8
	valid := block[s.validAt : s.validAt+int64(size)]
	moveBits(valid, r.bitsOf(s, s.valid), s.first, s.length)
	pad(block, s.validAt, size)
	nulls := s.length - bitutil.CountSetBits(valid, 0, s.length)
	if s.nulls >= 0 && s.nulls != nulls {
		return s.n.bad("null_count %d, its bitmap has %d nulls", s.nulls, nulls)
	}
	s.nulls = nulls
	if nulls == 0 {
		s.valid = 0
		return nil
	}
	if s.n.required {
		return r.checkRequired(block, i)
	}
	return nil
}

// checkRequired looks for a null that no null above it excuses.
func (r *Reader) checkRequired(block []byte, i int) error {
	s := &r.slots[i]
	switch {
	case i == 0:
		return s.n.bad("%d rows of the batch itself are null", s.nulls)
	case s.n.whole:
		return s.n.bad("%d are null, even where nothing refers to them none may be", s.nulls)
	}
	live := r.alive(block, i)
	for row := range s.length {
		if s.isNull(block, row) && isSet(live, row) {
			return s.n.bad("row %d is null, the port requires a value", row)
		}
	}
	return nil
}

// alive are the rows of slot i that mean something: no struct or list above them is null. It takes one pass over the
// rows above, once.
func (r *Reader) alive(block []byte, i int) []byte {
	s := &r.slots[i]
	above := &r.slots[s.parent]
	if s.parent == 0 || above.n.dict != nil || s.liveKnown {
		return s.live
	}
	s.liveKnown = true
	live := r.alive(block, s.parent)
	if live == nil && above.valid == 0 {
		return nil
	}
	s.live = make([]byte, (s.length+7)/8)
	for row := range above.length {
		if isSet(live, row) && !above.isNull(block, row) {
			lo, hi := above.elements(block, row)
			bitutil.SetBitsTo(s.live, lo, hi-lo, true)
		}
	}
	return s.live
}

// elements is which rows of a child belong to a row.
func (s *slot) elements(block []byte, row int) (lo, hi int64) {
	switch s.n.kind {
	case list:
		offsets := block[s.valuesAt:]
		return offset(offsets, row, s.n.width), offset(offsets, row+1, s.n.width)
	case fixedList:
		return int64(row) * int64(s.n.count), int64(row+1) * int64(s.n.count)
	}
	return int64(row), int64(row) + 1
}

// isSet is a bit of a bitmap, of which nil is all ones.
func isSet(bits []byte, row int) bool { return bits == nil || bitutil.BitIsSet(bits, row) }

func (s *slot) isNull(block []byte, row int) bool {
	return s.valid != 0 && !bitutil.BitIsSet(block[s.validAt:], row)
}

// bitsOf is a bitmap of guest memory, up to the last bit in use.
func (r *Reader) bitsOf(s *slot, at uint32) []byte {
	return r.mem[at : int64(at)+int64(s.first+s.length+7)/8]
}

// pad zeroes what follows a buffer up to the alignment: the block comes uninitialised.
func pad(block []byte, at int64, size int) {
	clear(block[at+int64(size) : at+align(int64(size))])
}

func (r *Reader) copyOffsets(block []byte, s *slot) error {
	size := s.n.width * (s.length + 1)
	to := block[s.valuesAt : s.valuesAt+int64(size)]
	rebase(to, r.mem[s.values:int64(s.values)+int64(size)], s.base, s.n.width)
	pad(block, s.valuesAt, size)
	if ascending(to, s.n.width) {
		return nil
	}
	last := int64(0)
	for row := range s.length {
		next := offset(to, row+1, s.n.width)
		if next < last {
			return s.n.bad("row %d ends at offset %d, before its start at %d", row, next, last)
		}
		last = next
	}
	return s.n.bad("offsets do not ascend")
}

// offset is number i of offsets that are 4 or 8 bytes wide.
func offset(offsets []byte, i, width int) int64 {
	if width == 8 {
		return int64(binary.LittleEndian.Uint64(offsets[8*i:]))
	}
	return int64(int32(binary.LittleEndian.Uint32(offsets[4*i:])))
}

func (r *Reader) checkFixed(block []byte, i int, values []byte) error {
	s := &r.slots[i]
	switch s.n.check {
	case float64s:
		if mayHaveNaN64(values) {
			canonical64(values)
		}
	case float32s:
		if hasNaN32(values) {
			canonical32(values)
		}
	case float16s:
		canonical16(values)
	case timeOfDay:
		return r.each(block, i, func(row int) bool { return uint64(s.n.integer(values, row)) >= uint64(s.n.day) },
			func(row int) string {
				return fmt.Sprintf("%d %s is not a time of day", s.n.integer(values, row), s.n.typ.(arrow.TemporalWithUnit).TimeUnit())
			})
	case wholeDays:
		return r.each(block, i, func(row int) bool { return s.n.integer(values, row)%s.n.day != 0 },
			func(row int) string { return fmt.Sprintf("%d ms are not whole days", s.n.integer(values, row)) })
	case decimals:
		return r.checkDecimals(block, i, values)
	case indices:
		return r.checkIndices(block, i, values)
	}
	return nil
}

// integer is a signed value of 4 or 8 bytes.
func (n *node) integer(values []byte, row int) int64 { return offset(values, row, n.width) }

func (r *Reader) checkDecimals(block []byte, i int, values []byte) error {
	precision := r.slots[i].n.typ.(*arrow.Decimal128Type).Precision
	if fitDecimals(values, precision) {
		return nil
	}
	bound := decimal128.GetScaleMultiplier(int(precision))
	value := func(row int) decimal128.Num {
		return decimal128.New(int64(binary.LittleEndian.Uint64(values[16*row+8:])), binary.LittleEndian.Uint64(values[16*row:]))
	}
	return r.each(block, i, func(row int) bool {
		v := value(row)
		return !v.Abs().Less(bound) && !v.FitsInPrecision(precision)
	}, func(row int) string { return fmt.Sprintf("%s has more than %d digits", value(row).BigInt(), precision) })
}

// checkIndices wants an index of the dictionary in every row that means something, and makes the others 0: whoever
// unfolds the array looks at them too.
func (r *Reader) checkIndices(block []byte, i int, values []byte) error {
	s, most := &r.slots[i], int64(r.slots[i+1].length)
	if s.n.width == 4 && belowInt32(values, most) {
		return nil
	}
	outside := func(row int) bool {
		k := s.n.index(values, row)
		return k < 0 || k >= most
	}
	if err := r.each(block, i, outside, func(row int) string {
		return fmt.Sprintf("index %d of a dictionary of %d", s.n.index(values, row), most)
	}); err != nil || s.valid == 0 && r.alive(block, i) == nil {
		return err
	}
	for row := range s.length {
		if outside(row) {
			clear(values[row*s.n.width:][:s.n.width])
		}
	}
	return nil
}

// each reports the first row with a wrong value; what lies under a null is nobody's value.
func (r *Reader) each(block []byte, i int, wrong func(row int) bool, why func(row int) string) error {
	s := &r.slots[i]
	var live []byte
	for row, known := 0, false; row < s.length; row++ {
		if !wrong(row) || s.isNull(block, row) {
			continue
		}
		if !known {
			live, known = r.alive(block, i), true
		}
		if isSet(live, row) {
			return s.n.bad("row %d: %s", row, why(row))
		}
	}
	return nil
}

// checkText wants UTF-8 in every row: valid as a whole, and no row begins inside a character.
func (r *Reader) checkText(block []byte, i int, data []byte) error {
	s := &r.slots[i]
	if ascii(data) {
		return nil
	}
	offsets := block[s.valuesAt:]
	at := func(row int) int64 { return offset(offsets, row, s.n.width) }
	if utf8.Valid(data) && s.startsRunes(at, data) {
		return nil
	}
	return r.each(block, i, func(row int) bool { return !utf8.Valid(data[at(row):at(row+1)]) },
		func(int) string { return "the text is not UTF-8" })
}

// startsRunes tells whether no row begins inside a character.
func (s *slot) startsRunes(at func(row int) int64, data []byte) bool {
	for row := range s.length {
		if o := at(row); o < int64(len(data)) && !utf8.RuneStart(data[o]) {
			return false
		}
	}
	return true
}
