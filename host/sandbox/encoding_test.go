package sandbox

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/adp-host/adp/drivers/file"
	"github.com/adp-host/adp/host"
)

// FuzzLinesOf: what is read as an array of objects is one, and each of its lines an element of it.
func FuzzLinesOf(f *testing.F) {
	for _, text := range []string{`[]`, `[{"a":1},{"b":[1,2,{"c":"}],\""}]}]`, "[\n{\"a\":\t1}\n,\r\n{}]", `[{},]`, `[,{}]`, `[{}}{]`, `[`, `["\`, `[{"a":"\\"}]`} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		lines, err := linesOf(text)
		var all []json.RawMessage
		if json.Unmarshal(text, &all) != nil {
			return // the reader of rows finds out
		}
		if err != nil {
			t.Fatalf("%q is an array: %v", text, err)
		}
		n := 0
		for line := range bytes.Lines(lines) {
			if line = bytes.TrimSpace(line); len(line) == 0 {
				continue
			}
			if n >= len(all) || !json.Valid(line) {
				t.Fatalf("%q: line %q", text, line)
			}
			n++
		}
		if n != len(all) {
			t.Fatalf("%q has %d elements, and %d lines", text, len(all), n)
		}
	})
}

// FuzzPluginAnswer: no answer of a plug-in, in no encoding, harms the host; what is taken has the schema of the output and is counted.
func FuzzPluginAnswer(f *testing.F) {
	e, err := New(Config{Interpreter: true, Rows: file.ReadRows})
	if err != nil {
		f.Fatal(err)
	}
	module := assemble(f, pluginText("", echoPlugin))
	s := pluginSpec(module, numbers, "run", host.Columns)
	i := start(f, e, s, &fake{})
	good, err := i.encode(host.Columns, 0, counting(3))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(bytes.Clone(good), uint8(2))
	if good, err = i.encode(host.NDJSON, 0, counting(3)); err != nil {
		f.Fatal(err)
	}
	f.Add(bytes.Clone(good), uint8(0))
	if good, err = i.encode(host.JSON, 0, counting(3)); err != nil {
		f.Fatal(err)
	}
	f.Add(bytes.Clone(good), uint8(1))
	f.Fuzz(func(t *testing.T, answer []byte, encoding uint8) {
		i.failure, i.usage.BytesOut = nil, 0
		rec, err := i.decode([]string{host.NDJSON, host.JSON, host.Columns}[encoding%3], answer)
		switch {
		case err != nil && host.CodeOf(err) == "":
			t.Fatalf("an error without a code: %v", err)
		case rec != nil:
			defer rec.Release()
			if !rec.Schema().Equal(numbers) || rec.NumRows() > 0 && i.usage.BytesOut == 0 {
				t.Fatalf("%s, %d bytes", rec.Schema(), i.usage.BytesOut)
			}
		}
	})
}
