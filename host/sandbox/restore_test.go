package sandbox

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/adp-host/adp/host"
)

// planter looks at everything of itself that can change, emits what it sees, and then plants something everywhere. Its
// batch has at least 16 rows, whose numbers it overwrites. What comes behind the marks is for the variants below.
var planter = guest{
	imports: importEmit + importPoll + `
		(import "adp_v1" "clock" (func $clock (result i64)))
		(import "adp_v1" "random" (func $random (param i32 i32) (result i32)))
		(import "adp_v1" "metric" (func $metric (param i32 i32 i32 f64) (result i32)))
		(import "adp_v1" "decide" (func $decide (param i32 i32 i32 i32) (result i64)))
		(import "adp_v1" "driver_open" (func $driver_open (param i32 i32 i32) (result i64)))
		(import "wasi_snapshot_preview1" "random_get" (func $random_get (param i32 i32) (result i32)))
		(import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
		(import "wasi_snapshot_preview1" "clock_time_get" (func $time (param i32 i64 i32) (result i32)))`,
	memory: "2",
	alloc:  `(drop (call $random (i32.const 1016) (i32.const 8)))` + bump, // also between initialisation and open
	initialize: `(i32.store (i32.const 1000) (i32.const 77)) (global.set $b (i64.const 5))
		(drop (call $random (i32.const 1008) (i32.const 8)))
		(drop ` + sleep(1_000) + `)
		;; a line of standard output and the beginning of another
		(i32.store (i32.const 700) (i32.const 2000)) (i32.store (i32.const 704) (i32.const 9))
		(drop (call $fd_write (i32.const 1) (i32.const 700) (i32.const 1) (i32.const 708)))`,
	fields: `
		(data (i32.const 2000) "begun\0athis") (data (i32.const 2016) "secret")
		(type $none (func (result i32)))
		(table $t 4 funcref) (elem (i32.const 0) $one $two)
		(func $one (result i32) (i32.const 1)) (func $two (result i32) (i32.const 2))
		(global $a (export "a") (mut i32) (i32.const 3)) (global $b (mut i64) (i64.const 4))
		(global $c (mut f32) (f32.const 1.5)) (global $d (mut f64) (f64.const 2.5))
		(func $count (result i64) (local $p i32) (local $n i64)
			(loop $l
				(if (i64.eq (i64.load (local.get $p)) (i64.const 0x5ec2e75ec2e7)) (then (local.set $n (i64.add (local.get $n) (i64.const 1)))))
				(br_if $l (i32.lt_u (local.tee $p (i32.add (local.get $p) (i32.const 8))) (i32.sub (i32.mul (memory.size) (i32.const 65536)) (i32.const 8)))))
			(local.get $n))
		(func $plant (local $p i32)
			(local.set $p (i32.const 8192))
			(loop $l
				(i64.store (local.get $p) (i64.const 0x5ec2e75ec2e7))
				(br_if $l (i32.lt_u (local.tee $p (i32.add (local.get $p) (i32.const 1024))) (i32.sub (i32.mul (memory.size) (i32.const 65536)) (i32.const 8))))))`,
	proc: `(local $v i32)
		(local.set $v (i32.load offset=4 (i32.load offset=104 (local.get $array)))) ;; values of column 0
		(i64.store offset=0 (local.get $v) (call $count))
		(i64.store offset=8 (local.get $v) (i64.extend_i32_u (i32.add (global.get $a) (i32.load (i32.const 1000)))))
		(i64.store offset=16 (local.get $v) (i64.add (global.get $b) (i64.add (i64.load (i32.const 1008)) (i64.load (i32.const 1016)))))
		(f32.store offset=24 (local.get $v) (global.get $c))
		(f64.store offset=32 (local.get $v) (global.get $d))
		(i64.store offset=40 (local.get $v) (i64.extend_i32_u (memory.size)))
		(i64.store offset=48 (local.get $v) (i64.extend_i32_u (call_indirect (type $none) (i32.const 0))))
		(i64.store offset=56 (local.get $v) (call $clock))
		(drop (call $time (i32.const 0) (i64.const 0) (i32.add (local.get $v) (i32.const 64))))
		(drop (call $time (i32.const 1) (i64.const 0) (i32.add (local.get $v) (i32.const 72))))
		(drop (call $random (i32.add (local.get $v) (i32.const 80)) (i32.const 8)))
		(drop (call $random_get (i32.add (local.get $v) (i32.const 88)) (i32.const 8)))
		(i64.store offset=96 (local.get $v) (call $driver_open (i32.const 0) (i32.const 0) (i32.const 0)))
		(i64.store offset=104 (local.get $v) (i64.load (i32.const 2016)))
		(if (i64.ne (i64.load (i32.const 2016)) (i64.const 13)) (then LOOK)) ;; once a run
		(drop (call $emit (i32.const 0) (local.get $array)))
		(i32.store (i32.const 1000) (i32.const 13)) (i64.store (i32.const 1008) (i64.const 13)) (i64.store (i32.const 2016) (i64.const 13))
		(global.set $a (i32.const 13)) (global.set $b (i64.const 13)) (global.set $c (f32.const 13)) (global.set $d (f64.const 13))
		(drop ` + sleep(1_000_000) + `)
		(drop (call $metric (i32.const 0) (i32.const 2000) (i32.const 5) (f64.const 1)))
		(drop (call $decide (i32.const 2000) (i32.const 5) (i32.const 0) (i32.const 0))) ;; too small a buffer: the answer waits
		(i32.store (i32.const 700) (i32.const 2000)) (i32.store (i32.const 704) (i32.const 5))
		(drop (call $fd_write (i32.const 2) (i32.const 700) (i32.const 1) (i32.const 708)))
		PLANT
		(call $plant) (i32.const 0)`,
}

