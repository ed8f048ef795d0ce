;; Makes bytes again of the text that embed.mjs wrote. JavaScript that has only just started is ten times slower at a
;; hundred thousand signs. The bundle holds this module as text too: no byte of it is above 127, so every number in it
;; is a small one.
(module
  (memory (export "memory") 1)
  ;; The text begins at `text`, and ends before `end`; so do the bytes, which take its place: their end is the result.
  ;; Below it are rows of 128 bytes, what each sign means there. They are written first, half a byte in each sign.
  (func (export "decode") (param $text i32) (param $end i32) (result i32)
    (local $from i32) (local $to i32) (local $row i32) (local $sign i32)
    (local.set $from (local.get $text))
    (loop $rows
      (i32.store8 (local.get $to)
        (i32.or
          (i32.shl (i32.load8_u (local.get $from)) (i32.const 4))
          (i32.and (i32.load8_u offset=1 (local.get $from)) (i32.const 15))))
      (local.set $from (i32.add (local.get $from) (i32.const 2)))
      (br_if $rows (i32.lt_u (local.tee $to (i32.add (local.get $to) (i32.const 1))) (local.get $text))))
    (loop $signs
      ;; A sign below "&" chooses the row of the next one.
      (if (i32.lt_u (local.tee $sign (i32.load8_u (local.get $from))) (i32.const 38))
        (then (local.set $row (i32.shl (i32.sub (local.get $sign) (i32.const 31)) (i32.const 7))))
        (else
          (i32.store8 (local.get $to) (i32.load8_u (i32.add (local.get $row) (local.get $sign))))
          (local.set $to (i32.add (local.get $to) (i32.const 1)))
          (local.set $row (i32.const 0))))
      (br_if $signs (i32.lt_u (local.tee $from (i32.add (local.get $from) (i32.const 1))) (local.get $end))))
    (local.get $to)))
