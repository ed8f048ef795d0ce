//! The inputs that guided runs found worth keeping, and random changes of them, keep every promise.

use std::fs;
use std::panic;
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use crate::TARGETS;

#[test]
fn every_kept_input_and_changes_of_it_keep_the_promises() {
    for (name, check) in TARGETS {
        let kept = corpus(name);
        assert!(!kept.is_empty(), "{name} has no corpus");
        for (path, input) in &kept {
            hold(name, check, input, path);
        }
        let inputs: Vec<&[u8]> = kept.iter().map(|(_, input)| input.as_slice()).collect();
        let mut changes = Changes { state: Sha256::digest(name).into(), left: Vec::new() };
        for round in 0..ROUNDS {
            hold(name, check, &changes.of(&inputs), Path::new(&format!("change {round}")));
        }
    }
}

#[test]
fn the_corpus_stays_small() {
    let bytes: usize = TARGETS.iter().flat_map(|(name, _)| corpus(name)).map(|(_, input)| input.len()).sum();
    assert!(bytes < 200_000, "{bytes} bytes: merge the corpus with -merge=1");
}

const ROUNDS: usize = 400;

fn corpus(target: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target);
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files.into_iter().map(|path| (path.clone(), fs::read(path).unwrap())).collect()
}

fn hold(target: &str, check: fn(&[u8]), input: &[u8], source: &Path) {
    if panic::catch_unwind(|| check(input)).is_err() {
        panic!("{target}, {}: {}", source.display(), input.escape_ascii());
    }
}

/// Random changes of inputs, the same in every run.
struct Changes {
    state: [u8; 32],
    left: Vec<u8>,
}

impl Changes {
    fn of(&mut self, inputs: &[&[u8]]) -> Vec<u8> {
        let mut input = inputs[self.below(inputs.len())].to_vec();
        for _ in 0..=self.below(4) {
            let (from, until) = (self.below(input.len() + 1), self.below(input.len() + 1));
            let piece = from.min(until)..from.max(until).min(from.min(until) + 16);
            match self.below(5) {
                0 => drop(input.drain(piece)),
                1 => drop(input.splice(piece.start..piece.start, input[piece.clone()].to_vec())),
                2 => input.insert(from, self.byte()),
                3 => {
                    let other = inputs[self.below(inputs.len())];
                    let start = self.below(other.len() + 1);
                    input.splice(piece, other[start..].iter().copied().take(32).collect::<Vec<_>>());
                }
                _ => {
                    if let Some(byte) = input.get_mut(from) {
                        *byte ^= 1 << self.below(8);
                    }
                }
            }
        }
        input
    }

    fn below(&mut self, end: usize) -> usize {
        usize::from(u16::from_le_bytes([self.byte(), self.byte()])) % end
    }

    fn byte(&mut self) -> u8 {
        if self.left.is_empty() {
            self.state = Sha256::digest(self.state).into();
            self.left = self.state.to_vec();
        }
        self.left.pop().unwrap()
    }
}
