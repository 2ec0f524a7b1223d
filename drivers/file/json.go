package file

import (
	"bytes"
	"fmt"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/apache/arrow-go/v18/arrow"
)

// A scanner over JSON values in a byte slice that copies nothing: NDJSON rows become columns without a tree or a map
// between them. It accepts what encoding/json accepts (a fuzz test compares), but no two members of one name.

// maxDepth bounds the nesting of a value.
const maxDepth = 200

func skipSpace(b []byte, i int) int {
	for i < len(b) && (b[i] == ' ' || b[i] == '\t' || b[i] == '\n' || b[i] == '\r') {
		i++
	}
	return i
}

// scanValue returns the end of the value that begins at i, or -1.
func scanValue(b []byte, i, depth int) int {
	if i >= len(b) || depth > maxDepth {
		return -1
	}
	switch c := b[i]; {
	case c == '"':
		return scanString(b, i)
	case c == '{':
		return scanObject(b, i, depth, nil)
	case c == '[':
		return scanArray(b, i, depth, nil)
	case c == '-' || c >= '0' && c <= '9':
		return scanNumber(b, i)
	}
	for _, word := range [...]string{"null", "true", "false"} {
		if len(b)-i >= len(word) && string(b[i:i+len(word)]) == word {
			return i + len(word)
		}
	}
	return -1
}

// scanString returns the end of a string after its closing quote, or -1.
func scanString(b []byte, i int) int {
	for i++; i < len(b); i++ {
		switch c := b[i]; {
		case c == '"':
			return i + 1
		case c < ' ':
			return -1
		case c == '\\':
			if i++; i == len(b) {
				return -1
			}
			switch b[i] {
			case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
			case 'u':
				if _, ok := hex4(b, i+1); !ok {
					return -1
				}
				i += 4
			default:
				return -1
			}
		}
	}
	return -1
}

// hex4 reads four hexadecimal digits.
func hex4(b []byte, i int) (rune, bool) {
	if len(b)-i < 4 {
		return 0, false
	}
	r := rune(0)
	for _, c := range b[i : i+4] {
		switch {
		case c >= '0' && c <= '9':
			c -= '0'
		case c >= 'a' && c <= 'f':
			c -= 'a' - 10
		case c >= 'A' && c <= 'F':
			c -= 'A' - 10
		default:
			return 0, false
		}
		r = r<<4 | rune(c)
	}
	return r, true
}

// scanNumber returns the end of a number, or -1.
func scanNumber(b []byte, i int) int {
	run := func() bool {
		from := i
		for i < len(b) && b[i] >= '0' && b[i] <= '9' {
			i++
		}
		return i > from
	}
	if b[i] == '-' {
		i++
	}
	if i < len(b) && b[i] == '0' {
		i++
	} else if !run() {
		return -1
	}
	if i < len(b) && b[i] == '.' {
		if i++; !run() {
			return -1
		}
	}
	if i < len(b) && (b[i] == 'e' || b[i] == 'E') {
		if i++; i < len(b) && (b[i] == '+' || b[i] == '-') {
			i++
		}
		if !run() {
			return -1
		}
	}
	return i
}

// scanObject returns the end of an object, or -1. visit, when there is one, sees each member (the key with its quotes)
// and returns false to stop: the result is then -1.
func scanObject(b []byte, i, depth int, visit func(key, value []byte) bool) int {
	i = skipSpace(b, i+1)
	if i < len(b) && b[i] == '}' {
		return i + 1
	}
	for i < len(b) && b[i] == '"' {
		keyEnd := scanString(b, i)
		if keyEnd < 0 {
			return -1
		}
		key := b[i:keyEnd]
		i = skipSpace(b, keyEnd)
		if i == len(b) || b[i] != ':' {
			return -1
		}
		i = skipSpace(b, i+1)
		end := scanValue(b, i, depth+1)
		if end < 0 || visit != nil && !visit(key, b[i:end]) {
			return -1
		}
		i = skipSpace(b, end)
		if i == len(b) {
			return -1
		}
		if b[i] == '}' {
			return i + 1
		}
		if b[i] != ',' {
			return -1
		}
		i = skipSpace(b, i+1)
	}
	return -1
}

