//! Multiples of one point, worked out once, so that a multiplication by a scalar is additions alone.
//!
//! Row i holds 1·256^i·P to 128·256^i·P. A scalar's signed digits choose one of each row. Issuer keys are few and
//! long-lived, so the 5 ms and 480 kB that a comb costs come back many times over. No verification waits for all of it: it grows
//! row by row.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicUsize, Ordering};

use once_cell::race::OnceBox;

use super::point::{Addend, Point};
#[cfg(any(target_feature = "simd128", feature = "wasm-arithmetic"))]
use super::points_x2::PointsX2;

pub(crate) struct Comb([OnceBox<Row>; ROWS]);

type Row = Vec<Addend>;

/// The rows of a comb, once all are made.
pub(crate) type Rows<'a> = [&'a Row; ROWS];

/// A digit of a comb has so many bits.
const BITS: usize = 8;
const WIDTH: usize = 1 << (BITS - 1);
pub(crate) const ROWS: usize = digits_of(BITS);

/// A digit without a comb, whose multiples serve only once.
const SMALL_DIGIT_BITS: usize = 5;
const SMALL_WIDTH: usize = 1 << (SMALL_DIGIT_BITS - 1);
const SMALL_DIGITS: usize = digits_of(SMALL_DIGIT_BITS);

impl Comb {
    pub(crate) const fn new() -> Self {
        Self([const { OnceBox::new() }; ROWS])
    }

    /// Makes the next row for this point, always the same one, unless all combs together have as many as they may.
    pub(crate) fn grow(&self, point: &Point) {
        self.grow_within(point, MAX_ROWS);
    }

    pub(crate) fn grow_within(&self, point: &Point, most: usize) {
        if ROWS_ALIVE.load(Ordering::Relaxed) >= most {
            return;
        }
        if let Some((place, row)) = self.0.iter().enumerate().find(|(_, row)| row.get().is_none()) {
            let mut first = *point;
            for _ in 0..place * BITS {
                first.double();
            }
            row.get_or_init(|| Box::new(Addend::all(&first_multiples(&first, WIDTH)).collect()));
            ROWS_ALIVE.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Every row, once all are made.
    pub(crate) fn rows(&self) -> Option<Rows<'_>> {
        let mut rows = [const { &Row::new() }; ROWS];
        for (row, made) in rows.iter_mut().zip(&self.0) {
            *row = made.get()?;
        }
        Some(rows)
    }
}

impl Drop for Comb {
    fn drop(&mut self) {
        let made = self.0.iter().filter(|row| row.get().is_some()).count();
        ROWS_ALIVE.fetch_sub(made, Ordering::Relaxed);
    }
}

/// The rows of all combs of this process, or of this module.
static ROWS_ALIVE: AtomicUsize = AtomicUsize::new(0);
/// Where memory is bounded: 64 combs, some 31 MB. A key without one is checked all the same, more slowly.
const MAX_ROWS: usize = if cfg!(target_arch = "wasm32") { 64 * ROWS } else { usize::MAX };

/// The sum of both combs' points, each times its scalar, which is little-endian and below 2^253.
///
/// Not inlined: a first verification knows no combs, and need not wait for a browser or Node to compile this.
#[inline(never)]
pub(crate) fn sum_of_rows(factors: [(&Rows, &[u8; 32]); 2]) -> Point {
    let [one, other] = factors.map(|(rows, scalar)| addends(rows, scalar));
    // A comb is larger than what a core keeps near. Asked for all at once, with little else in between, its parts come
    // at the same time.
    core::hint::black_box(one.iter().chain(&other).fold(false, |near, (addend, _)| near ^ addend.touched()));
    sum_of_pairs(one.into_iter().zip(other))
}

/// A multiple of the comb's point, and whether it is subtracted.
type Signed<'a> = (&'a Addend, bool);

fn addends<'a>(rows: &Rows<'a>, scalar: &[u8; 32]) -> [Signed<'a>; ROWS] {
    let mut addends = [(&Addend::IDENTITY, false); ROWS];
    for (place, (row, digit)) in addends.iter_mut().zip(rows.iter().zip(digits::<BITS, ROWS>(scalar))) {
        if let Some(addend) = chosen(row, digit) {
            *place = (addend, digit < 0);
        }
    }
    addends
}

#[cfg(any(target_feature = "simd128", feature = "wasm-arithmetic"))]
fn sum_of_pairs<'a>(addends: impl Iterator<Item = (Signed<'a>, Signed<'a>)>) -> Point {
    let mut sums = PointsX2::new();
    for (one, other) in addends {
        sums.add([one, other]);
    }
    sums.sum()
}

#[cfg(not(any(target_feature = "simd128", feature = "wasm-arithmetic")))]
fn sum_of_pairs<'a>(addends: impl Iterator<Item = (Signed<'a>, Signed<'a>)>) -> Point {
    let mut sum = Point::IDENTITY;
    for (addend, negative) in addends.flat_map(|(one, other)| [one, other]) {
        sum.add_addend(addend, negative);
    }
    sum
}

/// The sum of both points' multiples without a comb: four times as slow, for keys that may never be seen again.
pub(crate) fn sum_of_multiples(factors: [(&Point, &[u8; 32]); 2]) -> Point {
    let tables = factors.map(|(point, scalar)| {
        (first_multiples(point, SMALL_WIDTH), digits::<SMALL_DIGIT_BITS, SMALL_DIGITS>(scalar))
    });
    let mut sum = Point::IDENTITY;
    for place in (0..SMALL_DIGITS).rev() {
        for _ in 0..SMALL_DIGIT_BITS {
            sum.double();
        }
        for (multiples, digits) in &tables {
            let digit = digits.get(place).copied().unwrap_or_default();
            match chosen(multiples, digit) {
                Some(multiple) if digit < 0 => sum.add(&multiple.negated()),
                Some(multiple) => sum.add(multiple),
                None => {}
            }
        }
    }
    sum
}

/// The signed digits of a scalar below 2^253, base 2^BITS, the lowest first.
fn digits<const BITS: usize, const COUNT: usize>(scalar: &[u8; 32]) -> [i16; COUNT] {
    let mut digits = [0; COUNT];
    let mut bytes = scalar.iter();
    let (mut pending, mut bits) = (0_u32, 0);
    let mut carry = 0;
    for digit in &mut digits {
        while bits < BITS
            && let Some(byte) = bytes.next()
        {
            pending |= u32::from(*byte) << bits;
            bits += 8;
        }
        let value = (pending & ((1 << BITS) - 1)) as i16 + carry;
        carry = i16::from(value > 1 << (BITS - 1));
        *digit = value - (carry << BITS);
        pending >>= BITS;
        bits = bits.saturating_sub(BITS);
    }
    digits
}

/// A scalar below 2^253 and the last carry fill so many digits.
const fn digits_of(bits: usize) -> usize {
    254_usize.div_ceil(bits)
}

/// The multiple that a digit names, but for its sign. `None` for 0.
fn chosen<T>(multiples: &[T], digit: i16) -> Option<&T> {
    multiples.get(usize::from(digit.unsigned_abs()).checked_sub(1)?)
}

/// 1·P to `count`·P.
fn first_multiples(point: &Point, count: usize) -> Vec<Point> {
    let mut multiples = Vec::with_capacity(count);
    let mut multiple = *point;
    for _ in 0..count {
        multiples.push(multiple);
        multiple.add(point);
    }
    multiples
}
