//! Chromium, Firefox and WebKit. They are not remote-controlled: a page evaluates the cases and sends the results.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::stand::Stand;
use super::{Column, LIMIT};
use crate::process::Process;
use crate::program::Program;
use crate::tools::Tools;

pub(super) fn judge(tools: &Tools, home: &Path, stand: &Stand) -> Result<Vec<Column>> {
    let display = Display::start(tools, &home.join("display"))?;
    let browsers = [chromium(tools), firefox(tools), webkit(tools, &display)];
    let mut columns = Vec::new();
    for (page, build) in
        [("page.html", ""), ("strict.html", " without WebAssembly"), ("built/bundled.html", " by Vite")]
    {
        for browser in &browsers {
            let platform = format!("{}{build}", browser.name);
            let key = platform.replace(' ', "-");
            let url = format!("{}/{page}#{key}", stand.url());
            // A number, because Chromium puts a socket there, whose path has room for 107 bytes.
            let mut process = browser.open(&home.join(columns.len().to_string()), &url)?;
            process.ready(LIMIT, || stand.has(&key))?;
            columns.push(Column { judge: platform, ..stand.column(&key)? });
        }
    }
    Ok(columns)
}

struct Browser {
    name: &'static str,
    program: PathBuf,
    args: &'static [&'static str],
    env: Vec<(&'static str, String)>,
}

impl Browser {
    fn open(&self, home: &Path, url: &str) -> Result<Process> {
        let profile = home.join("profile");
        fs::create_dir_all(&profile)?;
        fs::write(profile.join("user.js"), QUIET_FIREFOX)?;
        let mut program = Program::new(self.name, &self.program, home).args(self.args);
        for (name, value) in &self.env {
            program = program.env(name, value);
        }
        program.arg(url).start()
    }
}

fn chromium(tools: &Tools) -> Browser {
    const ARGS: &[&str] = &[
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--user-data-dir=profile",
    ];
    Browser { name: "Chromium", program: tools.chromium.clone(), args: ARGS, env: Vec::new() }
}

fn firefox(tools: &Tools) -> Browser {
    let args = &["--headless", "--no-remote", "--profile", "profile"];
    Browser { name: "Firefox", program: tools.firefox.clone(), args, env: Vec::new() }
}

fn webkit(tools: &Tools, display: &Display) -> Browser {
    let env = vec![("DISPLAY", display.name.clone()), ("GTK_A11Y", "none".to_owned())];
    Browser { name: "WebKit", program: tools.webkit.clone(), args: &["--private"], env }
}

/// A virtual screen, which WebKit's own browser needs.
struct Display {
    name: String,
    _server: Process,
}

impl Display {
    fn start(tools: &Tools, home: &Path) -> Result<Self> {
        fs::create_dir_all(home)?;
        let mut server = Program::new("xvfb", &tools.xvfb, home)
            .args(["-displayfd", "1", "-screen", "0", "800x600x24", "-nolisten", "tcp"])
            .start()?;
        let log = server.log().to_owned();
        // It writes the number it chose once it can be used.
        let number = || fs::read_to_string(&log).ok()?.lines().find_map(|line| line.parse::<u32>().ok());
        server.ready(LIMIT, || number().is_some())?;
        let number = number().context("Xvfb chose no display")?;
        Ok(Self { name: format!(":{number}"), _server: server })
    }
}

/// Settings with which the first start asks no questions and opens no pages of its own.
const QUIET_FIREFOX: &str = r#"
user_pref("browser.shell.checkDefaultBrowser", false);
user_pref("browser.aboutwelcome.enabled", false);
user_pref("datareporting.policy.dataSubmissionEnabled", false);
user_pref("toolkit.telemetry.reportingpolicy.firstRun", false);
user_pref("app.normandy.enabled", false);
user_pref("app.update.enabled", false);
user_pref("network.captive-portal-service.enabled", false);
user_pref("network.connectivity-service.enabled", false);
"#;
