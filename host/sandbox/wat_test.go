package sandbox

import (
	"encoding/binary"
	"fmt"
	"strconv"
	"strings"
	"testing"
)

// The guests of the tests are WebAssembly text, put together here: enough of the format for small modules (folded or flat
// instructions, names, no inline imports), its opcodes read from the table of host/wasm. Labels are names or depths.

// assemble makes a binary of a module's fields.
func assemble(t testing.TB, text string) []byte {
	t.Helper()
	a := &assembler{names: map[string]map[string]int{}}
	defer func() {
		if r := recover(); r != nil {
			t.Fatalf("assembling: %v", r)
		}
	}()
	tokens := lex(text)
	for len(tokens) > 0 {
		var f any
		f, tokens = read(tokens)
		a.fields = append(a.fields, f.([]any))
	}
	return a.module()
}

type assembler struct {
	fields []([]any)
	names  map[string]map[string]int // space → name → index
	types  []string                  // encoded
	out    [13][]byte                // section contents, vectors without their counts
	counts [13]int
	labels []string
	locals map[string]int
}

// lex cuts text into parentheses, quoted strings (with their quote) and words.
func lex(s string) (out []string) {
	for len(s) > 0 {
		switch {
		case strings.HasPrefix(s, ";;"):
			_, s, _ = strings.Cut(s, "\n")
		case s[0] == '(' || s[0] == ')':
			out, s = append(out, s[:1]), s[1:]
		case s[0] == '"':
			end := 1
			for s[end] != '"' {
				if s[end] == '\\' {
					end++
				}
				end++
			}
			out, s = append(out, s[:end]), s[end+1:]
		case strings.ContainsRune(" \t\n", rune(s[0])):
			s = s[1:]
		default:
			end := strings.IndexAny(s, " \t\n()\"")
			if end < 0 {
				end = len(s)
			}
			out, s = append(out, s[:end]), s[end:]
		}
	}
	return out
}

// read reads one word or list.
func read(t []string) (any, []string) {
	if t[0] != "(" {
		return t[0], t[1:]
	}
	list := []any{}
	for t = t[1:]; t[0] != ")"; {
		var x any
		x, t = read(t)
		list = append(list, x)
	}
	return list, t[1:]
}

func isList(x any, head string) ([]any, bool) {
	l, ok := x.([]any)
	if !ok || len(l) == 0 || l[0] != head {
		return nil, false
	}
	return l[1:], true
}

func text(x any) string { // of a quoted string, with \00 escapes
	s := x.(string)[1:]
	var b []byte
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' {
			v, err := strconv.ParseUint(s[i+1:i+3], 16, 8)
			if err != nil {
				panic(err)
			}
			b = append(b, byte(v))
			i += 2
			continue
		}
		b = append(b, s[i])
	}
	return string(b)
}

func uleb(b []byte, v uint64) []byte { return binary.AppendUvarint(b, v) }

func sleb(b []byte, v int64) []byte {
	for {
		c := byte(v & 0x7f)
		v >>= 7
		if v == 0 && c&0x40 == 0 || v == -1 && c&0x40 != 0 {
			return append(b, c)
		}
		b = append(b, c|0x80)
	}
}

func str(b []byte, s string) []byte { return append(uleb(b, uint64(len(s))), s...) }

func number(x any) int64 {
	s := strings.ReplaceAll(x.(string), "_", "")
	v, err := strconv.ParseInt(s, 0, 64)
	if err != nil {
		u, err := strconv.ParseUint(s, 0, 64)
		if err != nil {
			panic("not a number: " + s)
		}
		return int64(u)
	}
	return v
}

var valueCodes = map[string]byte{"i32": 0x7f, "i64": 0x7e, "f32": 0x7d, "f64": 0x7c, "v128": 0x7b, "funcref": 0x70, "externref": 0x6f}

