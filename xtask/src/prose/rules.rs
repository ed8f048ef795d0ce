//! The writing rules that a program can check.

use crate::prose::passages::{Kind, Passage};

#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) enum Rule {
    LongSentence,
    Opening,
    Word,
    LongName,
}

impl Rule {
    pub(crate) const ALL: [Self; 4] = [Self::LongSentence, Self::Opening, Self::Word, Self::LongName];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::LongSentence => "long-sentence",
            Self::Opening => "opening",
            Self::Word => "word",
            Self::LongName => "long-name",
        }
    }
}

/// A violation of a rule.
#[derive(Debug, Eq, PartialEq)]
pub(crate) struct Finding {
    pub(crate) line: usize,
    pub(crate) rule: Rule,
    pub(crate) message: String,
}

/// Returns the violations in one passage of a file.
pub(crate) fn findings(path: &str, passage: &Passage) -> Vec<Finding> {
    let mut found = Vec::new();
    let mut add = |rule, message| found.push(Finding { line: passage.line, rule, message });
    let text = without_code(&passage.text);
    match passage.kind {
        Kind::Name => {
            let length = passage.text.chars().count();
            if length > LONGEST_NAME {
                add(Rule::LongName, format!("{length} characters: {}", passage.text));
            }
            return found;
        }
        // A short text is a key or a fragment, and SQL has its own words.
        Kind::Literal if words(&text).count() < SHORTEST_TEXT || is_sql(&text) => return found,
        Kind::Literal | Kind::Paragraph => {}
        Kind::Opening => {
            let first = words(&text).next().unwrap_or_default();
            if OPENINGS.contains(&first) {
                add(
                    Rule::Opening,
                    format!("a comment begins with \"{first}\": say what the item is or does"),
                );
            }
        }
    }
    for sentence in sentences(&text) {
        let length = words(sentence).count();
        if length > LONGEST_SENTENCE {
            let start: Vec<&str> = sentence.split_whitespace().take(6).collect();
            add(Rule::LongSentence, format!("{length} words: {} …", start.join(" ")));
        }
    }
    for (word, instead) in banned(path, &text) {
        add(Rule::Word, format!("\"{word}\": {instead}"));
    }
    found
}

/// Replaces code and the targets of links by nothing that could be mistaken for a word.
fn without_code(text: &str) -> String {
    let spans = text.split('`').zip([false, true].into_iter().cycle());
    let text: String = spans.map(|(span, is_code)| if is_code { "code" } else { span }).collect();
    let mut pieces = text.split("](");
    let first = pieces.next().unwrap_or_default().to_owned();
    let after_links = pieces.map(|piece| piece.split_once(')').map_or(piece, |(_, rest)| rest));
    after_links.fold(first, |text, rest| text + "]" + rest)
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    let trimmed =
        text.split_whitespace().map(|word| word.trim_matches(|letter: char| !letter.is_alphanumeric()));
    trimmed.filter(|word| !word.is_empty())
}

fn sentences(text: &str) -> impl Iterator<Item = &str> {
    text.split("\n").flat_map(|line| line.split(". ")).flat_map(|part| part.split(['?', '!']))
}

fn is_sql(text: &str) -> bool {
    let is_keyword = |word: &str| SQL.contains(&word);
    words(text).any(is_keyword)
}

/// Returns the banned words and phrases in a text, with what to write instead.
fn banned(path: &str, text: &str) -> Vec<(&'static str, &'static str)> {
    let lower: Vec<String> = words(text).map(str::to_lowercase).collect();
    let padded = format!(" {} ", lower.join(" "));
    let here = BANNED.iter().filter(|banned| !banned.except.iter().any(|folder| path.starts_with(folder)));
    let each = here.flat_map(|Banned { word, instead, .. }| {
        std::iter::repeat_n((*word, *instead), padded.matches(&format!(" {word} ")).count())
    });
    each.collect()
}

const LONGEST_SENTENCE: usize = 35;
const LONGEST_NAME: usize = 60;
const SHORTEST_TEXT: usize = 4;

const SQL: [&str; 10] =
    ["SELECT", "INSERT", "UPDATE", "DELETE", "WITH", "LOCK", "CREATE", "FROM", "WHERE", "ALTER"];
const OPENINGS: [&str; 5] = ["What", "Whoever", "Of", "Who", "Nobody"];

