;; WASI preview 1 by what the host grants to everyone of WASI 0.2: output, clocks, random numbers and waiting. Everything else
;; (files, arguments, the environment) is not there.
;;
;; It keeps no memory and asks the guest for none: the one of WASI's own takes a page of the guest by `cabi_realloc` before the
;; guest's start function has run, or by `memory.grow`, and Go survives neither. What a call answers by memory it answers in the
;; 16 bytes at $scratch, which are put back right after; nothing of the guest runs meanwhile.
;;
;; A component must not be left while the host has it allocate. A guest whose allocator may ask for the time or print says so by
;; `adapter_monotonic_clock_set_paused`, a function of WASI's own adapter too: until the other call the clocks stand still,
;; nothing is waited for and what is printed is dropped.
(module
  (import "env" "memory" (memory 0))
  (import "wasi:cli/exit@0.2.0" "exit" (func $exit (param i32)))
  (import "wasi:cli/stdout@0.2.0" "get-stdout" (func $stdout (result i32)))
  (import "wasi:cli/stderr@0.2.0" "get-stderr" (func $stderr (result i32)))
  (import "wasi:io/streams@0.2.0" "[method]output-stream.blocking-write-and-flush"
    (func $write (param i32 i32 i32 i32)))
  (import "wasi:io/error@0.2.0" "[resource-drop]error" (func $drop_error (param i32)))
  (import "wasi:io/poll@0.2.0" "[method]pollable.block" (func $block (param i32)))
  (import "wasi:io/poll@0.2.0" "[resource-drop]pollable" (func $drop_pollable (param i32)))
  (import "wasi:clocks/monotonic-clock@0.2.0" "now" (func $monotonic (result i64)))
  (import "wasi:clocks/monotonic-clock@0.2.0" "subscribe-duration" (func $subscribe (param i64) (result i32)))
  (import "wasi:clocks/wall-clock@0.2.0" "now" (func $wall (param i32)))
  (import "wasi:random/random@0.2.0" "get-random-u64" (func $random (result i64)))

  ;; 64 bits each: the only variable of 32 bits would be taken for the pointer of a stack, and the guest asked for one.
  (global $paused (mut i64) (i64.const 0))
  (global $last_monotonic (mut i64) (i64.const 0))
  (global $last_wall (mut i64) (i64.const 0))
  ;; Handles, one more than they are; 0 is none yet.
  (global $out (mut i64) (i64.const 0))
  (global $err (mut i64) (i64.const 0))

  (func (export "adapter_monotonic_clock_set_paused") (param $paused i32)
    (global.set $paused (i64.extend_i32_u (local.get $paused))))

  ;; ---- time ----

  (func $nanoseconds (param $clock i32) (result i64)
    (local $one i64) (local $other i64)
    (if (i64.eqz (global.get $paused)) (then
      (if (i32.eqz (local.get $clock))
        (then
          (local.set $one (i64.load (i32.const 16)))
          (local.set $other (i64.load (i32.const 24)))
          (call $wall (i32.const 16))
          (global.set $last_wall (i64.add
            (i64.mul (i64.load (i32.const 16)) (i64.const 1000000000))
            (i64.load32_u (i32.const 24))))
          (i64.store (i32.const 16) (local.get $one))
          (i64.store (i32.const 24) (local.get $other)))
        ;; Go does not begin where it is 0, as it is to a transcript that begins.
        (else (global.set $last_monotonic (i64.add (call $monotonic) (i64.const 1)))))))
    (select (global.get $last_monotonic) (global.get $last_wall) (local.get $clock)))

  (func (export "clock_time_get") (param $clock i32) (param $precision i64) (param $to i32) (result i32)
    (if (i32.gt_u (local.get $clock) (i32.const 1)) (then (return (i32.const 28))))
    (i64.store (local.get $to) (call $nanoseconds (local.get $clock)))
    (i32.const 0))

  (func (export "clock_res_get") (param $clock i32) (param $to i32) (result i32)
    (if (i32.gt_u (local.get $clock) (i32.const 1)) (then (return (i32.const 28))))
    (i64.store (local.get $to) (i64.const 1))
    (i32.const 0))

  ;; How long until a subscription to a clock is due.
  (func $left (param $of i32) (result i64)
    (local $time i64) (local $now i64)
    (local.set $time (i64.load offset=24 (local.get $of)))
    (if (i32.eqz (i32.and (i32.load16_u offset=40 (local.get $of)) (i32.const 1)))
      (then (return (local.get $time))))
    (local.set $now (call $nanoseconds (i32.ne (i32.load offset=16 (local.get $of)) (i32.const 0))))
    (if (i64.le_u (local.get $time) (local.get $now)) (then (return (i64.const 0))))
    (i64.sub (local.get $time) (local.get $now)))

  ;; A subscription has 48 bytes, an event 32. Where files are asked for too, nothing is waited for.
  (func (export "poll_oneoff") (param $in i32) (param $out i32) (param $count i32) (param $told i32) (result i32)
    (local $at i32) (local $end i32) (local $least i64) (local $pollable i32) (local $events i32) (local $file i32)
    (if (i32.eqz (local.get $count)) (then (return (i32.const 28))))
    (local.set $end (i32.add (local.get $in) (i32.mul (local.get $count) (i32.const 48))))
    (local.set $least (i64.const -1))
    (local.set $at (local.get $in))
    (loop $next
      (if (i32.load8_u offset=8 (local.get $at))
        (then (local.set $least (i64.const 0)))
        (else (if (i64.lt_u (call $left (local.get $at)) (local.get $least))
          (then (local.set $least (call $left (local.get $at)))))))
      (local.set $at (i32.add (local.get $at) (i32.const 48)))
      (br_if $next (i32.lt_u (local.get $at) (local.get $end))))
    (if (i32.and (i64.ne (local.get $least) (i64.const 0)) (i64.eqz (global.get $paused))) (then
      (local.set $pollable (call $subscribe (local.get $least)))
      (call $block (local.get $pollable))
      (call $drop_pollable (local.get $pollable))))
    (local.set $at (local.get $in))
    (loop $next
      (local.set $file (i32.load8_u offset=8 (local.get $at)))
      (if (i32.or (local.get $file) (i32.or
            (i64.ne (global.get $paused) (i64.const 0))
            (call $is_due (local.get $at) (local.get $least)))) (then
        (i64.store (local.get $out) (i64.load (local.get $at)))
        (i64.store offset=8 (local.get $out) (i64.const 0))
        (if (i32.and (local.get $file) (i32.gt_u (i32.load offset=16 (local.get $at)) (i32.const 2)))
          (then (i32.store16 offset=8 (local.get $out) (i32.const 8))))
        (i32.store8 offset=10 (local.get $out) (local.get $file))
        (i64.store offset=16 (local.get $out) (i64.const 0))
        (i64.store offset=24 (local.get $out) (i64.const 0))
        (local.set $out (i32.add (local.get $out) (i32.const 32)))
        (local.set $events (i32.add (local.get $events) (i32.const 1)))))
      (local.set $at (i32.add (local.get $at) (i32.const 48)))
      (br_if $next (i32.lt_u (local.get $at) (local.get $end))))
    (i32.store (local.get $told) (local.get $events))
    (i32.const 0))

  ;; Whether a subscription to a clock is due after so long a wait.
  (func $is_due (param $at i32) (param $waited i64) (result i32)
    (if (i32.and (i32.load16_u offset=40 (local.get $at)) (i32.const 1))
      (then (return (i64.eqz (call $left (local.get $at))))))
    (i64.le_u (i64.load offset=24 (local.get $at)) (local.get $waited)))

  (func (export "sched_yield") (result i32) (i32.const 0))

  ;; ---- random numbers ----

  (func (export "random_get") (param $to i32) (param $length i32) (result i32)
    (local $number i64)
    (if (i64.ne (global.get $paused) (i64.const 0)) (then (return (i32.const 6))))
    (block $done
      (loop $eight
        (br_if $done (i32.lt_u (local.get $length) (i32.const 8)))
        (i64.store (local.get $to) (call $random))
        (local.set $to (i32.add (local.get $to) (i32.const 8)))
        (local.set $length (i32.sub (local.get $length) (i32.const 8)))
        (br $eight)))
    (if (local.get $length) (then
      (local.set $number (call $random))
      (loop $one
        (i64.store8 (local.get $to) (local.get $number))
        (local.set $number (i64.shr_u (local.get $number) (i64.const 8)))
        (local.set $to (i32.add (local.get $to) (i32.const 1)))
        (br_if $one (local.tee $length (i32.sub (local.get $length) (i32.const 1)))))))
    (i32.const 0))

  ;; ---- output ----

  (func $stream (param $file i32) (result i32)
    (if (i32.eq (local.get $file) (i32.const 1)) (then
      (if (i64.eqz (global.get $out)) (then
        (global.set $out (i64.add (i64.extend_i32_u (call $stdout)) (i64.const 1)))))
      (return (i32.sub (i32.wrap_i64 (global.get $out)) (i32.const 1)))))
    (if (i64.eqz (global.get $err)) (then
      (global.set $err (i64.add (i64.extend_i32_u (call $stderr)) (i64.const 1)))))
    (i32.sub (i32.wrap_i64 (global.get $err)) (i32.const 1)))

  ;; Writes 4096 bytes at most, which is what one call may. Answers an error of preview 1.
  (func $write_some (param $stream i32) (param $from i32) (param $length i32) (result i32)
    (local $one i64) (local $other i32) (local $is_error i32) (local $is_closed i32) (local $error i32)
    (local.set $one (i64.load (i32.const 16)))
    (local.set $other (i32.load (i32.const 24)))
    (call $write (local.get $stream) (local.get $from) (local.get $length) (i32.const 16))
    (local.set $is_error (i32.load8_u (i32.const 16)))
    (local.set $is_closed (i32.load8_u (i32.const 20)))
    (local.set $error (i32.load (i32.const 24)))
    (i64.store (i32.const 16) (local.get $one))
    (i32.store (i32.const 24) (local.get $other))
    (if (i32.eqz (local.get $is_error)) (then (return (i32.const 0))))
    (if (i32.eqz (local.get $is_closed)) (then (call $drop_error (local.get $error))))
    (i32.const 29))

  (func (export "fd_write") (param $file i32) (param $pieces i32) (param $count i32) (param $told i32) (result i32)
    (local $total i32) (local $from i32) (local $left i32) (local $now i32) (local $error i32)
    (if (i32.and (i32.ne (local.get $file) (i32.const 1)) (i32.ne (local.get $file) (i32.const 2)))
      (then (return (i32.const 8))))
    (block $done
      (loop $piece
        (br_if $done (i32.eqz (local.get $count)))
        (local.set $from (i32.load (local.get $pieces)))
        (local.set $left (i32.load offset=4 (local.get $pieces)))
        (local.set $total (i32.add (local.get $total) (local.get $left)))
        (block $whole
          (br_if $whole (i64.ne (global.get $paused) (i64.const 0)))
          (loop $some
            (br_if $whole (i32.eqz (local.get $left)))
            (local.set $now (select (local.get $left) (i32.const 4096)
              (i32.lt_u (local.get $left) (i32.const 4096))))
            (local.set $error (call $write_some
              (call $stream (local.get $file)) (local.get $from) (local.get $now)))
            (if (local.get $error) (then (return (local.get $error))))
            (local.set $from (i32.add (local.get $from) (local.get $now)))
            (local.set $left (i32.sub (local.get $left) (local.get $now)))
            (br $some)))
        (local.set $pieces (i32.add (local.get $pieces) (i32.const 8)))
        (local.set $count (i32.sub (local.get $count) (i32.const 1)))
        (br $piece)))
    (i32.store (local.get $told) (local.get $total))
    (i32.const 0))

  ;; The three standard streams are terminals to a C library, which then writes whole lines at once.
  (func (export "fd_fdstat_get") (param $file i32) (param $to i32) (result i32)
    (if (i32.gt_u (local.get $file) (i32.const 2)) (then (return (i32.const 8))))
    (i64.store (local.get $to) (i64.const 2))
    (i64.store offset=8 (local.get $to) (i64.const 66))
    (i64.store offset=16 (local.get $to) (i64.const 0))
    (i32.const 0))

  ;; Standard input is at its end.
  (func (export "fd_read") (param $file i32) (param $pieces i32) (param $count i32) (param $told i32) (result i32)
    (if (local.get $file) (then (return (i32.const 8))))
    (i32.store (local.get $told) (i32.const 0))
    (i32.const 0))

  (func (export "fd_close") (param $file i32) (result i32)
    (select (i32.const 8) (i32.const 0) (i32.gt_u (local.get $file) (i32.const 2))))
  (func (export "fd_seek") (param i32 i64 i32 i32) (result i32) (i32.const 70))
  (func (export "fd_tell") (param i32 i32) (result i32) (i32.const 70))

  ;; ---- start and end ----

  (func (export "args_sizes_get") (param $count i32) (param $bytes i32) (result i32)
    (i32.store (local.get $count) (i32.const 0))
    (i32.store (local.get $bytes) (i32.const 0))
    (i32.const 0))
  (func (export "args_get") (param i32 i32) (result i32) (i32.const 0))
  (func (export "environ_sizes_get") (param $count i32) (param $bytes i32) (result i32)
    (i32.store (local.get $count) (i32.const 0))
    (i32.store (local.get $bytes) (i32.const 0))
    (i32.const 0))
  (func (export "environ_get") (param i32 i32) (result i32) (i32.const 0))

  (func (export "proc_exit") (param $code i32)
    (if (i64.eqz (global.get $paused)) (then (call $exit (i32.ne (local.get $code) (i32.const 0)))))
    unreachable)

  ;; ---- what is not there ----

  (func (export "fd_advise") (param i32 i64 i64 i32) (result i32) (i32.const 8))
  (func (export "fd_allocate") (param i32 i64 i64) (result i32) (i32.const 8))
  (func (export "fd_datasync") (param i32) (result i32) (i32.const 8))
  (func (export "fd_fdstat_set_flags") (param i32 i32) (result i32) (i32.const 8))
  (func (export "fd_fdstat_set_rights") (param i32 i64 i64) (result i32) (i32.const 8))
  (func (export "fd_filestat_get") (param i32 i32) (result i32) (i32.const 8))
  (func (export "fd_filestat_set_size") (param i32 i64) (result i32) (i32.const 8))
  (func (export "fd_filestat_set_times") (param i32 i64 i64 i32) (result i32) (i32.const 8))
  (func (export "fd_pread") (param i32 i32 i32 i64 i32) (result i32) (i32.const 8))
  (func (export "fd_prestat_get") (param i32 i32) (result i32) (i32.const 8))
  (func (export "fd_prestat_dir_name") (param i32 i32 i32) (result i32) (i32.const 8))
  (func (export "fd_pwrite") (param i32 i32 i32 i64 i32) (result i32) (i32.const 8))
  (func (export "fd_readdir") (param i32 i32 i32 i64 i32) (result i32) (i32.const 8))
  (func (export "fd_renumber") (param i32 i32) (result i32) (i32.const 8))
  (func (export "fd_sync") (param i32) (result i32) (i32.const 8))
  (func (export "path_create_directory") (param i32 i32 i32) (result i32) (i32.const 8))
  (func (export "path_filestat_get") (param i32 i32 i32 i32 i32) (result i32) (i32.const 8))
  (func (export "path_filestat_set_times") (param i32 i32 i32 i32 i64 i64 i32) (result i32) (i32.const 8))
  (func (export "path_link") (param i32 i32 i32 i32 i32 i32 i32) (result i32) (i32.const 8))
  (func (export "path_open") (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32) (i32.const 8))
  (func (export "path_readlink") (param i32 i32 i32 i32 i32 i32) (result i32) (i32.const 8))
  (func (export "path_remove_directory") (param i32 i32 i32) (result i32) (i32.const 8))
  (func (export "path_rename") (param i32 i32 i32 i32 i32 i32) (result i32) (i32.const 8))
  (func (export "path_symlink") (param i32 i32 i32 i32 i32) (result i32) (i32.const 8))
  (func (export "path_unlink_file") (param i32 i32 i32) (result i32) (i32.const 8))
  (func (export "proc_raise") (param i32) (result i32) (i32.const 52))
  (func (export "sock_accept") (param i32 i32 i32) (result i32) (i32.const 8))
  (func (export "sock_recv") (param i32 i32 i32 i32 i32 i32) (result i32) (i32.const 8))
  (func (export "sock_send") (param i32 i32 i32 i32 i32) (result i32) (i32.const 8))
  (func (export "sock_shutdown") (param i32 i32) (result i32) (i32.const 8)))
