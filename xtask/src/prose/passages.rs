//! The passages of English text in a file: paragraphs of documents and comments, texts of the program, names of tests.

use crate::prose::rust;

/// A piece of text, and the line on which it starts.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Passage {
    pub(crate) line: usize,
    pub(crate) kind: Kind,
    pub(crate) text: String,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Kind {
    /// The first paragraph of a documentation comment.
    Opening,
    /// Another paragraph.
    Paragraph,
    /// A text that the program prints or sends.
    Literal,
    /// The name of a function or a test.
    Name,
}

/// Returns the passages of a file, which its ending tells how to read.
pub(crate) fn of(path: &str, text: &str) -> Vec<Passage> {
    let ending = path.rsplit('.').next().unwrap_or_default();
    match ending {
        "md" if path == "CHANGELOG.md" => markdown(1, newest_section(text)),
        "md" => markdown(1, text),
        "rs" => rust::passages(path, text),
        "sql" => comments(text, "--"),
        "ts" | "mts" => [block_comments(text), test_names(text)].concat(),
        "mjs" => test_names(text),
        _ => Vec::new(),
    }
}

/// Returns the paragraphs, list items and table cells of a Markdown text without its blocks of code.
pub(crate) fn markdown(first_line: usize, text: &str) -> Vec<Passage> {
    let mut found: Vec<Passage> = Vec::new();
    let (mut in_code, mut is_open) = (false, false);
    for (line, content) in (first_line..).zip(text.lines()) {
        let content = content.trim().trim_start_matches(['>', '#']).trim_start();
        let is_fence = content.starts_with("```");
        in_code ^= is_fence;
        if in_code || is_fence || content.is_empty() {
            is_open = false;
            continue;
        }
        let is_row = content.starts_with('|');
        match found.last_mut().filter(|_| is_open && !is_row && !is_list_item(content)) {
            Some(paragraph) => paragraph.text = format!("{} {content}", paragraph.text),
            None => found.extend(parts(content, is_row).map(|part| paragraph(line, part))),
        }
        is_open = !is_row;
    }
    found
}

fn parts(content: &str, is_row: bool) -> impl Iterator<Item = &str> {
    let cells = content.split(move |letter| is_row && letter == '|').map(str::trim);
    cells.filter(|cell| !cell.is_empty())
}

fn is_list_item(line: &str) -> bool {
    let after_number = line.trim_start_matches(|letter: char| letter.is_ascii_digit());
    let is_numbered = after_number.len() < line.len() && after_number.starts_with(". ");
    is_numbered || line.starts_with("- ") || line.starts_with("* ") || line.starts_with('@')
}

fn paragraph(line: usize, text: &str) -> Passage {
    Passage { line, kind: Kind::Paragraph, text: text.to_owned() }
}

/// Returns the passages of a documentation comment, which is Markdown.
pub(crate) fn documentation(first_line: usize, text: &str) -> Vec<Passage> {
    let mut found = markdown(first_line, text);
    if let Some(first) = found.first_mut() {
        first.kind = Kind::Opening;
    }
    found
}

/// Returns a changelog up to its second version.
fn newest_section(text: &str) -> &str {
    let second = text.match_indices("\n## ").nth(1);
    second.and_then(|(at, _)| text.get(..at)).unwrap_or(text)
}

/// Joins the comments of consecutive lines.
fn comments(text: &str, marker: &str) -> Vec<Passage> {
    let lines = (1..).zip(text.lines());
    let comments = lines.filter_map(|(line, text)| Some((line, text.trim().strip_prefix(marker)?)));
    joined(comments).into_iter().flat_map(|(line, text)| markdown(line, &text)).collect()
}

/// Joins texts that stand on consecutive lines.
pub(crate) fn joined<'a>(lines: impl Iterator<Item = (usize, &'a str)>) -> Vec<(usize, String)> {
    let mut found: Vec<(usize, String)> = Vec::new();
    let mut previous = None;
    for (line, text) in lines {
        match found.last_mut().filter(|_| previous == line.checked_sub(1)) {
            Some((_, joined)) => *joined = format!("{joined}\n{text}"),
            None => found.push((line, text.to_owned())),
        }
        previous = Some(line);
    }
    found
}

/// Returns the `/** … */` comments of a script.
fn block_comments(text: &str) -> Vec<Passage> {
    let starts = text.match_indices("/**").map(|(at, _)| text.split_at(at));
    let comment = |(before, rest): (&str, &str)| {
        let inside = rest.trim_start_matches("/**").split("*/").next().unwrap_or_default();
        let lines: Vec<&str> = inside.lines().map(|line| line.trim().trim_start_matches('*')).collect();
        documentation(before.matches('\n').count() + 1, &lines.join("\n"))
    };
    starts.flat_map(comment).collect()
}

/// Returns what `test("…"` and `it("…"` say in a script.
fn test_names(text: &str) -> Vec<Passage> {
    let name = |(line, text): (usize, &str)| {
        let call = text.trim_start().trim_start_matches("await ").trim_start_matches("t.");
        let rest = call.strip_prefix("test(")?.strip_prefix(['"', '\'', '`'])?;
        let name = rest.split(['"', '\'', '`']).next()?;
        Some(Passage { line, kind: Kind::Name, text: name.to_owned() })
    };
    (1..).zip(text.lines()).filter_map(name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(passages: &[Passage]) -> Vec<(usize, &str)> {
        passages.iter().map(|passage| (passage.line, passage.text.as_str())).collect()
    }

    #[test]
    fn paragraphs_items_and_cells_are_passages_code_is_not() {
        let text = "# One\n\ntwo\nthree\n- four\n1. five\n| six | seven |\n```\ncode\n```\neight\n";

        let expected = [
            (1, "One"),
            (3, "two three"),
            (5, "- four"),
            (6, "1. five"),
            (7, "six"),
            (7, "seven"),
            (11, "eight"),
        ];
        assert_eq!(texts(&markdown(1, text)), expected);
    }

    #[test]
    fn only_the_newest_section_of_the_changelog_is_read() {
        let passages = of("CHANGELOG.md", "# Changelog\n\n## Unreleased\n\nnew\n\n## 0.1.0\n\nold\n");

        assert_eq!(texts(&passages), [(1, "Changelog"), (3, "Unreleased"), (5, "new")]);
    }

    #[test]
    fn comments_in_sql_are_joined() {
        let passages = of("migrations/1.sql", "-- One\n-- two.\nCREATE TABLE t ();\n-- Three\n");

        assert_eq!(texts(&passages), [(1, "One two."), (4, "Three")]);
    }

    #[test]
    fn comments_and_test_names_of_scripts_are_passages() {
        let passages = of(
            "js/src/a.ts",
            "const a = 1;\n/**\n * One\n * two.\n *\n * Three.\n */\ntest(\"it is\", b);\n",
        );

        assert_eq!(texts(&passages), [(3, "One two."), (6, "Three."), (8, "it is")]);
        assert_eq!(passages[0].kind, Kind::Opening);
        assert_eq!(passages[2].kind, Kind::Name);
    }
}
