package cdata

import (
	"encoding/binary"
	"fmt"
	"sort"
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
	if i == 0 {
		return s.n.bad("%d rows of the batch itself are null", s.nulls)
	}
	for row := range s.length {
		if s.isNull(block, row) && !r.underNull(block, i, row) {
			return s.n.bad("row %d is null, the port requires a value", row)
		}
	}
	return nil
}

// underNull tells whether a struct or list above row of slot i is null: then the row means nothing.
func (r *Reader) underNull(block []byte, i, row int) bool {
	for i > 0 {
		i = r.slots[i].parent
		s := &r.slots[i]
		if s.n.kind == list {
			offsets := block[s.valuesAt:]
			row = sort.Search(s.length, func(k int) bool { return int(offset(offsets, k+1)) > row })
		}
		if s.isNull(block, row) {
			return true
		}
	}
	return false
}

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
	size := 4 * (s.length + 1)
	to := block[s.valuesAt : s.valuesAt+int64(size)]
	if from := r.mem[s.values : int64(s.values)+int64(size)]; s.base == 0 {
		copy(to, from)
	} else {
		rebase(to, from, s.base)
	}
	pad(block, s.valuesAt, size)
	if ascending(to) {
		return nil
	}
	last := int32(0)
	for row := range s.length {
		next := offset(to, row+1)
		if next < last {
			return s.n.bad("row %d ends at offset %d, before its start at %d", row, next, last)
		}
		last = next
	}
	return s.n.bad("offsets do not ascend")
}

func offset(offsets []byte, i int) int32 {
	return int32(binary.LittleEndian.Uint32(offsets[4*i:]))
}

func (r *Reader) checkFixed(block []byte, i int, values []byte) error {
	s := &r.slots[i]
	switch s.n.check {
	case float64s:
		if hasNaN64(values) {
			canonical64(values)
		}
	case float32s:
		if hasNaN32(values) {
			canonical32(values)
		}
	case timeOfDay:
		return r.each(block, i, func(row int) string {
			if v := int64(binary.LittleEndian.Uint64(values[8*row:])); v < 0 || v >= day {
				return fmt.Sprintf("%d µs is not a time of day", v)
			}
			return ""
		})
	case decimals:
		precision := s.n.typ.(*arrow.Decimal128Type).Precision
		bound := decimal128.GetScaleMultiplier(int(precision))
		return r.each(block, i, func(row int) string {
			lo, hi := binary.LittleEndian.Uint64(values[16*row:]), int64(binary.LittleEndian.Uint64(values[16*row+8:]))
			if v := decimal128.New(hi, lo); hi>>63 != hi || !v.Abs().Less(bound) {
				if v.FitsInPrecision(precision) {
					return ""
				}
				return fmt.Sprintf("%s has more than %d digits", v.BigInt(), precision)
			}
			return ""
		})
	}
	return nil
}

const day = 24 * 60 * 60 * 1_000_000 // µs

// each reports the first row with a value that does not satisfy; what lies under a null is nobody's value.
func (r *Reader) each(block []byte, i int, wrong func(row int) string) error {
	s := &r.slots[i]
	for row := range s.length {
		if why := wrong(row); why != "" && !s.isNull(block, row) && !r.underNull(block, i, row) {
			return s.n.bad("row %d: %s", row, why)
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
	offsets := block[s.valuesAt : s.valuesAt+4*int64(s.length+1)]
	if utf8.Valid(data) && startsRunes(offsets, data) {
		return nil
	}
	return r.each(block, i, func(row int) string {
		if !utf8.Valid(data[offset(offsets, row):offset(offsets, row+1)]) {
			return "the text is not UTF-8"
		}
		return ""
	})
}

func startsRunes(offsets, data []byte) bool {
	for i := 0; i+4 <= len(offsets); i += 4 {
		if o := int(binary.LittleEndian.Uint32(offsets[i:])); o < len(data) && !utf8.RuneStart(data[o]) {
			return false
		}
	}
	return true
}
