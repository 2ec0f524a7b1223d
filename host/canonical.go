package host

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode/utf16"
)

// CanonicalJSON is v as JSON in the form of RFC 8785: members sorted by their UTF-16 names, numbers as ECMAScript
// writes them, no white space. Equal values have equal bytes, so hashes and comparisons of them mean something.
//
// Numbers are IEEE doubles in that form. An integer that a double cannot hold would be silently changed, so it is an
// error: such values belong in strings.
func CanonicalJSON(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	dec := json.NewDecoder(&b)
	dec.UseNumber()
	var tree any
	if err := dec.Decode(&tree); err != nil {
		return nil, err
	}
	return appendCanonical(make([]byte, 0, b.Len()), tree)
}

func appendCanonical(dst []byte, v any) ([]byte, error) {
	var err error
	switch v := v.(type) {
	case nil:
		return append(dst, "null"...), nil
	case bool:
		return strconv.AppendBool(dst, v), nil
	case json.Number:
		return appendNumber(dst, v)
	case string:
		return appendString(dst, v), nil
	case []any:
		dst = append(dst, '[')
		for i, e := range v {
			if i > 0 {
				dst = append(dst, ',')
			}
			if dst, err = appendCanonical(dst, e); err != nil {
				return nil, err
			}
		}
		return append(dst, ']'), nil
	case map[string]any:
		dst = append(dst, '{')
		for i, name := range sortedNames(v) {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = append(appendString(dst, name), ':')
			if dst, err = appendCanonical(dst, v[name]); err != nil {
				return nil, fmt.Errorf("%s: %w", name, err)
			}
		}
		return append(dst, '}'), nil
	}
	return nil, fmt.Errorf("%T is no JSON value", v)
}

func sortedNames(m map[string]any) []string {
	names := make([]string, 0, len(m))
	for name := range m {
		names = append(names, name)
	}
	slices.SortFunc(names, func(a, b string) int {
		return slices.Compare(utf16.Encode([]rune(a)), utf16.Encode([]rune(b)))
	})
	return names
}

// appendNumber follows Number.prototype.toString of ECMAScript, which RFC 8785 prescribes.
func appendNumber(dst []byte, n json.Number) ([]byte, error) {
	f, err := n.Float64()
	if err != nil {
		return nil, fmt.Errorf("%s is outside the range of a double", n)
	}
	if f == 0 {
		return append(dst, '0'), nil
	}
	if abs := math.Abs(f); abs >= 1e-6 && abs < 1e21 {
		from := len(dst)
		dst = strconv.AppendFloat(dst, f, 'f', -1, 64)
		if !strings.ContainsAny(string(n), ".eE") && string(dst[from:]) != string(n) {
			return nil, fmt.Errorf("%s is an integer that a double cannot hold; make it a string", n)
		}
		return dst, nil
	}
	s := strconv.AppendFloat(nil, f, 'e', -1, 64) // 1e-07, where ECMAScript writes 1e-7
	mantissa, exponent, _ := bytes.Cut(s, []byte("e"))
	digits := bytes.TrimLeft(exponent[1:], "0")
	return append(append(append(append(dst, mantissa...), 'e'), exponent[0]), digits...), nil
}

func appendString(dst []byte, s string) []byte {
	const hex = "0123456789abcdef"
	dst = append(dst, '"')
	for i := range len(s) { // encoding/json has already replaced invalid UTF-8
		switch c := s[i]; c {
		case '"', '\\':
			dst = append(dst, '\\', c)
		case '\b':
			dst = append(dst, '\\', 'b')
		case '\f':
			dst = append(dst, '\\', 'f')
		case '\n':
			dst = append(dst, '\\', 'n')
		case '\r':
			dst = append(dst, '\\', 'r')
		case '\t':
			dst = append(dst, '\\', 't')
		default:
			if c < 0x20 {
				dst = append(dst, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
			} else {
				dst = append(dst, c)
			}
		}
	}
	return append(dst, '"')
}
