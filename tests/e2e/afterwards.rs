//! Checks the files that the whole run left, after every other test and program has ended.

use std::sync::Arc;

use anyhow::{Result, ensure};
use libtest_mimic::Trial;

use crate::lab::{self, Lab};

pub(crate) fn trials(lab: &Arc<Lab>) -> Vec<Trial> {
    let (secrets, panics) = (Arc::clone(lab), Arc::clone(lab));
    vec![
        Trial::test("afterwards::no_log_holds_a_secret", move || lab::told(no_log_holds_a_secret(&secrets))),
        Trial::test("afterwards::no_log_tells_of_a_panic", move || {
            lab::told(no_log_tells_of_a_panic(&panics))
        }),
    ]
}

/// B-12
fn no_log_holds_a_secret(lab: &Lab) -> Result<()> {
    let leaks = lab.ledger.leaks_below(&lab.root)?;

    ensure!(leaks.is_empty(), "{}", leaks.join("\n"));
    Ok(())
}

fn no_log_tells_of_a_panic(lab: &Lab) -> Result<()> {
    let panics = keystone_tests::ledger::lines_below(&lab.root, "panicked")?;

    ensure!(panics.is_empty(), "{}", panics.join("\n"));
    Ok(())
}
