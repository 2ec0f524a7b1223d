;; A small guest. What it does with a batch follows from how many rows there are:
;; 1 nothing; 2 to 256 it writes to as many pages of 4 KiB; to 65,535 it counts a thousand times as far; 65,536 it spins.
(module
  (memory (export "memory") 16)
  (global $top (mut i32) (i32.const 1048576))
  (func (export "adp_abi") (result i32) (i32.const 1))
  (func (export "adp_alloc") (param $n i32) (result i32) (local $p i32)
    (local.set $p (global.get $top))
    (global.set $top (i32.and (i32.add (i32.add (global.get $top) (local.get $n)) (i32.const 63)) (i32.const -64)))
    (if (i32.gt_u (global.get $top) (i32.mul (memory.size) (i32.const 65536)))
      (then (if (i32.eq (memory.grow (i32.add (i32.shr_u (local.get $n) (i32.const 16)) (i32.const 2))) (i32.const -1))
        (then (return (i32.const 0))))))
    (local.get $p))
  (func (export "adp_free") (param i32 i32))
  (func (export "adp_open") (param i32 i32) (result i32) (i32.const 0))
  (func (export "adp_process") (param $input i32) (param $array i32) (result i32) (local $n i32) (local $i i32)
    (local.set $n (i32.wrap_i64 (i64.load (local.get $array))))
    (if (i32.eq (local.get $n) (i32.const 65536)) (then (loop $ever (br $ever))))
    (if (i32.gt_u (local.get $n) (i32.const 256)) (then
      (local.set $n (i32.mul (local.get $n) (i32.const 1000)))
      (loop $count (br_if $count (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (local.get $n))))
      (return (i32.const 0))))
    (if (i32.gt_u (local.get $n) (i32.const 1)) (then
      (loop $touch
        (i64.store (i32.shl (local.get $i) (i32.const 12)) (i64.add (i64.load (i32.shl (local.get $i) (i32.const 12))) (i64.const 1)))
        (br_if $touch (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (local.get $n))))))
    (i32.const 0))
  (func (export "adp_flush") (result i32) (i32.const 0)))
