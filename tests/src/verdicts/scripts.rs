//! Node, Deno, Bun, workerd, and what stands between the package and one of them: bundlers and test runners.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde_json::json;

use super::stand::{self, Stand};
use super::{Column, LIMIT};
use crate::http::Site;
use crate::ledger::Ledger;
use crate::program::Program;
use crate::tools::Tools;
use crate::{hostile, node, ports};

/// A folder as a user of the package has one: the packed package unpacked, scripts, other packages.
#[derive(Debug)]
pub(super) struct Workshop {
    home: PathBuf,
    node: PathBuf,
}

impl Workshop {
    pub(super) fn furnish(tools: &Tools, home: &Path) -> Result<Self> {
        let workshop = Self { home: home.to_owned(), node: tools.node.clone() };
        fs::create_dir_all(home.join("node_modules/@keystone-auth"))?;
        for entry in fs::read_dir(stand::scripts())? {
            let entry = entry?;
            fs::copy(entry.path(), home.join(entry.file_name()))?;
        }
        for package in PACKAGES {
            node::link(&installed(package), &home.join("node_modules").join(package))?;
        }
        let manifest = json!({
            "name": "judge",
            "type": "module",
            "dependencies": { "@keystone-auth/verifier": "*" },
            "jest": { "transform": {} },
        });
        fs::write(home.join("package.json"), manifest.to_string())?;
        workshop.unpack(&tools.package)?;
        workshop.node("vite", &["vite.mjs"]).run("", LIMIT)?.succeeded()?;
        workshop
            .node("esbuild", &["node_modules/esbuild/bin/esbuild"])
            .args(ESBUILD)
            .run("", LIMIT)?
            .succeeded()?;
        Ok(workshop)
    }

    /// As npm would install it from its registry.
    fn unpack(&self, package: &Path) -> Result<()> {
        let beside = self.node.parent().unwrap_or(Path::new("/")).to_string_lossy().into_owned();
        Program::new("npm", &self.node.with_file_name("npm"), &self.home)
            .args(["pack", "--ignore-scripts", "--pack-destination", "."])
            .arg(package)
            .env("PATH", format!("{beside}:/usr/bin:/bin"))
            .run("", LIMIT)?
            .succeeded()?;
        let files = fs::read_dir(&self.home)?.flatten().map(|entry| entry.path());
        let tarball = files.filter(|path| path.extension().is_some_and(|end| end == "tgz")).last();
        Program::new("tar", Path::new("tar"), &self.home)
            .arg("xzf")
            .arg(tarball.context("npm packed nothing")?)
            .run("", LIMIT)?
            .succeeded()?;
        Ok(fs::rename(self.home.join("package"), self.package())?)
    }

    pub(super) fn package(&self) -> PathBuf {
        self.home.join("node_modules/@keystone-auth/verifier")
    }

    /// Returns the folder of Vite's output.
    pub(super) fn built(&self) -> PathBuf {
        self.home.join("built")
    }

    pub(super) fn judge(&self, stand: &Stand) -> Result<Vec<Column>> {
        let mut columns = Vec::new();
        for (platform, program, args) in self.runs()? {
            let key = platform.replace(' ', "-");
            Program::new(&key, &program, &self.home)
                .args(args)
                .env("NODE_OPTIONS", "--experimental-vm-modules")
                .env("SERVER", stand.url())
                .env("PLATFORM", &key)
                .run("", LIMIT)?
                .succeeded()?;
            columns.push(Column { judge: platform.to_owned(), ..stand.column(&key)? });
        }
        columns.push(self.workerd()?);
        Ok(columns)
    }

    fn runs(&self) -> Result<Vec<(&'static str, PathBuf, &'static [&'static str])>> {
        let node = || self.node.clone();
        let jest: &[_] = &["node_modules/jest/bin/jest.js", "--watchman=false", "--cacheDirectory=jest"];
        let vitest: &[_] = &["node_modules/vitest/vitest.mjs", "run", "--globals"];
        let deno: &[_] = &["run", "--allow-net=127.0.0.1", "--allow-read", "--allow-env", "module.mjs"];
        Ok(vec![
            ("Node ESM", node(), &["module.mjs"]),
            ("Node CommonJS", node(), &["commonjs.cjs"]),
            ("Node 22", installed("node-22/bin/node"), &["module.mjs"]),
            ("Node 24", installed("node-24/bin/node"), &["module.mjs"]),
            ("Deno", native("@deno", "deno")?, deno),
            ("Bun", native("@oven", "bin/bun")?, &["module.mjs"]),
            ("esbuild", node(), &["bundled-by-esbuild.mjs"]),
            ("jest", node(), jest),
            ("vitest", installed("node-22/bin/node"), vitest),
        ])
    }

    /// It runs no script to its end, it answers requests.
    fn workerd(&self) -> Result<Column> {
        let site = Site::new(ports::free()?, &Ledger::default());
        let address = format!("http=127.0.0.1:{}", site.port);
        let mut process = Program::new("workerd", &native("@cloudflare", "bin/workerd")?, &self.home)
            .args(["serve", "worker.capnp", "--socket-addr", &address])
            .start()?;
        process.ready(LIMIT, || site.get("/").send().is_ok())?;
        let told = site.post("/").body("application/json", hostile::file()).send()?.expect(200)?;
        stand::column("workerd", told.text().as_bytes())
    }

    /// The other verifiers' opinions, as `peers.mjs` prints them.
    pub(super) fn peers(&self) -> Result<String> {
        self.node("peers", &["peers.mjs"]).run(&hostile::file(), LIMIT)?.succeeded()
    }

    fn node(&self, name: &str, args: &[&str]) -> Program {
        Program::new(name, &self.node, &self.home).args(args.iter().copied())
    }
}

/// A file of an npm package of the tests.
fn installed(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("js/node_modules").join(path)
}

/// The program in the one package of this scope that npm found to be for this machine.
fn native(scope: &str, path: &str) -> Result<PathBuf> {
    let packages = fs::read_dir(installed(scope)).with_context(|| format!("npm installed no {scope}"))?;
    let mut programs = packages.flatten().map(|package| package.path().join(path));
    programs.find(|program| program.is_file()).with_context(|| format!("{scope} holds no {path}"))
}

const PACKAGES: [&str; 7] = ["aws-jwt-verify", "esbuild", "fast-jwt", "jest", "jose", "vite", "vitest"];
const ESBUILD: [&str; 5] =
    ["module.mjs", "--bundle", "--platform=node", "--format=esm", "--outfile=bundled-by-esbuild.mjs"];
