//! `docs/verdicts.md` and the list of cases beside it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use super::peers::{ACCEPTED, NOT_ASKED, REFUSED};
use super::{Column, REFUSED_EARLY, Verdicts};
use crate::hostile::Case;

pub(super) fn page(verdicts: &Verdicts) -> String {
    let mut page = INTRODUCTION.replace("{cases}", &verdicts.cases.len().to_string());
    page += &summary(verdicts);
    page += "\n## By group\n";
    for (letter, name) in GROUPS {
        page += &group(verdicts, letter, name);
    }
    page += EARLY;
    page += &early(verdicts);
    page += &PEERS.replace("{asked}", &asked(verdicts).count().to_string());
    page += &differences(verdicts);
    page
}

/// A line for each case, columns ended by tabs.
pub(super) fn list(verdicts: &Verdicts) -> String {
    let columns: Vec<&Column> = verdicts.platforms.iter().chain(&verdicts.peers).collect();
    let names: Vec<&str> = columns.iter().map(|column| column.judge.as_str()).collect();
    let mut list = format!("group\tcase\texpected\t{}\n", names.join("\t"));
    for (at, case) in verdicts.cases.iter().enumerate() {
        let said: Vec<&str> = columns.iter().map(|column| said(column, at)).collect();
        let _ = writeln!(list, "{}\t{}\t{}\t{}", case.group, case.name, case.verdict, said.join("\t"));
    }
    list
}

fn summary(verdicts: &Verdicts) -> String {
    let mut table = "| platform | cases judged | as expected | refused before the filter | otherwise |\n|---|---|---|---|---|\n".to_owned();
    for column in &verdicts.platforms {
        let pairs = || verdicts.cases.iter().zip(&column.verdicts);
        let expected = pairs().filter(|(case, said)| case.verdict == *said).count();
        let early = pairs().filter(|(_, said)| *said == REFUSED_EARLY).count();
        let judged = column.verdicts.len();
        let rest = judged - expected - early;
        let _ = writeln!(table, "| {} | {judged} | {expected} | {early} | {rest} |", column.judge);
    }
    table
}

/// How often each verdict was given, on each platform.
fn group(verdicts: &Verdicts, letter: char, name: &str) -> String {
    let mut counts: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (at, column) in verdicts.platforms.iter().enumerate() {
        for (case, said) in verdicts.cases.iter().zip(&column.verdicts) {
            if case.group == letter {
                let row = counts.entry(said).or_insert_with(|| vec![0; verdicts.platforms.len()]);
                row.iter_mut().skip(at).take(1).for_each(|count| *count += 1);
            }
        }
    }
    let names: Vec<&str> = verdicts.platforms.iter().map(|column| column.judge.as_str()).collect();
    let mut table = format!("\n### {letter}: {name}\n\n| verdict | {} |\n", names.join(" | "));
    table += &format!("|{}\n", "---|".repeat(names.len() + 1));
    for (verdict, row) in counts {
        let row: Vec<String> = row.iter().map(usize::to_string).collect();
        let _ = writeln!(table, "| {} | {} |", code(verdict), row.join(" | "));
    }
    table
}

/// Lists the requests that Envoy refuses by itself, by the verdict that the filter would have given.
fn early(verdicts: &Verdicts) -> String {
    let mut cases: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for column in &verdicts.platforms {
        for (case, said) in verdicts.cases.iter().zip(&column.verdicts) {
            if said == REFUSED_EARLY {
                cases.entry(case.verdict).or_default().push(&case.name);
            }
        }
    }
    let line = |(verdict, names): (&str, Vec<&str>)| format!("- `{verdict}`: {}.\n", names.join("; "));
    cases.into_iter().map(line).collect()
}

fn asked(verdicts: &Verdicts) -> impl Iterator<Item = (usize, &Case)> {
    let asked = |at: usize| verdicts.peers.first().is_some_and(|peer| said(peer, at) != NOT_ASKED);
    verdicts.cases.iter().enumerate().filter(move |(at, _)| asked(*at))
}

/// Where a peer accepts what is refused here, or the other way round: by our verdict.
fn differences(verdicts: &Verdicts) -> String {
    let names: Vec<&str> = verdicts.peers.iter().map(|peer| peer.judge.as_str()).collect();
    let mut table = format!("| ours | {} | why |\n|{}\n", names.join(" | "), "---|".repeat(names.len() + 2));
    let kinds: BTreeSet<&str> = asked(verdicts).map(|(_, case)| case.verdict).collect();
    for kind in kinds {
        let theirs = if kind == "allow" { REFUSED } else { ACCEPTED };
        let of_kind = || asked(verdicts).filter(|(_, case)| case.verdict == kind);
        let count = |peer: &Column| of_kind().filter(|(at, _)| said(peer, *at) == theirs).count();
        let counts: Vec<usize> = verdicts.peers.iter().map(count).collect();
        if counts.iter().all(|count| *count == 0) {
            continue;
        }
        let counts: Vec<String> =
            counts.iter().map(|count| format!("{theirs} {count} of {}", of_kind().count())).collect();
        let _ = writeln!(table, "| {} | {} | {} |", code(kind), counts.join(" | "), reason(kind));
    }
    table
}

