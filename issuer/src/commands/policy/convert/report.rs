//! What the person who converts must know: what a policy cannot say, and where it asks for more than Envoy did.

use std::cell::RefCell;

/// Collects while a document is read.
#[derive(Debug, Default)]
pub(super) struct Report {
    unsaid: RefCell<Vec<String>>,
    notes: RefCell<Vec<String>>,
}

/// Marks a part of the source that a policy cannot say. The report holds its place and the reason.
#[derive(Clone, Copy, Debug)]
pub(super) struct Unsaid;

pub(super) type Said<T> = Result<T, Unsaid>;

impl Report {
    /// Records a part of the source that a policy cannot say: the conversion is not complete.
    pub(super) fn unsaid(&self, sentence: String) -> Unsaid {
        push(&mut self.unsaid.borrow_mut(), sentence);
        Unsaid
    }

    /// Records where the policy asks for more than its source. The conversion is complete all the same.
    pub(super) fn note(&self, sentence: String) {
        push(&mut self.notes.borrow_mut(), sentence);
    }

    pub(super) fn has_unsaid(&self) -> bool {
        !self.unsaid.borrow().is_empty()
    }

    /// Returns what cannot be said, then the notes.
    pub(super) fn into_lists(self) -> (Vec<String>, Vec<String>) {
        (self.unsaid.into_inner(), self.notes.into_inner())
    }
}

fn push(list: &mut Vec<String>, sentence: String) {
    if !list.contains(&sentence) {
        list.push(sentence);
    }
}