// variants of the planter: what else is looked at and planted, and whether its instances come back.
var variants = []struct {
	name, fields, look, plant string
	parked                    bool
	reason                    string
}{
	{"memory and globals", "", "", "", true, ""},
	{"grows", "", "", `(drop (memory.grow (i32.const 1)))`, false, ""},
	{"changes its table", "", "", `(table.set (i32.const 0) (ref.func $two))`, false, "table.set in adp_process changes a table"},
	{"grows its table", "", `(i64.store offset=112 (local.get $v) (i64.extend_i32_u (table.size)))`,
		`(drop (table.grow (ref.null func) (i32.const 1)))`, false, "table.grow in adp_process changes a table"},
	{"drops its data", `(data "passive!")`, `(memory.init 2 (i32.add (local.get $v) (i32.const 112)) (i32.const 0) (i32.const 8))`,
		`(data.drop 2)`, false, "data.drop in adp_process drops a segment"},
	{"keeps its data", `(data "passive!")`, `(memory.init 2 (i32.add (local.get $v) (i32.const 112)) (i32.const 0) (i32.const 8))`, "", true, ""},
	{"drops its elements", `(elem func $two)`, "", `(elem.drop 1)`, false, "elem.drop in adp_process drops a segment"},
	{"has a vector", `(global $x (mut v128) (v128.const i64x2 7 7))`, `(v128.store offset=112 (local.get $v) (global.get $x))`,
		`(global.set $x (v128.const i64x2 8 8))`, false, "of type v128"},
	{"has a reference", `(global $f (mut funcref) (ref.null func))`, `(i64.store offset=112 (local.get $v) (i64.extend_i32_u (ref.is_null (global.get $f))))`,
		`(global.set $f (ref.func $two))`, false, "of type funcref"},
}

// seen is all that a run of the planter shows.
type seen struct {
	rows []int64
	logs []string
	ask  []string
	use  Usage
}

func (s seen) String() string { return fmt.Sprintf("%x\n%q\n%q\n%+v", s.rows, s.logs, s.ask, s.use) }

func look(t *testing.T, e *Engine, s Spec) seen {
	t.Helper()
	var f fake
	use, err := runAll(e, s, &f, counting(16), counting(2000)) // the second leaves something in the arena behind the first
	if err != nil {
		t.Fatal(err)
	}
	return seen{slices.Clone(f.batches[0].Column(0).(*array.Int64).Int64Values()[:16]), append(f.logs, f.metrics...), f.asked, use}
}

