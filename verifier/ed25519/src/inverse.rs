//! Inverses modulo p = 2^255 − 19 by division steps (Bernstein and Yang, "Fast constant-time gcd computation and
//! modular inversion", 2019), in variable time: everything in a signature check is public.
//!
//! 30 steps at a time are worked out on the lowest limbs alone and then applied to the whole numbers.

/// 1 / `x` below p, little-endian. 0 for 0.
pub(crate) fn inverse(x: &[u8; 32]) -> [u8; 32] {
    let (mut f, mut g) = (P, Limbs::from_bytes(x));
    // Throughout, d · x = f and e · x = g modulo p.
    let (mut d, mut e) = (Limbs([0; 9]), Limbs([1, 0, 0, 0, 0, 0, 0, 0, 0]));
    let mut eta = -1;
    while !g.is_zero() {
        let steps;
        (steps, eta) = Steps::of(eta, f.low(), g.low());
        (d, e) = steps.apply_modulo_p(&d, &e);
        (f, g) = steps.apply(&f, &g);
    }
    // Now f is 1 or −1, the greatest common divisor.
    d.canonical(f.is_negative())
}

/// A signed number: 30 bits a limb, from the lowest; the highest holds the sign.
#[derive(Clone, Copy)]
struct Limbs([i32; 9]);

/// −19 + 2^15 · 2^240.
const P: Limbs = Limbs([-19, 0, 0, 0, 0, 0, 0, 0, 1 << 15]);
const MASK: i64 = (1 << 30) - 1;
/// 1 / p modulo 2^30.
const P_INVERSE: i64 = 0x1794_35e5;

impl Limbs {
    fn from_bytes(bytes: &[u8; 32]) -> Self {
        let mut limbs = [0; 9];
        let (mut pending, mut bits) = (0_u64, 0);
        let mut bytes = bytes.iter();
        for limb in &mut limbs {
            while bits < 30
                && let Some(byte) = bytes.next()
            {
                pending |= u64::from(*byte) << bits;
                bits += 8;
            }
            *limb = (pending & MASK as u64) as i32;
            pending >>= 30;
            bits -= 30;
        }
        Self(limbs)
    }

    fn low(&self) -> u32 {
        self.0[0] as u32
    }

    fn is_zero(&self) -> bool {
        self.0.iter().all(|limb| *limb == 0)
    }

    fn is_negative(&self) -> bool {
        self.0[8] < 0
    }

    /// Returns the bytes of the number below p that is congruent to this one, which lies between −2p and p, or to its negative.
    fn canonical(mut self, negate: bool) -> [u8; 32] {
        if self.is_negative() {
            self = self.plus_p();
        }
        if negate {
            self.0.iter_mut().for_each(|limb| *limb = -*limb);
            self = self.carried();
        }
        if self.is_negative() {
            self = self.plus_p();
        }
        let mut bytes = [0; 32];
        let (mut pending, mut bits) = (0_u64, 0);
        let mut limbs = self.0.iter();
        for byte in &mut bytes {
            if bits < 8
                && let Some(limb) = limbs.next()
            {
                pending |= u64::from(*limb as u32) << bits;
                bits += 30;
            }
            *byte = pending as u8;
            pending >>= 8;
            bits -= 8;
        }
        bytes
    }

    fn plus_p(mut self) -> Self {
        self.0.iter_mut().zip(P.0).for_each(|(limb, p)| *limb += p);
        self.carried()
    }

    /// All limbs but the highest from 0 up to 2^30.
    fn carried(mut self) -> Self {
        let [low @ .., high] = &mut self.0;
        let mut carry = 0;
        for limb in low {
            let value = *limb + carry;
            (*limb, carry) = (value & MASK as i32, value >> 30);
        }
        *high += carry;
        self
    }
}

/// The effect of 30 division steps, times 2^30: f becomes u·f + v·g, and g becomes q·f + r·g.
struct Steps {
    u: i32,
    v: i32,
    q: i32,
    r: i32,
}

impl Steps {
    /// The steps that `eta` and the lowest bits of f and g ask for, and the eta after them.
    fn of(mut eta: i32, mut f: u32, mut g: u32) -> (Self, i32) {
        let (mut u, mut v, mut q, mut r) = (1_u32, 0_u32, 0_u32, 1_u32);
        let mut left = 30;
        loop {
            // Zeros at the end of g are steps that only halve it.
            let zeros = (g | u32::MAX.unbounded_shl(left)).trailing_zeros();
            g >>= zeros;
            u <<= zeros;
            v <<= zeros;
            eta -= zeros as i32;
            left -= zeros;
            if left == 0 {
                break;
            }
            if eta < 0 {
                eta = -eta;
                (f, g) = (g, f.wrapping_neg());
                (u, q) = (q, u.wrapping_neg());
                (v, r) = (r, v.wrapping_neg());
            }
            // Adds the multiple of f that clears up to 6 bits of g, but no more than steps that do not swap.
            let most = (eta + 1).unsigned_abs().min(left).min(6);
            let minus_inverse = f.wrapping_mul(f.wrapping_mul(f).wrapping_sub(2));
            let multiple = g.wrapping_mul(minus_inverse) & ((1 << most) - 1);
            g = g.wrapping_add(f.wrapping_mul(multiple));
            q = q.wrapping_add(u.wrapping_mul(multiple));
            r = r.wrapping_add(v.wrapping_mul(multiple));
        }
        (Self { u: u as i32, v: v as i32, q: q as i32, r: r as i32 }, eta)
    }

    fn apply(&self, f: &Limbs, g: &Limbs) -> (Limbs, Limbs) {
        (shifted([(self.u, f), (self.v, g)], 0), shifted([(self.q, f), (self.r, g)], 0))
    }

    /// The same modulo p, of numbers between −2p and p.
    fn apply_modulo_p(&self, d: &Limbs, e: &Limbs) -> (Limbs, Limbs) {
        (modulo_p([(self.u, d), (self.v, e)]), modulo_p([(self.q, d), (self.r, e)]))
    }
}

fn modulo_p(terms: [(i32, &Limbs); 2]) -> Limbs {
    // Adds p where a number is negative, and then the multiple of p that makes the sum divisible by 2^30.
    let negative = terms.iter().filter(|(_, limbs)| limbs.is_negative()).map(|(by, _)| *by).sum::<i32>();
    let low = terms.iter().map(|(by, limbs)| product(*by, limbs.0[0])).sum::<i64>();
    let missing = (P_INVERSE * (low & MASK) + i64::from(negative)) & MASK;
    shifted(terms, negative - missing as i32)
}

/// (The sum of the `terms`, and `by_p` · p) / 2^30, which leaves no remainder.
fn shifted([(by_a, a), (by_b, b)]: [(i32, &Limbs); 2], by_p: i32) -> Limbs {
    let limbs = a.0.iter().zip(&b.0).zip(&P.0);
    let mut sums = limbs.map(|((a, b), p)| product(by_a, *a) + product(by_b, *b) + product(by_p, *p));
    let mut carry = sums.next().unwrap_or_default() >> 30;
    let mut out = Limbs([0; 9]);
    let [low @ .., high] = &mut out.0;
    for (limb, sum) in low.iter_mut().zip(sums) {
        carry += sum;
        *limb = (carry & MASK) as i32;
        carry >>= 30;
    }
    *high = carry as i32;
    out
}

fn product(by: i32, limb: i32) -> i64 {
    i64::from(by) * i64::from(limb)
}
