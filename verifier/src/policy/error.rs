//! The error for a policy file: what is wrong, and where.

use alloc::string::{String, ToString};
use core::fmt;

use crate::json::{JsonError, JsonFault};
use crate::text::{joined, text};

/// The first mistake of a policy file: line, member and what would be right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyError {
    line: usize,
    /// As `routes[1].path`; empty for the whole document.
    member: String,
    problem: String,
}

impl PolicyError {
    /// Returns the line, counted from 1.
    pub const fn line(&self) -> usize {
        self.line
    }

    pub(super) fn json(text: &[u8], error: JsonError) -> Self {
        let problem = match error.fault {
            JsonFault::Syntax => "not JSON (RFC 8259)",
            JsonFault::DuplicateMember => "a member with this name stands before in the same object",
            JsonFault::Limits => "nested too deep, too many members or too long a name",
        };
        Self::at_line(text, Fault { at: error.at, member: String::new(), problem: problem.to_string() })
    }

    pub(super) fn at_line(text: &[u8], fault: Fault) -> Self {
        let before = text.get(..fault.at).unwrap_or(text);
        let line = 1 + before.iter().filter(|&&byte| byte == b'\n').count();
        Self { line, member: fault.member, problem: fault.problem }
    }
}

impl fmt::Display for PolicyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { line, member, problem } = self;
        if member.is_empty() {
            write!(f, "line {line}: {problem}")
        } else {
            write!(f, "line {line}, {member}: {problem}")
        }
    }
}

impl core::error::Error for PolicyError {}

/// A mistake at a byte offset.
#[derive(Debug)]
pub(super) struct Fault {
    pub(super) at: usize,
    pub(super) member: String,
    pub(super) problem: String,
}

impl Fault {
    pub(super) fn unknown(at: usize, member: &str, known: &[&str]) -> Self {
        let known = joined(known, "`, `");
        Self { at, member: member.to_string(), problem: text!("unknown member; known are `{known}`") }
    }
}
