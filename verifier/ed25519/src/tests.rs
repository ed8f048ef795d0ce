use alloc::vec::Vec;

use curve25519_dalek::constants::{ED25519_BASEPOINT_TABLE, EIGHT_TORSION};
use curve25519_dalek::edwards::{CompressedEdwardsY, EdwardsPoint};
use curve25519_dalek::traits::Identity as _;

use super::comb::ROWS;
use super::field::Field;
use super::*;

fn hex(text: &str) -> Vec<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16).unwrap() as u8;
    text.as_bytes().chunks(2).map(|pair| digit(pair[0]) << 4 | digit(pair[1])).collect()
}

// RFC 8032 §7.1, TEST 2.
const KEY: &str = "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c";
const SIGNATURE: &str = "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da\
                         085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00";

#[test]
fn accepts_the_rfc_vector_and_nothing_near_it() {
    let key = PublicKey::from_bytes(&hex(KEY)).unwrap();
    let signature = hex(SIGNATURE);

    assert!(key.verify(&[0x72], &signature));
    assert!(!key.verify(&[0x73], &signature));
    for bit in 0..512 {
        let mut changed = signature.clone();
        changed[bit / 8] ^= 1 << (bit % 8);
        assert!(!key.verify(&[0x72], &changed), "bit {bit}");
    }
    for length in [0, 63, 65, 128] {
        let mut resized = signature.clone();
        resized.resize(length, 0);
        assert!(!key.verify(&[0x72], &resized), "{length} bytes");
    }
}

#[test]
fn refuses_keys_of_small_order_in_every_spelling() {
    let small = [
        "0000000000000000000000000000000000000000000000000000000000000000",
        "0000000000000000000000000000000000000000000000000000000000000080",
        "0100000000000000000000000000000000000000000000000000000000000000",
        "0100000000000000000000000000000000000000000000000000000000000080",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
    ];
    for key in small {
        assert_eq!(PublicKey::from_bytes(&hex(key)), None, "{key}");
    }
}

#[test]
fn refuses_keys_with_a_second_spelling() {
    for low in 0xed..=0xff_u8 {
        for high in [0x7f, 0xff] {
            let mut bytes = [0xff; 32];
            (bytes[0], bytes[31]) = (low, high);
            assert_eq!(PublicKey::from_bytes(&bytes), None, "y = p + {}", low - 0xed);
        }
    }
    assert_eq!(PublicKey::from_bytes(&[1; 31]), None);
}

/// The check with its combs, and the one before there are any.
fn both_ways(key: &[u8; 32]) -> Option<[PublicKey; 2]> {
    let ahead = PublicKey::from_bytes(key)?;
    ahead.0.accepted.store(MIN_SIGNATURES_FOR_COMB, Ordering::Relaxed);
    while ahead.0.comb.rows().is_none() || BASE.rows().is_none() {
        ahead.0.grow_tables();
    }
    Some([ahead, PublicKey::from_bytes(key)?])
}

/// Returns the verdict of another implementation: its strict check, and a check that R is canonical.
fn oracle(key: &[u8; 32], message: &[u8], signature: &[u8; 64]) -> bool {
    let key = ed25519_dalek::VerifyingKey::from_bytes(key).unwrap();
    let r = signature.first_chunk().unwrap();
    is_canonical(r) && key.verify_strict(message, &ed25519_dalek::Signature::from_bytes(signature)).is_ok()
}

/// Bytes that differ for each number.
fn bytes(number: u64) -> [u8; 64] {
    Sha512::digest(number.to_le_bytes()).into()
}

fn agree(key: &[u8; 32], message: &[u8], signature: &[u8; 64]) -> bool {
    let expected = oracle(key, message, signature);
    for own in both_ways(key).unwrap() {
        assert_eq!(own.verify(message, signature), expected, "{key:02x?} {signature:02x?}");
    }
    expected
}

