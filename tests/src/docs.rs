//! Reading the documents as a newcomer would: every path, link and command they name.

use std::path::{Path, PathBuf};
use std::{fs, io};

/// A piece of code in a document.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Mention {
    pub line: usize,
    pub text: String,
}

/// Returns the documents of the project at `root`: its README, CONTRIBUTING, and every page below `docs`.
pub fn documents(root: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = vec![root.join("README.md"), root.join("CONTRIBUTING.md")];
    let mut folders = vec![root.join("docs")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|end| end == "md") {
                found.push(path);
            }
        }
    }
    Ok(found)
}

/// Returns the targets of links inside the project: a path relative to the document, an anchor, or both.
pub fn links(markdown: &str) -> Vec<Mention> {
    let mut found = mentions(markdown);
    let is_link = |line: &str, target: &str| line.contains(&format!("]({target})"));
    let lines: Vec<&str> = markdown.lines().collect();
    found.retain(|mention| {
        lines.get(mention.line - 1).is_some_and(|line| is_link(line, &mention.text))
            && !mention.text.contains("://")
    });
    found
}

/// Returns the anchors of a document, made from its headings as GitHub does.
pub fn anchors(markdown: &str) -> Vec<String> {
    let mut fenced = false;
    let mut found = Vec::new();
    for line in markdown.lines() {
        fenced ^= line.trim_start().starts_with("```");
        if let Some(heading) =
            line.trim_start_matches('#').strip_prefix(' ').filter(|_| !fenced && line.starts_with('#'))
        {
            let kept = heading
                .to_lowercase()
                .chars()
                .filter(|c| c.is_alphanumeric() || " -_".contains(*c))
                .collect::<String>();
            found.push(kept.replace(' ', "-"));
        }
    }
    found
}

/// Returns the texts between backticks, the lines of fenced blocks and the targets of links.
pub fn mentions(markdown: &str) -> Vec<Mention> {
    let mut found = Vec::new();
    let mut fenced = false;
    for (number, line) in markdown.lines().enumerate() {
        let mention = |text: &str| Mention { line: number + 1, text: text.trim().to_owned() };
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
        } else if fenced {
            found.push(mention(line));
        } else {
            found.extend(line.split('`').skip(1).step_by(2).map(mention));
            found.extend(line.split("](").skip(1).filter_map(|rest| rest.split(')').next()).map(mention));
        }
    }
    found
}

/// The lines of every shell block from one heading to the end of the document.
pub fn shell_lines(markdown: &str, heading: &str) -> Vec<String> {
    let mut lines = Vec::new();
    let mut in_shell = false;
    for line in markdown.lines().skip_while(|line| *line != heading).map(str::trim) {
        match line {
            "```sh" => in_shell = true,
            "```" => in_shell = false,
            command if in_shell => lines.push(command.to_owned()),
            _ => {}
        }
    }
    lines
}

/// The fenced blocks of a language.
pub fn blocks(markdown: &str, language: &str) -> Vec<String> {
    let fence = format!("```{language}\n");
    markdown.split(&fence).skip(1).filter_map(|rest| rest.split("```").next()).map(str::to_owned).collect()
}

/// The words of a mention that look like a path inside the project.
pub fn paths(mention: &Mention) -> Vec<String> {
    let words = mention.text.split(|letter: char| letter.is_whitespace() || "()\"'=,;".contains(letter));
    words.filter(|word| is_path(word)).map(|word| word.trim_end_matches(['.', ':']).to_owned()).collect()
}

/// The test that a mention names: `issuer/src/hex.rs::bytes_survive` gives the file and the function.
pub fn named_test(mention: &Mention) -> Option<(&str, &str)> {
    let (file, name) = mention.text.split_once(".rs::")?;
    let is_name = |text: &str| text.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '_');
    is_name(name).then(|| (mention.text.get(..file.len() + 3).unwrap_or_default(), name))
}

