//! The passages of a Rust file. A small scanner tells comments, texts and code apart; it knows no more of the language.

use crate::prose::passages::{Kind, Passage, documentation, joined};

/// Returns the documentation comments, the texts of the program and the names of functions.
pub(crate) fn passages(path: &str, text: &str) -> Vec<Passage> {
    let mut scanner = Scanner { rest: text, line: 1, comments: Vec::new(), found: Vec::new() };
    scanner.scan();
    let Scanner { comments, mut found, .. } = scanner;
    let first_test = (1..).zip(text.lines()).find(|(_, line)| line.starts_with("#[cfg(test)]"));
    let first_test = if is_test(path) { 0 } else { first_test.map_or(usize::MAX, |(line, _)| line) };
    found.retain(|passage| passage.kind != Kind::Literal || passage.line < first_test);
    found.extend(joined(comments.into_iter()).iter().flat_map(|(line, text)| documentation(*line, text)));
    found
}

/// Texts of tests are read by developers only.
fn is_test(path: &str) -> bool {
    path.starts_with("tests/") || path.contains("/tests/") || path.ends_with("tests.rs")
}

struct Scanner<'a> {
    rest: &'a str,
    line: usize,
    comments: Vec<(usize, &'a str)>,
    found: Vec<Passage>,
}

impl<'a> Scanner<'a> {
    fn scan(&mut self) {
        while let Some(first) = self.rest.chars().next() {
            match first {
                '/' if self.rest.starts_with("//") => self.comment(),
                '/' if self.rest.starts_with("/*") => drop(self.take_past("*/")),
                '"' => self.text(),
                '\'' => self.character(),
                'r' if self.rest.starts_with("r\"") || self.rest.starts_with("r#") => self.raw_text(),
                _ if first.is_alphanumeric() || first == '_' => self.word(),
                _ => drop(self.take(first.len_utf8())),
            }
        }
    }

    fn take(&mut self, length: usize) -> &'a str {
        let (taken, rest) = self.rest.split_at_checked(length).unwrap_or((self.rest, ""));
        self.line += taken.matches('\n').count();
        self.rest = rest;
        taken
    }

    /// Takes everything up to the end of the next `end`.
    fn take_past(&mut self, end: &str) -> &'a str {
        let length = self.rest.find(end).map_or(self.rest.len(), |at| at + end.len());
        self.take(length)
    }

    fn take_while(&mut self, belongs: impl Fn(char) -> bool) -> &'a str {
        self.take(self.rest.find(|letter| !belongs(letter)).unwrap_or(self.rest.len()))
    }

    fn comment(&mut self) {
        let line = self.line;
        let comment = self.take_past("\n");
        let text = comment.strip_prefix("//!").or_else(|| comment.strip_prefix("///"));
        self.comments.extend(text.map(|text| (line, text.trim())));
    }

    fn text(&mut self) {
        let line = self.line;
        self.take(1);
        let mut escaped = false;
        let end = self.rest.find(|letter| {
            let is_end = letter == '"' && !escaped;
            escaped = letter == '\\' && !escaped;
            is_end
        });
        let text = self.take(end.unwrap_or(self.rest.len()));
        self.take(1);
        self.add_literal(line, text);
    }

    fn raw_text(&mut self) {
        let line = self.line;
        self.take(1);
        let hashes = self.take_while(|letter| letter == '#');
        if self.take(1) == "\"" {
            let end = format!("\"{hashes}");
            let text = self.take_past(&end);
            self.add_literal(line, text.strip_suffix(&end).unwrap_or(text));
        }
    }

    fn add_literal(&mut self, line: usize, text: &str) {
        let pieces: Vec<&str> = text.split("\\\n").map(str::trim_start).collect();
        let text = pieces.concat().replace("\\n", "\n");
        self.found.push(Passage { line, kind: Kind::Literal, text });
    }

    /// A character or a lifetime.
    fn character(&mut self) {
        let mut letters = self.rest.chars().skip(1);
        match (letters.next(), letters.next()) {
            (Some('\\'), _) => {
                self.take(3);
                self.take_past("'");
            }
            (Some(letter), Some('\'')) => drop(self.take(letter.len_utf8() + 2)),
            _ => drop(self.take(1)),
        }
    }

    fn word(&mut self) {
        let belongs = |letter: char| letter.is_alphanumeric() || letter == '_';
        if self.take_while(belongs) == "fn" {
            self.take_while(char::is_whitespace);
            let (line, name) = (self.line, self.take_while(belongs).to_owned());
            self.found.push(Passage { line, kind: Kind::Name, text: name });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(path: &str, text: &str) -> Vec<(usize, Kind, String)> {
        let passages = passages(path, text);
        passages.into_iter().map(|passage| (passage.line, passage.kind, passage.text)).collect()
    }

    #[test]
    fn comments_texts_and_names_are_told_from_code() {
        let text = "//! One\n//! two.\n/// Three.\nfn four<'a>(b: char) -> &'a str {\n    // five\n    \
                    if b == '\"' { \"six\\\"\" } else { r#\"\"seven\"\"# }\n}\n";

        let expected = [
            (4, Kind::Name, "four".to_owned()),
            (6, Kind::Literal, "six\\\"".to_owned()),
            (6, Kind::Literal, "\"seven\"".to_owned()),
            (1, Kind::Opening, "One two. Three.".to_owned()),
        ];
        assert_eq!(texts("a.rs", text), expected);
    }

    #[test]
    fn texts_of_tests_are_not_checked() {
        let text = "const A: &str = \"one\";\n#[cfg(test)]\nmod tests {\n    const B: &str = \"two\";\n}\n";

        assert_eq!(texts("src/a.rs", text).len(), 1);
        assert_eq!(texts("src/a/tests.rs", text).len(), 0);
    }
}