/// A word or phrase, what to write instead, and where it is a term of another trade.
struct Banned {
    word: &'static str,
    instead: &'static str,
    except: &'static [&'static str],
}

const fn banned_everywhere(word: &'static str, instead: &'static str) -> Banned {
    Banned { word, instead, except: &[] }
}

const BANNED: [Banned; 33] = [
    banned_everywhere("anew", "again"),
    banned_everywhere("bed", "test database"),
    banned_everywhere("cast", "fixtures"),
    banned_everywhere("dear", "expensive"),
    banned_everywhere("desk", "transaction"),
    banned_everywhere("foretell", "preview"),
    banned_everywhere("house", "project or architecture"),
    Banned { word: "lane", instead: "hash pool", except: SIMD },
    Banned { word: "lanes", instead: "hash pools", except: SIMD },
    banned_everywhere("ledger", "audit log"),
    banned_everywhere("lookout", "probe"),
    banned_everywhere("no such thing", "not found"),
    banned_everywhere("nobody", "name the person or program, or use the passive"),
    Banned { word: "promise", instead: "guarantee, invariant or test", except: PROMISES },
    Banned { word: "promises", instead: "guarantees, invariants or tests", except: PROMISES },
    banned_everywhere("rehearse", "dry run"),
    banned_everywhere("room", "module or crate"),
    banned_everywhere("rooms", "modules or crates"),
    banned_everywhere("skin", "adapter"),
    banned_everywhere("skins", "adapters"),
    banned_everywhere("somebody", "name the person or program"),
    banned_everywhere("standing", "status"),
    banned_everywhere("stranger", "outsider"),
    banned_everywhere("strangers", "outsiders"),
    banned_everywhere("taken back", "revoked"),
    banned_everywhere("tidings", "news"),
    banned_everywhere("walk", "walkthrough"),
    banned_everywhere("walks", "walkthroughs"),
    banned_everywhere("whoever", "name the person or program"),
    banned_everywhere("whose way", "rephrase"),
    banned_everywhere("wishes", "changes or update"),
    banned_everywhere("workshop", "tooling"),
    banned_everywhere("parcel", "batch"),
];

/// Where the parts of a SIMD register are meant.
const SIMD: &[&str] = &["verifier/"];
/// Where the class of ECMAScript is meant.
const PROMISES: &[&str] = &["js/", "docs/typescript"];

#[cfg(test)]
mod tests {
    use super::*;

    fn messages(kind: Kind, text: &str) -> Vec<String> {
        let passage = Passage { line: 1, kind, text: text.to_owned() };
        findings("src/a.rs", &passage).into_iter().map(|finding| finding.message).collect()
    }

    #[test]
    fn a_plain_passage_has_no_findings() {
        let text = "Returns the scopes of a session, or `None` if [the session](a-skin.md) does not exist.";

        assert!(messages(Kind::Opening, text).is_empty());
    }

    #[test]
    fn a_long_sentence_is_found() {
        let sentence = |length: usize| vec!["word"; length].join(" ");

        let (longest, too_long) = (sentence(LONGEST_SENTENCE), sentence(LONGEST_SENTENCE + 1));
        assert!(messages(Kind::Paragraph, &format!("{longest}. {longest}")).is_empty());
        assert_eq!(messages(Kind::Paragraph, &too_long), ["36 words: word word word word word word …"]);
    }

    #[test]
    fn the_first_word_of_a_comment_is_checked() {
        assert_eq!(messages(Kind::Opening, "What the body says.").len(), 1);
        assert_eq!(messages(Kind::Paragraph, "What the body says.").len(), 0);
    }

    #[test]
    fn banned_words_are_found_as_whole_words() {
        assert_eq!(
            messages(Kind::Paragraph, "The room. A workshop, mushrooms and `skin`."),
            ["\"room\": module or crate", "\"workshop\": tooling"]
        );
    }

    #[test]
    fn literals_are_checked_when_they_are_sentences() {
        assert_eq!(messages(Kind::Literal, "the room is full").len(), 1);
        assert_eq!(messages(Kind::Literal, "room").len(), 0);
        assert_eq!(messages(Kind::Literal, "SELECT room FROM house WHERE 1").len(), 0);
    }

    #[test]
    fn long_names_are_found() {
        assert_eq!(messages(Kind::Name, &"a".repeat(60)).len(), 0);
        assert_eq!(messages(Kind::Name, &"a".repeat(61)).len(), 1);
    }
}