/// The words that follow `command` in a mention, each time it is named: `keystone serve` gives `serve`.
pub fn subcommands(mention: &Mention, command: &str) -> Vec<String> {
    let words: Vec<&str> = mention.text.split_whitespace().collect();
    let parts: Vec<&str> = command.split(' ').collect();
    let after = words.windows(parts.len() + 1).filter(|window| window.starts_with(&parts));
    let next = after.filter_map(|window| window.last());
    next.filter(|word| word.chars().all(|letter| letter.is_ascii_lowercase()))
        .map(|word| (*word).to_owned())
        .collect()
}

/// Returns whether a word is a relative path of plain letters, in a folder of the project or with a file extension.
fn is_path(word: &str) -> bool {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "._-/".contains(letter);
    let ending = word.rsplit('/').next().and_then(|name| name.rsplit_once('.')).map(|(_, ending)| ending);
    let room = word.split('/').next().unwrap_or_default();
    word.contains('/')
        && word.chars().all(plain)
        && !word.starts_with(['/', '-', '.'])
        && !MADE.iter().any(|made| word.starts_with(made))
        && (ROOMS.contains(&room) || ending.is_some_and(|ending| ENDINGS.contains(&ending)))
}

const ROOMS: [&str; 9] =
    ["docs", "envoy-filter", "issuer", "js", "migrations", "tests", "verifier", "verifier-wasm", "xtask"];
const ENDINGS: [&str; 10] = ["html", "js", "json", "md", "mjs", "rs", "sql", "toml", "ts", "yaml"];
/// Files that commands make; a fresh clone has none of them.
const MADE: [&str; 6] = ["dist/", "js/dist", "js/pkg", "keystone-data", "keystone-demo", "target/"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_fences_and_links_are_mentions() {
        let found = mentions("see `a/b.rs` and [c](docs/c.md)\n```\ncargo xtask demo\n```\n");

        let texts: Vec<&str> = found.iter().map(|mention| mention.text.as_str()).collect();
        assert_eq!(texts, ["a/b.rs", "docs/c.md", "cargo xtask demo"]);
    }

    #[test]
    fn links_are_told_from_code_and_from_other_sites() {
        let found = links("[a](a.md#b) `c/d.md` [e](https://e.example) [f](#g)");

        let targets: Vec<&str> = found.iter().map(|link| link.text.as_str()).collect();
        assert_eq!(targets, ["a.md#b", "#g"]);
    }

    #[test]
    fn anchors_are_those_of_github() {
        let found = anchors("# The `a_b` key\n```sh\n# no heading\n```\n## What next?\n");

        assert_eq!(found, ["the-a_b-key", "what-next"]);
    }

    #[test]
    fn shell_lines_begin_at_the_heading() {
        let found = shell_lines(
            "```sh\nno\n```\n## B\n1. x:\n\n   ```sh\n   keystone serve\n   ```\n```toml\nno = 1\n```\n",
            "## B",
        );

        assert_eq!(found, ["keystone serve"]);
    }

    #[test]
    fn paths_are_told_from_urls_types_and_made_things() {
        let mention = Mention {
            line: 1,
            text: "issuer/src/http and docs/x.md, /auth/token application/json js/dist/index.js".to_owned(),
        };

        assert_eq!(paths(&mention), ["issuer/src/http", "docs/x.md"]);
    }

    #[test]
    fn a_named_test_is_a_file_and_a_function() {
        let mention = |text: &str| Mention { line: 1, text: text.to_owned() };

        assert_eq!(named_test(&mention("a/b.rs::it_is")), Some(("a/b.rs", "it_is")));
        assert_eq!(named_test(&mention("a/b.rs")), None);
    }

    #[test]
    fn the_word_after_a_command_is_its_subcommand() {
        let mention = Mention { line: 1, text: "$ cargo xtask test e2e && cargo xtask --help".to_owned() };

        assert_eq!(subcommands(&mention, "cargo xtask"), ["test"]);
    }
}