// scanArray is scanObject for arrays.
func scanArray(b []byte, i, depth int, visit func(value []byte) bool) int {
	i = skipSpace(b, i+1)
	if i < len(b) && b[i] == ']' {
		return i + 1
	}
	for i < len(b) {
		end := scanValue(b, i, depth+1)
		if end < 0 || visit != nil && !visit(b[i:end]) {
			return -1
		}
		i = skipSpace(b, end)
		if i == len(b) {
			return -1
		}
		if b[i] == ']' {
			return i + 1
		}
		if b[i] != ',' {
			return -1
		}
		i = skipSpace(b, i+1)
	}
	return -1
}

// validJSON reports whether b is one JSON value and nothing else, in UTF-8.
func validJSON(b []byte) bool {
	return len(b) > 0 && scanValue(b, 0, 0) == len(b) && utf8.Valid(b)
}

// eachElement visits the elements of an array of valid syntax until yield returns false.
func eachElement(v []byte, yield func(e []byte) bool) { scanArray(v, 0, 0, yield) }

// unquote appends the text of a string of valid syntax to dst. Half surrogates become U+FFFD, as in encoding/json.
func unquote(dst, v []byte) []byte {
	v = v[1 : len(v)-1]
	for {
		i := bytes.IndexByte(v, '\\')
		if i < 0 {
			return append(dst, v...)
		}
		dst = append(dst, v[:i]...)
		c := v[i+1]
		v = v[i+2:]
		switch c {
		case 'b':
			c = '\b'
		case 'f':
			c = '\f'
		case 'n':
			c = '\n'
		case 'r':
			c = '\r'
		case 't':
			c = '\t'
		case 'u':
			r, _ := hex4(v, 0)
			v = v[4:]
			if utf16.IsSurrogate(r) {
				if len(v) >= 6 && v[0] == '\\' && v[1] == 'u' {
					low, _ := hex4(v, 2)
					if pair := utf16.DecodeRune(r, low); pair != utf8.RuneError {
						dst = utf8.AppendRune(dst, pair)
						v = v[6:]
						continue
					}
				}
				r = utf8.RuneError
			}
			dst = utf8.AppendRune(dst, r)
			continue
		}
		dst = append(dst, c)
	}
}

// fault is why a row was not taken; the zero fault means that it was.
type fault struct {
	column string // "" when the row as a whole is broken
	text   string
}

// appendJSON appends a value to a column of the field, and says why it could not.
func appendJSON(c column, f arrow.Field, v []byte) string {
	if v[0] != 'n' {
		return c.json(v)
	}
	if !f.Nullable {
		return "is null, but it is required"
	}
	c.null()
	return ""
}

// appendObject appends the members of an object of valid syntax to columns, one value to each or none to any. index
// gives a member's column by its name, -1 when there is none, which strict refuses. seen is scratch of len(columns).
func appendObject(v []byte, fields []arrow.Field, columns []column, seen []bool, index func(key []byte) int, strict bool) fault {
	var bad fault
	clear(seen)
	var scratch []byte
	scanObject(v, 0, 0, func(quotedKey, value []byte) bool {
		key := quotedKey[1 : len(quotedKey)-1]
		if bytes.IndexByte(key, '\\') >= 0 {
			scratch = unquote(scratch[:0], quotedKey)
			key = scratch
		}
		i := index(key)
		switch {
		case i < 0 && strict:
			bad = fault{text: fmt.Sprintf("has a member %s that is no column", quotedKey)}
		case i < 0:
			return true
		case seen[i]:
			bad = fault{fields[i].Name, "stands twice in the row"}
		default:
			if reason := appendJSON(columns[i], fields[i], value); reason != "" {
				bad = fault{fields[i].Name, reason}
			}
		}
		if bad.text == "" {
			seen[i] = true
		}
		return bad.text == ""
	})
	done := len(columns)
	for i := range columns {
		if seen[i] || bad.text != "" {
			continue
		}
		if !fields[i].Nullable {
			bad, done = fault{fields[i].Name, "is missing, but it is required"}, i
			break
		}
		columns[i].null()
	}
	if bad.text == "" {
		return bad
	}
	complete := done < len(columns) // else columns that were not seen got nothing
	for i := range columns {
		if seen[i] || complete && i < done {
			columns[i].drop()
		}
	}
	return bad
}

// jsonNumberIsInt reports whether a number of valid syntax has neither fraction nor exponent and fits an int64.
func jsonNumberIsInt(v []byte) bool {
	_, err := strconv.ParseInt(string(v), 10, 64)
	return err == nil
}