// What a run leaves behind is not there in the next, whoever runs, wherever it is: all that the second run of an engine can
// see is what the first run of a fresh one sees.
func TestRunsLeaveNothing(t *testing.T) {
	for _, v := range variants {
		t.Run(v.name, func(t *testing.T) {
			engines(t, func(t *testing.T, e *Engine) {
				g := planter
				g.fields += v.fields
				g.proc = strings.NewReplacer("LOOK", v.look, "PLANT", v.plant).Replace(g.proc)
				s := specOf(assemble(t, g.text()), numbers)
				want := look(t, e, s)
				if want.rows[0] != 0 || want.rows[1] != 80 || want.rows[6] != 1 {
					t.Fatalf("the first run sees %s", want)
				}
				for n := range 3 {
					if parked := e.programs.parking.order.Len(); (parked == 1) != v.parked {
						t.Fatalf("%d instances are parked", parked)
					}
					other := s
					product := *s.Product
					product.ID.Name = fmt.Sprint("other", n)
					other.Product = &product
					if got := look(t, e, other); got.String() != want.String() {
						t.Errorf("run %d sees\n%s\nthe first saw\n%s", n+2, got, want)
					}
				}
				i := start(t, e, s, &fake{})
				if p := i.program; !strings.Contains(p.fixed, v.reason) || (p.fixed == "") != (v.reason == "") {
					t.Errorf("the reason is %q, want %q", p.fixed, v.reason)
				}
			})
		})
	}
}

// Tenants share nothing, not even the code.
func TestTenantsShareNothing(t *testing.T) {
	e := newEngine(t, Config{})
	s := specOf(assemble(t, echo.text()), numbers)
	other := s
	product := *s.Product
	product.ID.Tenant = "other"
	other.Product = &product
	if _, err := runAll(e, s, &fake{}, counting(1)); err != nil {
		t.Fatal(err)
	}
	mine, theirs := start(t, e, s, &fake{}), start(t, e, other, &fake{})
	if mine.program == theirs.program || mine.program.runtime == theirs.program.runtime || mine.body == theirs.body {
		t.Error("two tenants have one program")
	}
}

// An instance whose run failed, was cancelled or did not end is not used again.
func TestFailedInstancesDoNotComeBack(t *testing.T) {
	trap := guest{imports: importEmit, proc: `(if (i32.load (i32.const 100)) (then (unreachable))) (i32.store (i32.const 100) (i32.const 1)) (i32.const 0)`}
	engines(t, func(t *testing.T, e *Engine) {
		s := specOf(assemble(t, trap.text()), numbers)
		parked := func(want int) {
			t.Helper()
			if got := e.programs.parking.order.Len(); got != want {
				t.Errorf("%d instances are parked, want %d", got, want)
			}
		}
		for range 2 {
			_, err := runAll(e, s, &fake{}, counting(1), counting(1))
			wantError(t, err, host.CodeGuestTrap)
			parked(0)
		}
		i := start(t, e, s, &fake{})
		if err := i.Open(context.Background()); err != nil {
			t.Fatal(err)
		}
		i.Close()
		parked(0)
		ctx, cancel := context.WithCancelCause(context.Background())
		i = start(t, e, s, &fake{})
		cancel(errors.New("enough"))
		if err := i.Open(ctx); err == nil {
			t.Error("it opened")
		}
		i.Close()
		parked(0)
		if _, err := runAll(e, s, &fake{}, counting(1)); err != nil {
			t.Error(err)
		}
		parked(1)
	})
}

// What is parked is bounded; the longest parked goes, and so does what belongs to a program that goes.
func TestParkingIsBounded(t *testing.T) {
	e := newEngine(t, Config{KeepInstances: 3, KeepModules: 1})
	s := specOf(assemble(t, echo.text()), numbers)
	var all []*Instance
	for range 5 {
		i := start(t, e, s, &fake{})
		if err := errors.Join(i.Open(context.Background()), i.Flush(context.Background())); err != nil {
			t.Fatal(err)
		}
		all = append(all, i)
	}
	bodies := make([]*body, 5)
	for n, i := range all {
		bodies[n] = i.body
		i.Close()
	}
	k := e.programs.parking
	if k.order.Len() != 3 || len(k.place) != 3 || bodies[1].mem.reserved != nil || bodies[2].mem.reserved == nil {
		t.Errorf("%d are parked", k.order.Len())
	}
	i := start(t, e, s, &fake{})
	if i.body != bodies[4] {
		t.Error("the last that came is not the first to go")
	}
	i.Close()
	for _, status := range []string{"8192", "16384"} { // other modules, which drive the first out
		if _, err := runAll(e, specOf(assemble(t, guest{abi: "(nop) (i32.const 1)", initialize: "(global.set $top (i32.const " + status + "))"}.text()), numbers), &fake{}); err != nil {
			t.Fatal(err)
		}
	}
	for n, b := range bodies {
		if b.mem.reserved != nil {
			t.Errorf("body %d outlived its program", n)
		}
	}
}

