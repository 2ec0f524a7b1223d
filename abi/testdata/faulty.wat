;; A guest that breaks the SPEC in many ways, for adp abi check to find: guest.wat with the faults that are marked.
;;
;;   wat2wasm --debug-names faulty.wat && adp abi check faulty.wasm
(module
  (import "adp_v1" "emit" (func $emit (param $port i32) (param $array i32) (result i32)))
  (import "adp_v1" "log" (func $log (param $level i32) (param $text i32) (param $len i32) (result i32)))

  ;; Memory below 1024 is ours: the arrays that we hand over (§6). Each has 64 bytes, then come their tables of pointers.
  ;;    64 root, 128 id, 192 name, 256 amount
  ;;   320 root's buffers, 324 its children, 336 id's buffers, 344 name's buffers, 356 amount's buffers
  ;;   368 an id, 376 an amount, 384 two offsets, 392 a validity bitmap: the values of the last row
    ;; FAULT: there is no product to ask for a setting before adp_open
  (import "adp_v1" "config" (func $config (param i32 i32 i32 i32) (result i64)))
  (func (export "_initialize") (drop (call $config (i32.const 512) (i32.const 4) (i32.const 0) (i32.const 0))))
  (memory (export "memory") 1)
  (data (i32.const 512) "this guest wants one input and one output of three columns")
  (data (i32.const 576) "no memory for the doubled amounts")

  (global $top (mut i32) (i32.const 1024)) ;; where free memory begins
  (global $rows (mut i64) (i64.const 0))
  (global $sum (mut f64) (f64.const 0))
  (global $name (mut i32) (i32.const 0)) ;; our copy of the last name: address, length, and how much fits
  (global $name_len (mut i32) (i32.const -1)) ;; -1: there was none
  (global $name_room (mut i32) (i32.const 0))

  (func (export "adp_abi") (result i32) (i32.const 1))

  ;; §4. What is asked for lies behind everything else. What was asked for last can be given back.
  (func $alloc (export "adp_alloc") (param $size i32) (result i32)
    (local $at i32) (local $end i64) (local $short i64)
    ;; FAULT: 16 bytes are too little (§4)
    (local.set $at (i32.and (i32.add (global.get $top) (i32.const 15)) (i32.const -16)))
    (local.set $end (i64.add (i64.extend_i32_u (local.get $at)) (i64.extend_i32_u (local.get $size))))
    (local.set $short (i64.sub (local.get $end) (i64.shl (i64.extend_i32_u (memory.size)) (i64.const 16))))
    (if (i64.gt_s (local.get $short) (i64.const 0))
      (then
        (if (i64.gt_u (local.get $end) (i64.const 0xffffffff)) (then (return (i32.const 0))))
        (if (i32.eq (memory.grow (i32.wrap_i64 (i64.shr_u (i64.add (local.get $short) (i64.const 65535)) (i64.const 16)))) (i32.const -1))
    ;; FAULT: an address although there is no memory
          (then (return (i32.const 64))))))
    (global.set $top (i32.wrap_i64 (local.get $end)))
    (local.get $at))

  (func $free (export "adp_free") (param $at i32) (param $size i32)
    (if (i32.eq (i32.add (local.get $at) (local.get $size)) (global.get $top))
      (then (global.set $top (local.get $at)))))

  ;; §5. Looks at the ports and prepares the arrays; what never changes is written once.
  (func (export "adp_open") (param $open i32) (param $size i32) (result i32)
    (if (i32.eqz (i32.and
          (i32.and (i32.eq (i32.load offset=4 (local.get $open)) (i32.const 1)) (i32.eq (i32.load offset=12 (local.get $open)) (i32.const 1)))
    ;; FAULT: the table of inputs need not lie here
          (i32.and (call $three_columns (i32.add (local.get $open) (i32.const 64))) (call $three_columns (i32.load offset=16 (local.get $open))))))
      (then
        (drop (call $log (i32.const 3) (i32.const 512) (i32.const 58)))
        (return (i32.const 1))))
    (call $array (i32.const 64) (i64.const 1) (i32.const 320))
    (i64.store offset=32 (i32.const 64) (i64.const 3)) ;; the root has three children
    (i32.store offset=44 (i32.const 64) (i32.const 324))
    (call $array (i32.const 128) (i64.const 2) (i32.const 336))
    (call $array (i32.const 192) (i64.const 3) (i32.const 344))
    (call $array (i32.const 256) (i64.const 2) (i32.const 356))
    (i32.const 0))

  ;; Whether the port at an address has three columns: its schema is a struct with as many children.
  (func $three_columns (param $port i32) (result i32)
    (i64.eq (i64.load offset=24 (i32.load offset=12 (local.get $port))) (i64.const 3)))

  ;; Writes n_buffers and buffers of an ArrowArray; everything else is 0.
  (func $array (param $at i32) (param $n_buffers i64) (param $buffers i32)
    (i64.store offset=24 (local.get $at) (local.get $n_buffers))
    (i32.store offset=40 (local.get $at) (local.get $buffers)))

  ;; §6. One batch: the columns id and name are handed on as they lie in the arena, the amounts are ours.
  (func (export "adp_process") (param $input i32) (param $array i32) (result i32)
    (local $n i32) (local $columns i32) (local $amounts i32) (local $first i32) (local $valid i32) (local $values i32)
    (local $doubled i32) (local $bytes i32) (local $i i32) (local $status i32)
    (local.set $n (i32.wrap_i64 (i64.load (local.get $array))))
    ;; FAULT: a batch may have no rows
    (if (i32.eqz (local.get $n)) (then unreachable))
    (local.set $columns (i32.load offset=44 (local.get $array)))
    (local.set $amounts (i32.load offset=8 (local.get $columns)))
    (local.set $first (i32.wrap_i64 (i64.load offset=16 (local.get $amounts)))) ;; the offset: rows before ours
    (local.set $valid (i32.load (i32.load offset=40 (local.get $amounts))))
    (local.set $values (i32.load offset=4 (i32.load offset=40 (local.get $amounts))))
    (local.set $bytes (i32.shl (i32.add (local.get $first) (local.get $n)) (i32.const 3)))
    (local.set $doubled (call $alloc (local.get $bytes)))
    (if (i32.eqz (local.get $doubled))
      (then
        (drop (call $log (i32.const 3) (i32.const 576) (i32.const 33)))
        (return (i32.const 1))))
    ;; With the same offset the same bitmap serves for both. What lies under a null means nothing, before and after.
    (block $done (loop $next
      (br_if $done (i32.ge_u (local.get $i) (local.get $n)))
      (f64.store (i32.add (local.get $doubled) (i32.shl (i32.add (local.get $first) (local.get $i)) (i32.const 3)))
        (f64.mul (f64.const 2) (f64.load (i32.add (local.get $values) (i32.shl (i32.add (local.get $first) (local.get $i)) (i32.const 3))))))
      (if (call $there (local.get $valid) (i32.add (local.get $first) (local.get $i)))
        (then (global.set $sum (f64.add (global.get $sum)
          (f64.load (i32.add (local.get $doubled) (i32.shl (i32.add (local.get $first) (local.get $i)) (i32.const 3))))))))
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (br $next)))
    (i64.store (i32.const 64) (i64.extend_i32_u (local.get $n)))
    (i64.store (i32.const 256) (i64.extend_i32_u (local.get $n)))
    (i64.store offset=8 (i32.const 256) (i64.load offset=8 (local.get $amounts)))
    (i64.store offset=16 (i32.const 256) (i64.extend_i32_u (local.get $first)))
    (i32.store (i32.const 356) (local.get $valid))
    (i32.store (i32.const 360) (local.get $doubled))
    (i32.store (i32.const 324) (i32.load (local.get $columns)))
    (i32.store (i32.const 328) (i32.load offset=4 (local.get $columns)))
    (i32.store (i32.const 332) (i32.const 256))
    (local.set $status (call $emit (i32.const 0) (i32.const 64)))
    (call $free (local.get $doubled) (local.get $bytes))
    ;; FAULT: other statuses are failures too
    (if (i32.eq (local.get $status) (i32.const 1)) (then (return (local.get $status))))
    (global.set $rows (i64.add (global.get $rows) (i64.extend_i32_u (local.get $n))))
    ;; FAULT: the arena is not ours to write to
    (i64.store (local.get $array) (i64.const 0))
    (call $keep_name (i32.load offset=4 (local.get $columns)) (local.get $n)))

  ;; Whether value i of a bitmap is there. A bitmap that is not there says yes to all.
  (func $there (param $valid i32) (param $i i32) (result i32)
    (if (i32.eqz (local.get $valid)) (then (return (i32.const 1))))
    ;; FAULT: a bitmap does not say that all is null
    (i32.and (i32.const 0) (i32.shr_u
      (i32.load8_u (i32.add (local.get $valid) (i32.shr_u (local.get $i) (i32.const 3))))
      (i32.and (local.get $i) (i32.const 7)))))

  ;; Copies the last name of a batch: the arena is the host's again when adp_process returns.
  (func $keep_name (param $column i32) (param $n i32) (result i32)
    (local $buffers i32) (local $i i32) (local $from i32) (local $len i32)
    (local.set $buffers (i32.load offset=40 (local.get $column)))
    (loop $back
      (if (i32.eqz (local.get $n)) (then (return (i32.const 0))))
      (local.set $n (i32.sub (local.get $n) (i32.const 1)))
    ;; FAULT: row n is at offset + n
      (local.set $i (local.get $n))
      (br_if $back (i32.eqz (call $there (i32.load (local.get $buffers)) (local.get $i)))))
    (local.set $i (i32.add (i32.load offset=4 (local.get $buffers)) (i32.shl (local.get $i) (i32.const 2)))) ;; its offset, and the next
    (local.set $from (i32.load (local.get $i)))
    (local.set $len (i32.sub (i32.load offset=4 (local.get $i)) (local.get $from)))
    (if (i32.gt_u (local.get $len) (global.get $name_room))
      (then
        (global.set $name (call $alloc (local.get $len)))
        (global.set $name_room (local.get $len))
        (if (i32.eqz (global.get $name)) (then (return (i32.const 1))))))
    ;; FAULT: the arena is gone when adp_process has returned
    (global.set $name (i32.add (i32.load offset=8 (local.get $buffers)) (local.get $from)))
    (global.set $name_len (local.get $len))
    (i32.const 0))

  ;; The last row, from memory that is all ours.
  (func (export "adp_flush") (result i32)
    (i64.store (i32.const 368) (global.get $rows))
    (f64.store (i32.const 376) (global.get $sum))
    (i32.store8 (i32.const 392) (i32.ge_s (global.get $name_len) (i32.const 0)))
    (i32.store (i32.const 388) (select (global.get $name_len) (i32.const 0) (i32.ge_s (global.get $name_len) (i32.const 0))))
    (i64.store (i32.const 64) (i64.const 1)) ;; lengths
    (i64.store (i32.const 128) (i64.const 1))
    (i64.store (i32.const 192) (i64.const 1))
    (i64.store (i32.const 256) (i64.const 1))
    (i64.store offset=8 (i32.const 192) (i64.const -1)) ;; null_count of name: not counted
    (i64.store offset=8 (i32.const 256) (i64.const 0))
    (i64.store offset=16 (i32.const 256) (i64.const 0)) ;; offset
    (i32.store (i32.const 340) (i32.const 368))
    (i32.store (i32.const 344) (i32.const 392))
    (i32.store (i32.const 348) (i32.const 384))
    (i32.store (i32.const 352) (global.get $name))
    (i32.store (i32.const 356) (i32.const 0))
    (i32.store (i32.const 360) (i32.const 376))
    (i32.store (i32.const 324) (i32.const 128))
    (i32.store (i32.const 328) (i32.const 192))
    (i32.store (i32.const 332) (i32.const 256))
    (call $emit (i32.const 0) (i32.const 64))))