func (a *assembler) define(space string, x any) {
	if a.names[space] == nil {
		a.names[space] = map[string]int{}
	}
	n := len(a.names[space])
	name := fmt.Sprintf("#%d", n)
	if s, ok := x.(string); ok && strings.HasPrefix(s, "$") {
		name = s
	}
	a.names[space][name] = n
}

func (a *assembler) index(space string, x any) uint64 {
	if s := x.(string); strings.HasPrefix(s, "$") {
		i, ok := a.names[space][s]
		if !ok {
			panic("no " + space + " " + s)
		}
		return uint64(i)
	}
	return uint64(number(x))
}

// signature reads (param …) and (result …) and gives the type's index, the names of parameters and what follows.
func (a *assembler) signature(l []any) (index uint64, params []string, rest []any) {
	var p, r []byte
	for len(l) > 0 {
		if t, ok := isList(l[0], "type"); ok {
			return a.index("type", t[0]), nil, l[1:]
		}
		if ps, ok := isList(l[0], "param"); ok {
			for _, x := range ps {
				if s := x.(string); s[0] == '$' {
					params = append(params, s)
				} else {
					p = append(p, valueCodes[s])
				}
			}
			for len(params) < len(p) {
				params = append(params, "")
			}
		} else if rs, ok := isList(l[0], "result"); ok {
			for _, x := range rs {
				r = append(r, valueCodes[x.(string)])
			}
		} else {
			break
		}
		l = l[1:]
	}
	enc := string(append(append(append(uleb([]byte{0x60}, uint64(len(p))), p...), uleb(nil, uint64(len(r)))...), r...))
	for i, t := range a.types {
		if t == enc {
			return uint64(i), params, l
		}
	}
	a.types = append(a.types, enc)
	return uint64(len(a.types) - 1), params, l
}

func (a *assembler) add(section int, b []byte) {
	a.out[section] = append(a.out[section], b...)
	a.counts[section]++
}

func (a *assembler) export(name any, kind byte, index uint64) {
	a.add(7, uleb(append(str(nil, text(name)), kind), index))
}

// module encodes all fields: indices first, then contents.
func (a *assembler) module() []byte {
	for pass := range 2 {
		for _, f := range a.fields {
			if f[0] == "import" {
				d := f[3].([]any)
				if pass == 0 {
					a.define(d[0].(string), d[1])
					continue
				}
				name := d[1:]
				if s, ok := name[0].(string); ok && s[0] == '$' {
					name = name[1:]
				}
				b := str(str(nil, text(f[1])), text(f[2]))
				switch d[0] {
				case "func":
					t, _, _ := a.signature(name)
					a.add(2, uleb(append(b, 0), t))
				case "memory":
					a.add(2, append(append(b, 2), bounds(name)...))
				case "global":
					a.add(2, append(append(b, 3), globalType(name[0])...))
				}
			} else if pass == 0 {
				a.first(f)
			} else {
				a.second(f)
			}
		}
	}
	out := []byte{0, 'a', 's', 'm', 1, 0, 0, 0}
	for _, t := range a.types {
		a.add(1, []byte(t))
	}
	for _, id := range []int{1, 2, 3, 4, 5, 6, 7, 8, 9, 12, 10, 11} {
		if id == 12 { // the count of data, for the instructions that name them
			a.counts[id] = a.counts[11]
		}
		if a.counts[id] == 0 {
			continue
		}
		content := a.out[id]
		if id != 8 {
			content = append(uleb(nil, uint64(a.counts[id])), content...)
		}
		out = append(uleb(append(out, byte(id)), uint64(len(content))), content...)
	}
	return append(out, a.nameSection()...)
}

func (a *assembler) nameSection() []byte {
	byIndex := make([]string, len(a.names["func"]))
	for s, n := range a.names["func"] {
		byIndex[n] = strings.TrimLeft(s, "$#")
	}
	funcs := uleb(nil, uint64(len(byIndex)))
	for i, s := range byIndex {
		funcs = str(uleb(funcs, uint64(i)), s)
	}
	content := append(uleb(append(str(nil, "name"), 1), uint64(len(funcs))), funcs...)
	return append(uleb([]byte{0}, uint64(len(content))), content...)
}

