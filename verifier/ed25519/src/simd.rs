//! A register of WebAssembly: four numbers of 32 bits, or two of 64. Everywhere else, for the tests, arrays
//! in its place, whose sums are checked for overflow.

#[cfg(not(target_feature = "simd128"))]
pub(crate) use self::arrays::{Four, Two};
#[cfg(target_feature = "simd128")]
pub(crate) use self::registers::{Four, Two};

#[cfg(target_feature = "simd128")]
mod registers {
    use core::arch::wasm32::*;
    use core::hint::black_box;
    use core::ops::{Add, Sub};

    use crate::field29::{BITS, MASK};

    #[derive(Clone, Copy)]
    pub(crate) struct Four(v128);

    #[derive(Clone, Copy)]
    pub(crate) struct Two(v128);

    impl Four {
        #[inline(always)]
        pub(crate) fn of([a, b, c, d]: [u32; 4]) -> Self {
            Self(u32x4(a, b, c, d))
        }

        #[inline(always)]
        pub(crate) fn values(self) -> [u32; 4] {
            [
                u32x4_extract_lane::<0>(self.0),
                u32x4_extract_lane::<1>(self.0),
                u32x4_extract_lane::<2>(self.0),
                u32x4_extract_lane::<3>(self.0),
            ]
        }

        #[inline(always)]
        pub(crate) fn low_bits(self) -> Self {
            Self(v128_and(self.0, u32x4_splat(MASK)))
        }

        #[inline(always)]
        pub(crate) fn high_bits(self) -> Self {
            Self(u32x4_shr(self.0, BITS))
        }

        #[inline(always)]
        pub(crate) fn times(self, factor: u32) -> Self {
            Self(i32x4_mul(self.0, u32x4_splat(factor)))
        }

        /// The first halves, number by number.
        #[inline(always)]
        pub(crate) fn first_beside_first(self, other: Self) -> Self {
            Self(u32x4_shuffle::<0, 4, 1, 5>(self.0, other.0))
        }

        /// The second halves, number by number.
        #[inline(always)]
        pub(crate) fn second_beside_second(self, other: Self) -> Self {
            Self(u32x4_shuffle::<2, 6, 3, 7>(self.0, other.0))
        }

        /// The second half of this and the first of the `next`.
        #[inline(always)]
        pub(crate) fn up_to(self, next: Self) -> Self {
            Self(u32x4_shuffle::<2, 3, 4, 5>(self.0, next.0))
        }

        /// `other` where `mask` is all ones, this where it is 0.
        #[inline(always)]
        pub(crate) fn or_where(self, mask: Self, other: Self) -> Self {
            Self(v128_bitselect(other.0, self.0, mask.0))
        }

        /// The products of the first halves.
        #[inline(always)]
        pub(crate) fn first_by_first(self, other: Self) -> Two {
            Two(u64x2_extmul_low_u32x4(self.0, other.0))
        }

        /// The products of the second halves.
        #[inline(always)]
        pub(crate) fn second_by_second(self, other: Self) -> Two {
            Two(u64x2_extmul_high_u32x4(self.0, other.0))
        }

        /// The same, but the compiler does not know where it comes from. If it did, it would take a product of a first
        /// and a second half for one of whole 64 bits, which costs a machine ten instructions, not three.
        #[inline(always)]
        pub(crate) fn unrelated(self) -> Self {
            Self(black_box(self.0))
        }
    }

    impl Add for Four {
        type Output = Self;

        #[inline(always)]
        fn add(self, other: Self) -> Self {
            Self(u32x4_add(self.0, other.0))
        }
    }

    impl Sub for Four {
        type Output = Self;

        #[inline(always)]
        fn sub(self, other: Self) -> Self {
            Self(u32x4_sub(self.0, other.0))
        }
    }

    impl Two {
        #[inline(always)]
        pub(crate) fn low_bits(self) -> Self {
            Self(v128_and(self.0, u64x2_splat(MASK as u64)))
        }