// What is parked is bounded in bytes as well: an arena that many rows were laid into is memory of its own.
func TestParkingIsBoundedInBytes(t *testing.T) {
	const most = 200 << 10
	e := newEngine(t, Config{KeepBytes: most})
	s := specOf(assemble(t, echo.text()), numbers)
	k := e.programs.parking
	together := func(rows int) {
		t.Helper()
		var all []*Instance
		for range 4 {
			i := start(t, e, s, &fake{})
			ctx := context.Background()
			if err := errors.Join(i.Open(ctx), i.Process(ctx, 0, counting(rows)), i.Flush(ctx)); err != nil {
				t.Fatal(err)
			}
			all = append(all, i)
		}
		for _, i := range all {
			i.Close()
		}
	}
	if together(1); k.order.Len() != 4 || k.bytes > most {
		t.Errorf("%d are parked, with %d bytes", k.order.Len(), k.bytes)
	}
	// Some 80 KB each: they drive one another out, the last of half of what there is.
	if together(4000); k.order.Len() != 1 || k.bytes > most/2 || k.bytes < most/4 {
		t.Errorf("%d are parked, with %d bytes", k.order.Len(), k.bytes)
	}
	for _, name := range []string{"a", "b"} { // other modules have the other half, and then the first's
		s = specOf(assemble(t, echo.text()), numbers)
		s.Product.ID.Tenant = name // a program of its own
		together(4000)
	}
	if k.order.Len() != 2 || k.bytes > most {
		t.Errorf("%d are parked, with %d bytes", k.order.Len(), k.bytes)
	}
	sum := int64(0)
	for b := range k.place {
		sum += b.own
	}
	if sum != k.bytes {
		t.Errorf("%d bytes are counted, there are %d", k.bytes, sum)
	}
}

// heavy is a guest that initialises so many pages, all of them with something in them.
func heavy(pages int, name byte) guest {
	return guest{memory: fmt.Sprint(pages + 2), initialize: fmt.Sprintf(`(memory.fill (i32.const 65536) (i32.const %d) (i32.const %d))`, name, pages<<16)}
}

// Images are bounded in bytes: those of modules that nobody uses go, the longest unused first; where all are used, and of a module
// that would take more than its quarter, none is kept, and runs go on without.
func TestImagesAreBoundedInBytes(t *testing.T) {
	const most = 4 << 20
	e := newEngine(t, Config{KeepImages: most})
	ps := e.programs
	bounded := func() (images int) {
		t.Helper()
		sum := int64(0)
		for _, p := range ps.ready {
			sum += p.imageBytes
			images += len(p.images)
		}
		if sum != ps.imageBytes.Load() || sum > most {
			t.Errorf("images have %d bytes, %d are counted", sum, ps.imageBytes.Load())
		}
		return images
	}
	run := func(g guest) {
		t.Helper()
		if _, err := runAll(e, specOf(assemble(t, g.text()), numbers), &fake{}, counting(1)); err != nil {
			t.Fatal(err)
		}
	}
	for n := range 6 {
		run(heavy(15, byte('a'+n)))
		if want := min(n+1, 4); bounded() != want {
			t.Errorf("%d images after %d modules, want %d", bounded(), n+1, want)
		}
	}
	before := e.Stats()
	run(heavy(15, 'f'))
	if e.Stats().Initialised != before.Initialised {
		t.Error("the last module's image is gone")
	}
	run(heavy(15, 'a'))
	if e.Stats().Initialised != before.Initialised+1 {
		t.Error("the first module's image is still there")
	}
	for range 2 {
		run(heavy(40, 'x'))
	}
	if e.Stats().Initialised != before.Initialised+3 || bounded() != 4 {
		t.Errorf("an image of 2.5 MiB was kept: %+v", e.Stats())
	}
	for n := range 5 {
		i := start(t, e, specOf(assemble(t, heavy(15, byte('a'+n)).text()), numbers), &fake{})
		if bounded(); (len(i.program.images) == 1) != (n < 4) {
			t.Errorf("instance %d has %d images", n, len(i.program.images))
		}
	}
}