func bounds(l []any) []byte {
	if len(l) > 1 {
		if _, err := strconv.Atoi(l[1].(string)); err == nil {
			return uleb(uleb([]byte{1}, uint64(number(l[0]))), uint64(number(l[1])))
		}
	}
	return uleb([]byte{0}, uint64(number(l[0])))
}

func globalType(x any) []byte {
	if m, ok := isList(x, "mut"); ok {
		return []byte{valueCodes[m[0].(string)], 1}
	}
	return []byte{valueCodes[x.(string)], 0}
}

func (a *assembler) first(f []any) {
	var name any
	if len(f) > 1 {
		name = f[1]
	}
	switch f[0] {
	case "func", "memory", "global", "table":
		a.define(f[0].(string), name)
	case "type":
		a.define("type", name)
		t, _ := isList(f[len(f)-1], "func")
		a.signature(t)
	}
}

func (a *assembler) second(f []any) {
	kind := f[0].(string)
	l := f[1:]
	n := a.counts[map[string]int{"func": 3, "memory": 5, "global": 6, "table": 4}[kind]]
	if s, ok := first(l).(string); ok && strings.HasPrefix(s, "$") {
		n = a.names[kind][s]
		l = l[1:]
	} else {
		n += a.imported(kind)
	}
	for len(l) > 0 {
		e, ok := isList(l[0], "export")
		if !ok {
			break
		}
		a.export(e[0], map[string]byte{"func": 0, "table": 1, "memory": 2, "global": 3}[kind], uint64(n))
		l = l[1:]
	}
	switch kind {
	case "func":
		a.function(l)
	case "memory":
		a.add(5, bounds(l))
	case "table":
		a.add(4, append([]byte{valueCodes[l[len(l)-1].(string)]}, bounds(l)...))
	case "global":
		a.add(6, append(a.code(globalType(l[0]), l[1:]), 0x0b))
	case "export":
		d := l[1].([]any)
		a.export(l[0], map[string]byte{"func": 0, "table": 1, "memory": 2, "global": 3}[d[0].(string)], a.index(d[0].(string), d[1]))
	case "start":
		a.out[8], a.counts[8] = uleb(nil, a.index("func", f[1])), 1
	case "elem":
		b := []byte{1, 0}
		if l[0] != "func" { // not a passive one
			b = append(a.code([]byte{0}, l[:1]), 0x0b)
		}
		b = uleb(b, uint64(len(l)-1))
		for _, x := range l[1:] {
			b = uleb(b, a.index("func", x))
		}
		a.add(9, b)
	case "data":
		b := []byte{1}
		if len(l) == 2 { // not a passive one
			b = append(a.code([]byte{0}, l[:1]), 0x0b)
		}
		a.add(11, str(b, text(l[len(l)-1])))
	}
}

func first(l []any) any {
	if len(l) == 0 {
		return nil
	}
	return l[0]
}

func (a *assembler) imported(kind string) (n int) {
	for _, f := range a.fields {
		if f[0] == "import" && f[3].([]any)[0] == kind {
			n++
		}
	}
	return n
}

func (a *assembler) function(l []any) {
	t, params, l := a.signature(l)
	a.add(3, uleb(nil, t))
	a.locals, a.labels = map[string]int{}, []string{""}
	n := 0
	for _, p := range params {
		a.locals[p] = n
		n++
	}
	var locals []byte
	count := 0
	for len(l) > 0 {
		ls, ok := isList(l[0], "local")
		if !ok {
			break
		}
		for _, x := range ls {
			if s := x.(string); s[0] == '$' {
				a.locals[s] = n
			} else {
				locals = append(locals, 1, valueCodes[s])
				count++
				n++
			}
		}
		l = l[1:]
	}
	body := append(a.code(append(uleb(nil, uint64(count)), locals...), l), 0x0b)
	a.add(10, append(uleb(nil, uint64(len(body))), body...))
}