/// Why judges differ where this is our verdict.
fn reason(verdict: &str) -> &'static str {
    REASONS.iter().find(|(known, _)| *known == verdict).map_or(UNEXPLAINED, |(_, why)| why)
}

fn said(column: &Column, at: usize) -> &str {
    column.verdicts.get(at).map_or("", String::as_str)
}

fn code(verdict: &str) -> String {
    if verdict == REFUSED_EARLY { verdict.to_owned() } else { format!("`{verdict}`") }
}

/// The text where a line of `REASONS` is missing.
const UNEXPLAINED: &str = "not explained";

const GROUPS: [(char, &str); 7] = [
    ('A', "serialisation"),
    ('B', "header"),
    ('C', "keys"),
    ('D', "signatures"),
    ('E', "claims"),
    ('F', "scopes and routes"),
    ('G', "requests"),
];

const INTRODUCTION: &str = "# One verdict everywhere

Written by `cargo xtask verdicts`; a promise of `cargo xtask test` runs everything below anew and compares. Every platform
judges the {cases} cases of [tests/vectors/hostile.json](../tests/vectors/hostile.json), each a request with its policy,
its keys and its time. The verdict is `public`, `allow`, or a reason code; all must be the one that the file expects.
[verdicts.tsv](verdicts.tsv) has a line for each case.

JavaScript judges by `createGate`, and by `createVerifier` as well where any valid token will do: they must agree. Node is
the one of the machine, 20 or later; the others are pinned. *Without WebAssembly* is the entry
`@keystone-auth/verifier/webcrypto` on a page whose `Content-Security-Policy` has `script-src 'self'` and nothing else.
Envoy gets the cases over HTTP/2, whose frames carry every byte as it is, on the time of each case.

";

const EARLY: &str = "
## What Envoy refuses before the filter sees it

Some bytes are not allowed in a request at all (RFC 9113 §8.2.1, RFC 9110 §5.5): Envoy answers 400 or ends the stream, and no
filter is asked. Each of these would have been refused; none was `allow` or `public`. By the verdict of the other platforms:

";

const PEERS: &str = "
## Other verifiers on the same tokens

Peers know no routes and no scopes, so they are asked about the {asked} cases that hand in one bearer token on a route that any valid
token opens. Each is told all it can be told by its options: issuer, audience, algorithm, type, required claims, leeway of 30 s,
longest age or lifetime of a day. Only differences are shown; in all other cases they agree.

";

/// A line for each kind of difference.
const REASONS: &[(&str, &str)] = &[
    (
        "allow",
        "valid, and not known to all: RFC 9864's name `Ed25519`, a key set with a member that is no key, a claim that is `null`, a lifetime of exactly the limit",
    ),
    (
        "base64",
        "decoders skip padding, line ends and spare bits, Envoy skips what stands before the token: many spellings of one token pass (RFC 7515 §2)",
    ),
    ("audience", "an audience with a slash at its end is taken for the same"),
    ("bad_authorization", "more than one space before the token is skipped"),
    ("binding", "a token bound to a key (`cnf`) is taken as a plain bearer token (RFC 7800 §3.1)"),
    ("claim_type", "claims that the library itself does not use are handed on, whatever their type"),
    (
        "claims_json",
        "lenient JSON parsers take lone surrogates, a byte order mark and numbers without an end; Envoy's also trailing commas, single quotes and names without quotes",
    ),
    (
        "crit",
        "extensions that ask for other processing (`crit`, `b64`, `zip`) are not refused (RFC 7515 §4.1.11)",
    ),
    (
        "duplicate_member",
        "of two members of one name the host's JSON parser keeps the last; another reader may keep the first",
    ),
    (
        "expired",
        "`exp` is compared as inclusive at the edge of the leeway (RFC 7519 §4.1.4 says *on or after*)",
    ),
    (
        "header_json",
        "lenient JSON parsers take lone surrogates, a byte order mark and numbers without an end; Envoy's also trailing commas, single quotes and names without quotes",
    ),
    ("issued_in_future", "`iat` in the future is not looked at"),
    ("kid", "a token without a `kid` is tried with every key"),
    ("lifetime", "there is no limit to `exp` − `iat`, or only one to the age"),
    ("limits", "depth and number of members are not limited"),
    ("malformed", "empty segments and dots at the ends are skipped"),
    ("missing_claim", "the seven claims of RFC 9068 §2.2 are not all required"),
    ("not_yet_valid", "`nbf` is not looked at"),
    ("scope_mismatch", "`scope` and its array form are not compared"),
    ("scope_syntax", "`scope` is not parsed (RFC 6749 §3.3)"),
    ("too_large", "there is no limit to the size of a token"),
    (
        "typ",
        "`typ` cannot be required, or other marks of a token that is no access token are not looked at (RFC 9068 §4)",
    ),
    (
        "unknown_kid",
        "keys whose use, operations or encoding forbid to verify with them are used all the same",
    ),
];
