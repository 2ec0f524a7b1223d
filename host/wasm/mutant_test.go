package wasm_test

import (
	"os"
	"testing"

	"github.com/adp-host/adp/host/wasm"
)

// everything is a module with every kind of index.
const everything = `
import env.host (i32) -> (i32)
memory 1 2
table funcref 3 5
global i32 mut 7
global i64 9
elem 1 $host $f
data hello
func f (i32 i64) -> (i32)
  local i32 f64 v128
  block
    loop
      local.get 2
      i32.const 3
      i32.add
      local.tee 2
      br_if 0
      local.get 0
      br_table 0 1 1 0
    end
  end
  local.get 0
  call $host
  global.set 0
  i32.const 0
  i32.const 1
  call_indirect (i32) -> (i32)
  local.get 0
  if (i32) -> (i32)
    i32.const 1
    i32.sub
  else
    drop
    global.get 0
  end
  ref.func $f
  i32.const 1
  table.grow 0
  drop
  i32.const 0
  i32.load 4
  drop
  i32.const 0
  i32.const 0
  i32.const 5
  memory.init 0
  data.drop 0
func g () -> (i64)
  v128.const
  i8x16.extract_lane_u 3
  drop
  f64.const
  i64.trunc_sat_f64_s
  global.get 1
  i64.add
`

// mutants calls try with b changed by one in each byte, and by a few other values.
func mutants(b []byte, try func(at int, mutant []byte)) {
	for at := 8; at < len(b); at++ {
		old := b[at]
		for _, v := range []byte{old + 1, old - 1, old ^ 0x80, 0, 0x7f, 0xff} {
			if v != old {
				b[at] = v
				try(at, b)
			}
		}
		b[at] = old
	}
}

// TestMutants changes every byte of modules that hold every kind of index. Whatever Parse takes, wazero must take, and
// what Meter makes of it must be valid; no index may reach what metering adds.
func TestMutants(t *testing.T) {
	modules := map[string][]byte{"everything": wasm.Assemble(everything)}
	as, err := os.ReadFile("testdata/guests/kernel_as.wasm")
	if err != nil {
		t.Fatal(err)
	}
	modules["as"] = as
	r := interpreter(t)
	for name, b := range modules {
		if _, err := wasm.Parse(b); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		tried, valid := 0, 0
		mutants(append([]byte(nil), b...), func(at int, b []byte) {
			tried++
			m, err := wasm.Parse(b)
			if err != nil {
				return
			}
			valid++
			checkMetered(t, r, m, b)
		})
		if t.Failed() {
			t.Fatalf("in a mutant of %s", name)
		}
		t.Logf("%s: %d mutants, %d of them valid", name, tried, valid)
	}
}
