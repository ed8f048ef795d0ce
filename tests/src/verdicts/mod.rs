//! The hostile file judged on every platform, and by other people's verifiers: what `docs/verdicts.md` tells.

mod browsers;
mod document;
mod gateway;
mod peers;
mod scripts;
mod stand;

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Result, ensure};

use crate::hostile::{self, Case};
use crate::program::Program;
use crate::tools::Tools;

use self::scripts::Workshop;
use self::stand::Stand;

/// The verdicts of one platform, in the order of the file.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Column {
    pub judge: String,
    pub verdicts: Vec<String>,
}

impl Column {
    /// The error says how many cases are missing.
    fn complete(judge: impl Into<String>, verdicts: Vec<String>) -> Result<Self> {
        let judge = judge.into();
        let cases = hostile::cases().len();
        ensure!(verdicts.len() == cases, "{judge} judged {} of {cases} cases", verdicts.len());
        Ok(Self { judge, verdicts })
    }
}

/// Everybody's verdicts.
#[derive(Clone, Debug)]
pub struct Verdicts {
    cases: Vec<Case>,
    platforms: Vec<Column>,
    peers: Vec<Column>,
}

impl Verdicts {
    /// Starts every platform and every peer once.
    pub fn collect(tools: &Tools, home: &Path) -> Result<Self> {
        fs::create_dir_all(home)?;
        let workshop = Workshop::furnish(tools, &home.join("workshop"))?;
        let stand = Stand::start(&workshop)?;
        let mut platforms = vec![native(tools, home)?];
        platforms.extend(workshop.judge(&stand)?);
        platforms.extend(browsers::judge(tools, &home.join("browsers"), &stand)?);
        let gateway = gateway::judge(tools, &home.join("envoy"))?;
        platforms.push(gateway.keystone);
        let mut peers = peers::columns(&workshop.peers()?)?;
        peers.push(gateway.jwt_authn);
        Ok(Self { cases: hostile::cases(), platforms, peers })
    }

    /// Every verdict of a platform that is not the one of the file. What Envoy refuses before the filter sees it is
    /// none, if it is to be refused.
    pub fn wrong(&self) -> Vec<String> {
        let mut wrong = Vec::new();
        for Column { judge, verdicts } in &self.platforms {
            for (case, verdict) in self.cases.iter().zip(verdicts) {
                let refused_early = verdict == REFUSED_EARLY && !matches!(case.verdict, "allow" | "public");
                if verdict != case.verdict && !refused_early {
                    wrong.push(format!("{judge}: {}: {verdict} instead of {}", case.name, case.verdict));
                }
            }
        }
        wrong
    }

    /// The files that tell of it, below `docs/`.
    pub fn files(&self) -> [(&'static str, String); 2] {
        [("verdicts.md", document::page(self)), ("verdicts.tsv", document::list(self))]
    }
}

fn native(tools: &Tools, home: &Path) -> Result<Column> {
    let file = home.join("hostile.json");
    fs::write(&file, hostile::file())?;
    let told = Program::new("judge", &tools.judge, home).arg(&file).run("", LIMIT)?.succeeded()?;
    Column::complete("native", told.lines().map(str::to_owned).collect())
}

/// Envoy answered by itself or ended the stream: no filter saw the request.
const REFUSED_EARLY: &str = "refused by Envoy";
/// Longer than any of them takes on a machine that does much else.
const LIMIT: Duration = Duration::from_secs(120);
