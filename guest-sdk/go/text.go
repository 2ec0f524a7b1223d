package adp

import (
	"errors"
	"reflect"
	"strconv"
	"unicode/utf8"
)

// text writes values as people read them, separated by spaces. Package fmt would double the size of a small module.
func text(parts ...any) string {
	var b []byte
	for i, v := range parts {
		if i > 0 {
			b = append(b, ' ')
		}
		b = appendText(b, v)
	}
	return string(b)
}

func appendText(b []byte, v any) []byte {
	switch v := v.(type) {
	case nil:
		return append(b, "nil"...)
	case string:
		return append(b, v...)
	case error:
		return append(b, v.Error()...)
	case interface{ String() string }:
		return append(b, v.String()...)
	case []byte:
		return append(b, v...)
	}
	r := reflect.ValueOf(v)
	switch r.Kind() {
	case reflect.Bool:
		return strconv.AppendBool(b, r.Bool())
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return strconv.AppendInt(b, r.Int(), 10)
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr:
		return strconv.AppendUint(b, r.Uint(), 10)
	case reflect.Float32:
		return strconv.AppendFloat(b, r.Float(), 'g', -1, 32)
	case reflect.Float64:
		return strconv.AppendFloat(b, r.Float(), 'g', -1, 64)
	case reflect.String:
		return append(b, r.String()...)
	case reflect.Pointer, reflect.Interface:
		if r.IsNil() {
			return append(b, "nil"...)
		}
		return appendText(b, r.Elem().Interface())
	case reflect.Slice, reflect.Array:
		b = append(b, '[')
		for i := range r.Len() {
			if i > 0 {
				b = append(b, ' ')
			}
			b = appendText(b, r.Index(i).Interface())
		}
		return append(b, ']')
	case reflect.Struct:
		b = append(b, '{')
		for i := range r.NumField() {
			if !r.Type().Field(i).IsExported() {
				continue
			}
			if b[len(b)-1] != '{' {
				b = append(b, ' ')
			}
			b = append(append(b, r.Type().Field(i).Name...), ':')
			b = appendText(b, r.Field(i).Interface())
		}
		return append(b, '}')
	}
	return append(b, r.Type().String()...)
}

// quote is s as a JSON string.
func quote(s string) string {
	b := []byte{'"'}
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b = append(b, '\\', byte(r))
		case r < ' ':
			const hex = "0123456789abcdef"
			b = append(b, '\\', 'u', '0', '0', hex[r>>4], hex[r&15])
		default:
			b = utf8.AppendRune(b, r)
		}
	}
	return string(append(b, '"'))
}

// jsonValue is a member of a flat object: what a decision consists of.
type jsonValue struct {
	text   string // of a string
	isTrue bool
}

var errJSON = errors.New("not a JSON object")

// readObject calls member for each member of a JSON object. Values that are objects or arrays are skipped over.
func readObject(b []byte, member func(key string, v jsonValue)) error {
	r := jsonReader{b: b}
	if !r.take('{') {
		return errJSON
	}
	for first := true; !r.take('}'); first = false {
		if !first && !r.take(',') {
			return errJSON
		}
		key, ok := r.text()
		if !ok || !r.take(':') {
			return errJSON
		}
		v, ok := r.value(0)
		if !ok {
			return errJSON
		}
		member(key, v)
	}
	r.space()
	if r.at != len(r.b) {
		return errJSON
	}
	return nil
}

type jsonReader struct {
	b  []byte
	at int
}

func (r *jsonReader) space() {
	for r.at < len(r.b) && (r.b[r.at] == ' ' || r.b[r.at] == '\n' || r.b[r.at] == '\t' || r.b[r.at] == '\r') {
		r.at++
	}
}

func (r *jsonReader) take(c byte) bool {
	r.space()
	if r.at < len(r.b) && r.b[r.at] == c {
		r.at++
		return true
	}
	return false
}

func (r *jsonReader) text() (string, bool) {
	r.space()
	from := r.at
	if !r.take('"') {
		return "", false
	}
	for ; r.at < len(r.b); r.at++ {
		switch r.b[r.at] {
		case '\\':
			r.at++
		case '"':
			r.at++
			return unquote(r.b[from+1 : r.at-1])
		}
	}
	return "", false
}

func unquote(b []byte) (string, bool) {
	const from, to = `"\/bfnrt`, "\"\\/\b\f\n\r\t"
	var out []byte
	for i := 0; i < len(b); i++ {
		if b[i] != '\\' {
			out = append(out, b[i])
			continue
		}
		i++
		if b[i] == 'u' {
			r, ok := hex4(b[i+1:])
			if !ok {
				return "", false
			}
			i += 4
			if r >= 0xd800 && r < 0xdc00 && i+2 < len(b) && b[i+1] == '\\' && b[i+2] == 'u' {
				if low, ok := hex4(b[i+3:]); ok && low >= 0xdc00 && low < 0xe000 {
					r = (r-0xd800)<<10 | (low - 0xdc00) + 0x10000
					i += 6
				}
			}
			out = utf8.AppendRune(out, r)
			continue
		}
		at := -1
		for j := range len(from) {
			if from[j] == b[i] {
				at = j
			}
		}
		if at < 0 {
			return "", false
		}
		out = append(out, to[at])
	}
	return string(out), true
}

func hex4(b []byte) (rune, bool) {
	if len(b) < 4 {
		return 0, false
	}
	n, err := strconv.ParseUint(string(b[:4]), 16, 32)
	return rune(n), err == nil
}

// value reads any value; nesting beyond 64 is refused.
func (r *jsonReader) value(depth int) (jsonValue, bool) {
	r.space()
	if r.at >= len(r.b) || depth > 64 {
		return jsonValue{}, false
	}
	switch r.b[r.at] {
	case '"':
		s, ok := r.text()
		return jsonValue{text: s}, ok
	case '{', '[':
		open := r.b[r.at]
		end := open + 2
		r.at++
		for first := true; !r.take(end); first = false {
			if !first && !r.take(',') {
				return jsonValue{}, false
			}
			if open == '{' {
				if _, ok := r.text(); !ok || !r.take(':') {
					return jsonValue{}, false
				}
			}
			if _, ok := r.value(depth + 1); !ok {
				return jsonValue{}, false
			}
		}
		return jsonValue{}, true
	}
	from := r.at
	for r.at < len(r.b) && (r.b[r.at] >= '0' && r.b[r.at] <= '9' || r.b[r.at] >= 'a' && r.b[r.at] <= 'z' || r.b[r.at] == '-' || r.b[r.at] == '+' || r.b[r.at] == '.' || r.b[r.at] == 'E') {
		r.at++
	}
	return jsonValue{isTrue: string(r.b[from:r.at]) == "true"}, r.at > from
}