        #[inline(always)]
        pub(crate) fn high_bits(self) -> Self {
            Self(u64x2_shr(self.0, BITS))
        }

        /// The lowest 32 bits of each, and of the `next` ones.
        #[inline(always)]
        pub(crate) fn with(self, next: Self) -> Four {
            Four(u32x4_shuffle::<0, 2, 4, 6>(self.0, next.0))
        }
    }

    impl Add for Two {
        type Output = Self;

        #[inline(always)]
        fn add(self, other: Self) -> Self {
            Self(u64x2_add(self.0, other.0))
        }
    }
}

#[cfg(not(target_feature = "simd128"))]
mod arrays {
    use core::ops::{Add, Sub};

    use crate::field29::{BITS, MASK};

    #[derive(Clone, Copy)]
    pub(crate) struct Four([u32; 4]);

    #[derive(Clone, Copy)]
    pub(crate) struct Two([u64; 2]);

    impl Four {
        pub(crate) fn of(values: [u32; 4]) -> Self {
            Self(values)
        }

        pub(crate) fn values(self) -> [u32; 4] {
            self.0
        }

        pub(crate) fn low_bits(self) -> Self {
            Self(self.0.map(|value| value & MASK))
        }

        pub(crate) fn high_bits(self) -> Self {
            Self(self.0.map(|value| value >> BITS))
        }

        pub(crate) fn times(self, factor: u32) -> Self {
            Self(self.0.map(|value| value * factor))
        }

        pub(crate) fn first_beside_first(self, other: Self) -> Self {
            let ([a, b, _, _], [c, d, _, _]) = (self.0, other.0);
            Self([a, c, b, d])
        }

        pub(crate) fn second_beside_second(self, other: Self) -> Self {
            let ([_, _, a, b], [_, _, c, d]) = (self.0, other.0);
            Self([a, c, b, d])
        }

        pub(crate) fn up_to(self, next: Self) -> Self {
            let ([_, _, a, b], [c, d, _, _]) = (self.0, next.0);
            Self([a, b, c, d])
        }

        pub(crate) fn or_where(self, mask: Self, other: Self) -> Self {
            let ([a, b, c, d], [m, n, o, p], [e, f, g, h]) = (self.0, mask.0, other.0);
            Self([a & !m | e & m, b & !n | f & n, c & !o | g & o, d & !p | h & p])
        }

        pub(crate) fn first_by_first(self, other: Self) -> Two {
            let ([a, b, _, _], [c, d, _, _]) = (self.0.map(u64::from), other.0.map(u64::from));
            Two([a * c, b * d])
        }

        pub(crate) fn second_by_second(self, other: Self) -> Two {
            let ([_, _, a, b], [_, _, c, d]) = (self.0.map(u64::from), other.0.map(u64::from));
            Two([a * c, b * d])
        }

        pub(crate) fn unrelated(self) -> Self {
            self
        }
    }

    impl Add for Four {
        type Output = Self;

        fn add(self, other: Self) -> Self {
            let ([a, b, c, d], [e, f, g, h]) = (self.0, other.0);
            Self([a + e, b + f, c + g, d + h])
        }
    }

    impl Sub for Four {
        type Output = Self;

        fn sub(self, other: Self) -> Self {
            let ([a, b, c, d], [e, f, g, h]) = (self.0, other.0);
            Self([a - e, b - f, c - g, d - h])
        }
    }

    impl Two {
        pub(crate) fn low_bits(self) -> Self {
            Self(self.0.map(|value| value & u64::from(MASK)))
        }

        pub(crate) fn high_bits(self) -> Self {
            Self(self.0.map(|value| value >> BITS))
        }

        pub(crate) fn with(self, next: Self) -> Four {
            let ([a, b], [c, d]) = (self.0, next.0);
            Four([a as u32, b as u32, c as u32, d as u32])
        }
    }

    impl Add for Two {
        type Output = Self;

        fn add(self, other: Self) -> Self {
            let ([a, b], [c, d]) = (self.0, other.0);
            Self([a + c, b + d])
        }
    }
}
