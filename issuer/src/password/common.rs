//! The passwords everybody tries first: a list of words, and the disguises people give them.
//!
//! Asking the list for each disguise covers far more than a file of whole passwords: case, letters written as digits
//! and signs (`P@ssw0rd`), numbers, years and signs around the word, doubled words, runs and keyboard walks.

use std::collections::HashSet;
use std::sync::LazyLock;

/// Whether an attacker would try `password` among the first million guesses or so.
pub(super) fn is_common(password: &str) -> bool {
    let lower = password.to_lowercase();
    is_listed(&lower) || is_repetition(&lower) || is_walk(&lower) || is_disguised_word(&lower)
}

fn is_listed(text: &str) -> bool {
    static LISTED: LazyLock<HashSet<&str>> = LazyLock::new(|| WORDS.lines().collect());
    LISTED.contains(text)
}

/// One character, or one listed or short piece, again and again.
fn is_repetition(text: &str) -> bool {
    let characters: Vec<char> = text.chars().collect();
    (1..=characters.len() / 2).any(|length| {
        let (piece, rest) = characters.split_at(length);
        let repeats = rest.chunks(length).all(|chunk| piece.starts_with(chunk));
        let piece: String = piece.iter().collect();
        repeats && (length <= 4 || is_listed(&piece) || is_walk(&piece) || is_disguised_word(&piece))
    })
}

/// Made of stretches of the keyboard, the alphabet or one character, each of at least three, in either direction.
fn is_walk(text: &str) -> bool {
    let plain: String = text.chars().map(unshifted).collect();
    let mut rest: &str = &plain;
    while !rest.is_empty() {
        match (3..=rest.len())
            .rev()
            .find_map(|length| rest.split_at_checked(length).filter(|(head, _)| on_a_row(head)))
        {
            Some((_, tail)) => rest = tail,
            None => return false,
        }
    }
    !plain.is_empty()
}

fn on_a_row(stretch: &str) -> bool {
    let reversed: String = stretch.chars().rev().collect();
    stretch.chars().all(|c| stretch.starts_with(c))
        || ROWS.iter().any(|row| row.contains(stretch) || row.contains(&reversed))
}

/// The key under a sign, on the keyboards where most lists come from.
fn unshifted(c: char) -> char {
    "!@#$%^&*()".chars().zip("1234567890".chars()).find(|(sign, _)| *sign == c).map_or(c, |(_, digit)| digit)
}

/// A listed word with numbers and signs around it, or with letters written as something else.
fn is_disguised_word(text: &str) -> bool {
    let alphabetic = |c: char| c.is_alphabetic();
    let bare = text.trim_matches(|c| !alphabetic(c));
    let undone: String =
        text.trim_matches(|c: char| !c.is_alphanumeric() && letter(c) == c).chars().map(letter).collect();
    let undone_bare: String = trim_numbers(text).chars().map(letter).collect();
    let total = text.chars().count();
    [bare, &undone, &undone_bare].into_iter().any(|word| {
        let length = word.chars().count();
        length >= 3 && total <= length + MOST_ADDED && (is_listed(word) || is_repetition_of_word(word))
    })
}

fn is_repetition_of_word(word: &str) -> bool {
    (1..word.len()).filter_map(|at| word.split_at_checked(at)).any(|(one, other)| {
        one.chars().count() >= 3 && other.chars().count() >= 3 && is_listed(one) && is_listed(other)
    })
}

/// Without the numbers and signs at the end, and the signs at the beginning: what begins a word may be a disguised letter.
fn trim_numbers(text: &str) -> &str {
    text.trim_end_matches(|c: char| !c.is_alphabetic())
        .trim_start_matches(|c: char| !c.is_alphanumeric() && letter(c) == c)
}

/// The letter that a digit or sign stands for.
fn letter(c: char) -> char {
    match c {
        '0' => 'o',
        '1' | '!' | '|' => 'i',
        '2' => 'z',
        '3' | '€' => 'e',
        '4' | '@' => 'a',
        '5' | '$' => 's',
        '6' | '9' => 'g',
        '7' | '+' => 't',
        '8' => 'b',
        other => other,
    }
}

/// Lower case, sorted, one a line.
const WORDS: &str = include_str!("common.txt");
/// Characters around a listed word that an attacker's rules try anyway.
const MOST_ADDED: usize = 6;
/// Rows and diagonals of keyboards, and the orders everybody knows.
const ROWS: [&str; 14] = [
    "01234567890123456789",
    "abcdefghijklmnopqrstuvwxyz",
    "qwertyuiop[]",
    "asdfghjkl;'",
    "zxcvbnm,./",
    "qwertzuiopü",
    "azertyuiop",
    "yxcvbnm",
    "qsdfghjklm",
    "1qaz2wsx3edc4rfv5tgb6yhn7ujm8ik",
    "1q2w3e4r5t6y7u8i9o0p",
    "q1w2e3r4t5y6u7i8o9p0",
    "zaq1xsw2cde3vfr4bgt5nhy6mju7",
    "13579024680",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_sorted_lower_case_and_long_enough() {
        let words: Vec<&str> = WORDS.lines().collect();

        assert!(words.len() >= 1500, "{}", words.len());
        assert!(words.is_sorted_by(|one, other| one < other));
        assert!(words.iter().all(|word| *word == word.to_lowercase() && !word.is_empty()));
    }

    #[test]
    fn famous_passwords_are_common() {
        for password in [
            "123456",
            "password",
            "123456789",
            "12345678",
            "qwerty",
            "abc123",
            "monkey",
            "letmein",
            "trustno1",
            "dragon",
            "iloveyou",
            "Passw0rd",
            "P@$$w0rd",
            "admin123",
            "Admin@123",
            "Welcome@2024",
            "qwerty123",
            "1q2w3e4r5t",
            "1qaz2wsx",
            "zaq12wsx",
            "!QAZ2wsx",
            "Football1!",
            "Liverpool2023",
            "michael1",
            "Princess_99",
            "password1!",
            "Sommer2025!",
            "Superman#1",
            "asdfghjkl",
            "qwertyuiop",
            "000000000",
            "abcd1234",
            "aaaa1111",
            "changeme",
            "Changeme123!",
            "baseball12",
            "1234qwer",
            "q1w2e3r4",
            "monkeymonkey",
            "letmeinplease",
            "L3tm31n!",
        ] {
            assert!(is_common(password), "{password}");
        }
    }

    #[test]
    fn chosen_passwords_are_not() {
        for password in [
            "kV7!mzQp",
            "nine purple hats",
            "correct horse battery staple",
            "Tr0ub4dor&3-xylem",
            "wq-ujF4-pbbn",
            "my dragon eats 7 green apples",
        ] {
            assert!(!is_common(password), "{password}");
        }
    }
}
