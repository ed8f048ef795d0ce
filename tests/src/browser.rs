//! Real headless Chromium on the page of the orders API.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::Value;

use crate::cast;
use crate::node::{BROWSE, Node};
use crate::tools::Tools;

/// Drives Chromium through Node.
#[derive(Clone, Debug)]
pub struct Browser {
    node: Node,
    chromium: PathBuf,
}

impl Browser {
    pub fn new(tools: &Tools, node: &Node) -> Self {
        Self { node: node.clone(), chromium: tools.chromium.clone() }
    }

    /// Signs a user in, tries everything that the page offers, and returns what was on the screen
    /// (`tests/js/browse.mjs`).
    pub fn visit(&self, url: &str, name: &str, screenshot: &Path) -> Result<Value> {
        let chromium = self.chromium.to_string_lossy();
        let screenshot = screenshot.to_string_lossy();
        let args = [&chromium, url, name, cast::password(name)?, &screenshot];
        let seen = self.node.run(BROWSE, &args, Duration::from_secs(120))?;
        serde_json::from_str(&seen).with_context(|| format!("not JSON: {seen}"))
    }
}
