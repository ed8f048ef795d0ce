//! The form in which proxy-wasm carries header maps: count, sizes, then every name and value with a zero byte
//! behind it, all numbers little-endian 32 bit. Reading never panics and never asks for UTF-8.

/// Returns the headers in `raw`, in order, duplicates included, or `None` if `raw` is not such a map.
pub fn read(raw: &[u8]) -> Option<Vec<(&[u8], &[u8])>> {
    let (count, mut sizes) = number(raw)?;
    let mut text = sizes.get(count.checked_mul(8)?..)?;
    let mut pairs = Vec::with_capacity(count);
    for _ in 0..count {
        let (name_size, rest) = number(sizes)?;
        let (value_size, rest) = number(rest)?;
        sizes = rest;
        let (name, rest) = terminated(text, name_size)?;
        let (value, rest) = terminated(rest, value_size)?;
        text = rest;
        pairs.push((name, value));
    }
    text.is_empty().then_some(pairs)
}

/// Writes `pairs` in the form that the host reads.
pub fn write<N: AsRef<[u8]>, V: AsRef<[u8]>>(pairs: &[(N, V)]) -> Vec<u8> {
    let pairs = || pairs.iter().map(|(name, value)| (name.as_ref(), value.as_ref()));
    let mut raw = Vec::with_capacity(4 + pairs().map(|(n, v)| n.len() + v.len() + 10).sum::<usize>());
    push_number(&mut raw, pairs().len());
    for (name, value) in pairs() {
        push_number(&mut raw, name.len());
        push_number(&mut raw, value.len());
    }
    for (name, value) in pairs() {
        raw.extend_from_slice(name);
        raw.push(0);
        raw.extend_from_slice(value);
        raw.push(0);
    }
    raw
}

/// A map without headers.
pub const EMPTY: [u8; 4] = [0; 4];

fn number(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let (number, rest) = bytes.split_first_chunk()?;
    Some((usize::try_from(u32::from_le_bytes(*number)).ok()?, rest))
}

fn terminated(bytes: &[u8], size: usize) -> Option<(&[u8], &[u8])> {
    let (text, rest) = bytes.split_at_checked(size)?;
    Some((text, rest.strip_prefix(&[0])?))
}

fn push_number(raw: &mut Vec<u8>, number: usize) {
    // A longer header map does not fit into the memory of a 32-bit VM.
    raw.extend_from_slice(&u32::try_from(number).unwrap_or(u32::MAX).to_le_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back_with_its_duplicates() {
        let raw = write(&[(":path", "/"), ("a", ""), ("a", "2")]);

        let pairs = read(&raw).unwrap();

        assert_eq!(pairs, [(&b":path"[..], &b"/"[..]), (b"a", b""), (b"a", b"2")]);
    }

    #[test]
    fn an_empty_map_has_no_pairs() {
        assert_eq!(read(&EMPTY).unwrap(), []);
        assert_eq!(write::<&str, &str>(&[]), EMPTY);
    }

    #[test]
    fn bytes_that_are_not_utf_8_are_read_as_they_are() {
        let mut raw = write(&[("a", "xx")]);
        let value = raw.len() - 3;
        raw[value..value + 2].copy_from_slice(&[0xff, 0x80]);

        assert_eq!(read(&raw).unwrap(), [(&b"a"[..], &[0xff, 0x80][..])]);
    }

    #[test]
    fn a_map_cut_short_or_drawn_out_or_with_wild_sizes_is_refused() {
        let raw = write(&[("authorization", "Bearer a.b.c"), ("b", "c")]);

        for end in 0..raw.len() {
            assert_eq!(read(&raw[..end]), None, "cut at {end}");
        }
        assert_eq!(read(&[&raw[..], &[0]].concat()), None);
        for position in 0..20 {
            let mut wild = raw.clone();
            wild[position] = 0xff;
            assert_eq!(read(&wild), None, "wild size at {position}");
        }
    }
}
