//! Where the real programs are: told by `cargo xtask test` in `KEYTEST_…`. The only file that reads the environment.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

/// Paths of everything a stack is made of.
#[derive(Clone, Debug, Default)]
pub struct Tools {
    /// The issuer's binary.
    pub keystone: PathBuf,
    /// The same, built with telemetry.
    pub observed: PathBuf,
    pub envoy: PathBuf,
    /// The Envoy filter's `.wasm`.
    pub filter: PathBuf,
    /// The directory of `postgres`, `initdb` and `createdb`.
    pub postgres: PathBuf,
    pub redis: PathBuf,
    pub chromium: PathBuf,
    pub firefox: PathBuf,
    /// WebKitGTK's own browser.
    pub webkit: PathBuf,
    /// The display it needs.
    pub xvfb: PathBuf,
    pub node: PathBuf,
    pub python: PathBuf,
    /// The Python packages of the tests.
    pub python_packages: PathBuf,
    /// The built npm package.
    pub package: PathBuf,
    /// Judges the hostile file natively.
    pub judge: PathBuf,
    /// The library that hands Envoy the time.
    pub clock: PathBuf,
}

impl Tools {
    pub fn from_env() -> Result<Self> {
        Ok(Self {
            keystone: tool("KEYTEST_KEYSTONE")?,
            observed: tool("KEYTEST_OBSERVED")?,
            envoy: tool("KEYTEST_ENVOY")?,
            filter: tool("KEYTEST_FILTER")?,
            postgres: tool("KEYTEST_POSTGRES")?,
            redis: tool("KEYTEST_REDIS")?,
            chromium: tool("KEYTEST_CHROMIUM")?,
            firefox: tool("KEYTEST_FIREFOX")?,
            webkit: tool("KEYTEST_WEBKIT")?,
            xvfb: tool("KEYTEST_XVFB")?,
            node: tool("KEYTEST_NODE")?,
            python: tool("KEYTEST_PYTHON")?,
            python_packages: tool("KEYTEST_PYTHON_PACKAGES")?,
            package: tool("KEYTEST_PACKAGE")?,
            judge: tool("KEYTEST_JUDGE")?,
            clock: tool("KEYTEST_CLOCK")?,
        })
    }

    /// Only what the issuer is made of; the other paths are empty.
    pub fn of_the_issuer() -> Result<Self> {
        Ok(Self {
            keystone: tool("KEYTEST_KEYSTONE")?,
            postgres: tool("KEYTEST_POSTGRES")?,
            redis: tool("KEYTEST_REDIS")?,
            ..Self::default()
        })
    }

    /// Only what verifies in Node.
    pub fn of_node() -> Result<Self> {
        Ok(Self { node: tool("KEYTEST_NODE")?, package: tool("KEYTEST_PACKAGE")?, ..Self::default() })
    }

    /// Only Envoy with its filter.
    pub fn of_envoy() -> Result<Self> {
        Ok(Self { envoy: tool("KEYTEST_ENVOY")?, filter: tool("KEYTEST_FILTER")?, ..Self::default() })
    }

    /// Returns the tools of a soak: Envoy with its filter, the issuer, and PostgreSQL.
    pub fn of_soak() -> Result<Self> {
        let (keystone, postgres) = (tool("KEYTEST_KEYSTONE")?, tool("KEYTEST_POSTGRES")?);
        Ok(Self { keystone, postgres, ..Self::of_envoy()? })
    }

    /// The same, as the variables `from_env` reads.
    pub fn to_env(&self) -> [(&'static str, &Path); 16] {
        [
            ("KEYTEST_KEYSTONE", &self.keystone),
            ("KEYTEST_OBSERVED", &self.observed),
            ("KEYTEST_ENVOY", &self.envoy),
            ("KEYTEST_FILTER", &self.filter),
            ("KEYTEST_POSTGRES", &self.postgres),
            ("KEYTEST_REDIS", &self.redis),
            ("KEYTEST_CHROMIUM", &self.chromium),
            ("KEYTEST_FIREFOX", &self.firefox),
            ("KEYTEST_WEBKIT", &self.webkit),
            ("KEYTEST_XVFB", &self.xvfb),
            ("KEYTEST_NODE", &self.node),
            ("KEYTEST_PYTHON", &self.python),
            ("KEYTEST_PYTHON_PACKAGES", &self.python_packages),
            ("KEYTEST_PACKAGE", &self.package),
            ("KEYTEST_JUDGE", &self.judge),
            ("KEYTEST_CLOCK", &self.clock),
        ]
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "this is where the harness learns what xtask installed and built"
)]
fn tool(name: &str) -> Result<PathBuf> {
    let value =
        std::env::var_os(name).with_context(|| format!("{name} is not set: run `cargo xtask test e2e`"))?;
    let path = PathBuf::from(value);
    ensure!(path.exists(), "{name} says {}, which does not exist: run `cargo xtask build`", path.display());
    Ok(path)
}