/// A signature whose R is `r`·B and `torsion`, by a key whose A is `a`·B and `key_torsion`.
fn crafted(number: u64, torsion: EdwardsPoint, key_torsion: EdwardsPoint) -> ([u8; 32], [u8; 64]) {
    let [a, r] = [2 * number, 2 * number + 1].map(|n| Scalar::from_bytes_mod_order_wide(&bytes(n)));
    let key = (&a * ED25519_BASEPOINT_TABLE + key_torsion).compress().to_bytes();
    let commitment = (&r * ED25519_BASEPOINT_TABLE + torsion).compress().to_bytes();
    let hash = Sha512::new().chain_update(commitment).chain_update(key).chain_update(MESSAGE).finalize();
    let s = r + Scalar::from_bytes_mod_order_wide(&hash.into()) * a;
    let mut signature = [0; 64];
    signature[..32].copy_from_slice(&commitment);
    signature[32..].copy_from_slice(s.as_bytes());
    (key, signature)
}

const MESSAGE: &[u8] = b"message";

#[test]
fn agrees_with_another_implementation_on_changed_signatures() {
    for number in 0..20 {
        let (key, signature) = crafted(number, EdwardsPoint::identity(), EdwardsPoint::identity());

        assert!(agree(&key, MESSAGE, &signature));
        let changes: [(usize, u8); 4] = [(0, 1), (31, 0x80), (32, 1), (63, 0x10)];
        for (place, change) in changes {
            let mut changed = signature;
            changed[place] ^= change;
            assert!(!agree(&key, MESSAGE, &changed));
        }
    }
}

#[test]
fn the_equation_has_no_cofactor_on_either_side() {
    let mut accepted = 0;
    for (number, torsion) in (100..).zip(EIGHT_TORSION) {
        for key_torsion in EIGHT_TORSION {
            let (key, signature) = crafted(number, torsion, key_torsion);
            accepted += usize::from(agree(&key, MESSAGE, &signature));
        }
    }
    assert!((1..64).contains(&accepted), "{accepted}");
}

#[test]
fn refuses_a_small_order_r_even_if_the_equation_holds() {
    // With S = h·a, R is the identity.
    let a = Scalar::from_bytes_mod_order_wide(&bytes(7));
    let key = (&a * ED25519_BASEPOINT_TABLE).compress().to_bytes();
    for torsion in EIGHT_TORSION {
        let r = torsion.compress().to_bytes();
        let hash = Sha512::new().chain_update(r).chain_update(key).chain_update(MESSAGE).finalize();
        let s = Scalar::from_bytes_mod_order_wide(&hash.into()) * a;
        let signature: [u8; 64] = [r, s.to_bytes()].concat().try_into().unwrap();

        assert!(!agree(&key, MESSAGE, &signature));
    }
}

#[test]
fn a_second_spelling_of_s_is_refused() {
    let (key, signature) = crafted(8, EdwardsPoint::identity(), EdwardsPoint::identity());
    let mut larger = signature;
    let mut carry = 0;
    for (byte, order) in larger[32..].iter_mut().zip(GROUP_ORDER) {
        carry += u16::from(*byte) + u16::from(order);
        *byte = carry as u8;
        carry >>= 8;
    }

    assert!(agree(&key, MESSAGE, &signature));
    assert!(!agree(&key, MESSAGE, &larger));
}

/// Little-endian (RFC 8032 §5.1).
const GROUP_ORDER: [u8; 32] = [
    0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, 0, 0, 0,
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
];

#[test]
fn accepts_exactly_canonical_keys_of_large_order() {
    let mut taken = 0;
    for number in 0..200 {
        let candidate: [u8; 32] = *bytes(number).first_chunk().unwrap();
        let point = CompressedEdwardsY(candidate).decompress();
        let expected = is_canonical(&candidate) && point.is_some_and(|point| !point.is_small_order());
        assert_eq!(PublicKey::from_bytes(&candidate).is_some(), expected, "{candidate:02x?}");
        taken += usize::from(expected);
    }
    assert!((50..150).contains(&taken), "{taken}");
}

