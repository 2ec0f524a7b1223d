// An Extism plug-in that is a product: run greets everybody whose name arrives. The other functions are for tests, which compare what adp and
// Extism's own host make of them; the plug-ins in Rust and AssemblyScript beside this one have the same, but for decide, which AssemblyScript lacks.
package main

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"
	"unsafe"

	"github.com/extism/go-pdk"
)

type person struct {
	Name string  `json:"name"`
	Town *string `json:"town"`
}

type greeting struct {
	Name     string `json:"name"`
	Greeting string `json:"greeting"`
	Letters  int    `json:"letters"`
}

// run takes an object a line and answers with one a line. The word of greeting is the setting greeting, or what lies at the address that
// greeting_from names.
//
//go:wasmexport run
func run() int32 {
	word := "Hello"
	if w, ok := pdk.GetConfig("greeting"); ok {
		word = w
	}
	if url, ok := pdk.GetConfig("greeting_from"); ok {
		page := pdk.NewHTTPRequest(pdk.MethodGet, url).Send()
		if page.Status() != 200 {
			pdk.SetErrorString(fmt.Sprintf("%s answers with status %d", url, page.Status()))
			return 1
		}
		word = string(bytes.TrimSpace(page.Body()))
	}
	var out bytes.Buffer
	rows := json.NewEncoder(&out)
	rows.SetEscapeHTML(false)
	for _, line := range bytes.Split(pdk.Input(), []byte("\n")) {
		if len(line) == 0 {
			continue
		}
		var who person
		if err := json.Unmarshal(line, &who); err != nil {
			pdk.SetError(err)
			return 1
		}
		text := word + " " + who.Name
		if who.Town != nil {
			text += " of " + *who.Town
		}
		if err := rows.Encode(greeting{who.Name, text + "!", utf8.RuneCountInString(who.Name)}); err != nil {
			pdk.SetError(err)
			return 1
		}
	}
	pdk.Output(out.Bytes())
	return 0
}

// noop does nothing.
//
//go:wasmexport noop
func noop() int32 { return 0 }

// echo answers with what it gets.
//
//go:wasmexport echo
func echo() int32 {
	pdk.Output(pdk.Input())
	return 0
}

// count_vowels answers {"count":N}.
//
//go:wasmexport count_vowels
func countVowels() int32 {
	n := 0
	for _, c := range pdk.Input() {
		if bytes.IndexByte([]byte("aeiouAEIOU"), c) >= 0 {
			n++
		}
	}
	pdk.OutputString(`{"count":` + strconv.Itoa(n) + `}`)
	return 0
}

// setting answers with the setting that its input names, "none" where there is none.
//
//go:wasmexport setting
func setting() int32 {
	value, ok := pdk.GetConfig(pdk.InputString())
	if !ok {
		value = "none"
	}
	pdk.OutputString(value)
	return 0
}

// remember answers with its input of the call before, and logs what it has now.
//
//go:wasmexport remember
func remember() int32 {
	pdk.Output(pdk.GetVar("last"))
	in := pdk.Input()
	pdk.SetVar("last", in)
	pdk.Log(pdk.LogInfo, "remembered "+string(in))
	return 0
}

// kernel is the row kernel by which guests are measured, over raw columns: how many rows as a u64, then k int64 and v float64 of each, then
// where their names begin, one more than rows, as int32, then the names. It answers with how many rows it kept and the sum, 8 bytes each.
//
//go:wasmexport kernel
func kernel() int32 {
	in := pdk.Input()
	rows := binary.LittleEndian.Uint64(in)
	at := unsafe.Pointer(unsafe.SliceData(in[8:]))
	k := unsafe.Slice((*int64)(at), rows)
	v := unsafe.Slice((*float64)(unsafe.Add(at, 8*rows)), rows)
	offsets := unsafe.Slice((*int32)(unsafe.Add(at, 16*rows)), rows+1)
	names := in[8+16*rows+4*(rows+1):]
	var sums [16]float64
	kept := uint64(0)
	for i, key := range k {
		if from := offsets[i]; key > 100 && offsets[i+1]-from > 3 && names[from] < 'n' {
			sums[key&15] += v[i]*1.1 + float64(key)
			kept++
		}
	}
	sum := 0.0
	for _, s := range sums {
		sum += s
	}
	out := binary.LittleEndian.AppendUint64(nil, kept)
	pdk.Output(binary.LittleEndian.AppendUint64(out, math.Float64bits(sum)))
	return 0
}

// fail says that it failed.
//
//go:wasmexport fail
func fail() int32 {
	pdk.SetError(errors.New("no: " + pdk.InputString()))
	return 1
}

// fetch takes a method and an address, as in "GET https://example.com/", and answers with what came: the status, the header X-Page and the body, a
// line each.
//
//go:wasmexport fetch
func fetch() int32 {
	name, url, _ := strings.Cut(pdk.InputString(), " ")
	method := pdk.MethodGet
	for method.String() != name && method < pdk.MethodTrace {
		method++
	}
	page := pdk.NewHTTPRequest(method, url).SetHeader("X-Asked", "by a plug-in").Send()
	pdk.OutputString(fmt.Sprintf("%d\n%s\n%s", page.Status(), page.Headers()["x-page"], page.Body()))
	return 0
}

// decide is a policy: rows of the domain private are for products, and for whoever says what for.
//
//go:wasmexport decide
func decide() int32 {
	var r struct {
		Subject  struct{ Kind string }
		Action   string
		Resource struct{ Product struct{ Domain string } }
		Purpose  string
	}
	if err := json.Unmarshal(pdk.Input(), &r); err != nil {
		pdk.SetError(err)
		return 1
	}
	allow, reason := true, "it is not about private rows"
	if r.Action == "read" && r.Resource.Product.Domain == "private" {
		allow, reason = r.Subject.Kind == "product" || r.Purpose != "", "private rows are for products, and for who says what for"
	}
	answer, err := json.Marshal(map[string]any{"allow": allow, "reason": reason})
	if err != nil {
		pdk.SetError(err)
		return 1
	}
	pdk.Output(answer)
	return 0
}

func main() {}
