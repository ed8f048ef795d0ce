//! The documents tell the truth: every path and every `keystone` command they name exists.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Result, ensure};
use keystone_tests::docs::{anchors, documents, links, mentions, named_test, paths, subcommands};

use crate::lab::{Alone, Lab, promises};

pub(crate) const PROMISES: &[(&str, Alone)] = promises![
    every_path_in_the_documents_exists,
    every_link_in_the_documents_leads_somewhere,
    every_test_in_the_documents_exists,
    every_keystone_command_in_the_documents_exists,
];

fn every_path_in_the_documents_exists(_: &Lab) -> Result<()> {
    let mut missing = Vec::new();
    for document in documents(&root())? {
        for mention in mentions(&fs::read_to_string(&document)?) {
            let beside = |path: &String| document.parent().is_some_and(|parent| parent.join(path).exists());
            let gone =
                paths(&mention).into_iter().filter(|path| !root().join(path).exists() && !beside(path));
            missing.extend(gone.map(|path| format!("{}:{}: {path}", name(&document), mention.line)));
        }
    }

    ensure!(missing.is_empty(), "no such file:\n{}", missing.join("\n"));
    Ok(())
}

fn every_link_in_the_documents_leads_somewhere(_: &Lab) -> Result<()> {
    let mut broken = Vec::new();
    for document in documents(&root())? {
        let text = fs::read_to_string(&document)?;
        for link in links(&text) {
            let (path, anchor) = link.text.split_once('#').unwrap_or((&link.text, ""));
            let target = match path {
                "" => document.clone(),
                path => document.parent().unwrap_or(&document).join(path),
            };
            let leads = match anchor {
                "" => target.exists(),
                anchor => {
                    fs::read_to_string(&target).is_ok_and(|text| anchors(&text).iter().any(|a| a == anchor))
                }
            };
            if !leads {
                broken.push(format!("{}:{}: {}", name(&document), link.line, link.text));
            }
        }
    }

    ensure!(broken.is_empty(), "broken links:\n{}", broken.join("\n"));
    Ok(())
}

/// A threat whose test was renamed away is a threat without a test.
fn every_test_in_the_documents_exists(_: &Lab) -> Result<()> {
    let mut missing = Vec::new();
    let mut found = 0;
    for document in documents(&root())? {
        for mention in mentions(&fs::read_to_string(&document)?) {
            let Some((file, test)) = named_test(&mention) else { continue };
            let source = fs::read_to_string(root().join(file)).unwrap_or_default();
            if source.contains(&format!("fn {test}(")) {
                found += 1;
            } else {
                missing.push(format!("{}:{}: {}", name(&document), mention.line, mention.text));
            }
        }
    }

    ensure!(missing.is_empty(), "no such test:\n{}", missing.join("\n"));
    ensure!(found > 30, "only {found} tests were found: is docs/security.md read?");
    Ok(())
}

fn every_keystone_command_in_the_documents_exists(lab: &Lab) -> Result<()> {
    let home = lab.issuer_home("documented-commands", |_| ())?;
    let mut wrong = Vec::new();
    for document in documents(&root())? {
        for mention in mentions(&fs::read_to_string(&document)?) {
            for command in subcommands(&mention, "keystone") {
                if home.command(&[&command, "--help"])?.code() != Some(0) {
                    wrong.push(format!("{}:{}: keystone {command}", name(&document), mention.line));
                }
            }
        }
    }

    ensure!(wrong.is_empty(), "no such command:\n{}", wrong.join("\n"));
    Ok(())
}

fn name(document: &Path) -> String {
    document.strip_prefix(root()).unwrap_or(document).display().to_string()
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}