#[test]
fn points_are_written_as_they_were_read() {
    for number in 0..50 {
        let candidate: [u8; 32] = *bytes(number).first_chunk().unwrap();
        if let Some(point) = Point::decompress(&candidate) {
            assert_eq!(point.compress(), candidate);
            let twice = CompressedEdwardsY(candidate).decompress().map(|point| point + point).unwrap();
            let after = |change: fn(&mut Point, &Point)| {
                let mut sum = point;
                change(&mut sum, &point);
                sum.compress()
            };
            assert_eq!(after(|sum, _| sum.double()), twice.compress().to_bytes());
            assert_eq!(after(Point::add), twice.compress().to_bytes());
            assert_eq!(after(|sum, point| sum.add(&point.negated())), Point::IDENTITY.compress());
        }
    }
}

#[test]
fn a_number_times_its_inverse_is_one() {
    let small = (1..40).map(small_number);
    let near_p = (1..40).map(|low| Field::ZERO.minus(&small_number(low)).settled());
    let powers = (0..255).map(|bit| {
        let mut power = [0; 32];
        power[bit / 8] = 1 << (bit % 8);
        Field::from_bytes(&power)
    });
    let random = (0..500).map(|number| {
        let mut random = *bytes(number).first_chunk::<32>().unwrap();
        random[31] &= 0x7f;
        Field::from_bytes(&random)
    });
    for number in small.chain(near_p).chain(powers).chain(random) {
        let inverse = inverse::inverse(&number.to_bytes());

        assert!(is_canonical(&inverse));
        assert_eq!(number.times(&Field::from_bytes(&inverse)).to_bytes(), Field::ONE.to_bytes());
    }
    assert_eq!(inverse::inverse(&[0; 32]), [0; 32]);
}

fn small_number(low: u8) -> Field {
    Field::from_bytes(&core::array::from_fn(|at| if at == 0 { low } else { 0 }))
}

#[test]
fn a_comb_grows_only_where_there_is_room() {
    let (comb, base) = (Comb::new(), Point::base().unwrap());
    (0..=ROWS).for_each(|_| comb.grow_within(&base, 0));
    assert!(comb.rows().is_none());

    (0..ROWS).for_each(|_| comb.grow_within(&base, usize::MAX));
    assert!(comb.rows().is_some());
}

#[test]
fn a_comb_gives_the_multiples_of_its_point() {
    let comb = Comb::new();
    for _ in 0..ROWS {
        assert!(comb.rows().is_none());
        comb.grow(&Point::base().unwrap());
    }
    let rows = comb.rows().unwrap();
    let largest = core::array::from_fn(|at| GROUP_ORDER[at] - u8::from(at == 0));
    let edges = [[0; 32], core::array::from_fn(|at| u8::from(at == 0)), largest];
    let random = (0..50).map(|number| Scalar::from_bytes_mod_order_wide(&bytes(number)).to_bytes());
    for scalar in edges.into_iter().chain(random) {
        let expected =
            (&Scalar::from_bytes_mod_order(scalar) * ED25519_BASEPOINT_TABLE).compress().to_bytes();

        for scalars in [[scalar, [0; 32]], [[0; 32], scalar]] {
            let sum = comb::sum_of_rows(scalars.each_ref().map(|scalar| (&rows, scalar)));
            assert_eq!(sum.compress(), expected);
        }
    }
}

#[test]
fn only_valid_signatures_give_a_key_its_comb() {
    let (key, signature) = crafted(9, EdwardsPoint::identity(), EdwardsPoint::identity());
    let key = PublicKey::from_bytes(&key).unwrap();

    for _ in 0..2 * MIN_SIGNATURES_FOR_COMB {
        assert!(!key.verify(b"another", &signature));
    }
    assert!(key.0.comb.rows().is_none());
    for _ in 0..FOR_A_KEY {
        assert!(key.0.comb.rows().is_none());
        assert!(key.verify(MESSAGE, &signature));
    }
    assert!(key.0.comb.rows().is_some());
    for _ in 0..ROWS {
        assert!(key.verify(MESSAGE, &signature));
    }
    assert!(BASE.rows().is_some());
    assert!(key.verify(MESSAGE, &signature) && !key.verify(b"another", &signature));
}

/// Good signatures until a key has its comb.
const FOR_A_KEY: usize = MIN_SIGNATURES_FOR_COMB as usize + ROWS;
