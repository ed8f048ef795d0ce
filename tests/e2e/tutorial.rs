//! `docs/tutorial.md`: its commands, run one after the other as they are written, but for ports and the two builds.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::time::Duration;

use anyhow::{Result, ensure};
use keystone_tests::docs::shell_lines;
use keystone_tests::ports;
use keystone_tests::program::Program;

use crate::lab::{Alone, Lab, promises};

pub(crate) const PROMISES: &[(&str, Alone)] = promises![the_tutorial_ends_with_a_revoked_token_refused];

fn the_tutorial_ends_with_a_revoked_token_refused(lab: &Lab) -> Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let text = fs::read_to_string(root.join("docs/tutorial.md"))?;
    let clone = lab.directory("tutorial")?;
    let programs = [
        (lab.tools.keystone.clone(), "target/debug/keystone"),
        (lab.tools.envoy.clone(), "target/tutorial/bin/envoy"),
        (lab.tools.filter.clone(), "target/wasm32-unknown-unknown/wasm/keystone_envoy_filter.wasm"),
        (root.join("envoy-filter"), "envoy-filter"),
    ];
    for (program, place) in programs {
        let place = clone.join(place);
        fs::create_dir_all(place.parent().unwrap_or(&clone))?;
        symlink(program.canonicalize()?, place)?;
    }
    let (issuer, operations) = (ports::free()?, ports::free()?);
    let ports =
        [("8000", issuer), ("8080", ports::free()?), ("9901", ports::free()?), ("10000", ports::free()?)];
    let here = |text: String, (port, free): &(&str, u16)| {
        let text = text.replace(&format!("127.0.0.1:{port}"), &format!("127.0.0.1:{free}"));
        text.replace(&format!("http.server {port} "), &format!("http.server {free} "))
    };
    // The sample has the same ports in another spelling.
    let sample = ports.iter().map(|(port, free)| {
        format!(" | sed 's|port_value: {port} |port_value: {free} |; s|127.0.0.1:{port}/|127.0.0.1:{free}/|; s|127.0.0.1:{port}\"|127.0.0.1:{free}\"|'")
    });
    let sample = format!("{} > envoy.yaml", sample.collect::<String>());
    let lines = shell_lines(&text, "## 2. Start the issuer");
    let script = ports.iter().fold(lines.join("\n"), here).replace(" > envoy.yaml", &sample);

    let finished = Program::new("tutorial", Path::new("/bin/bash"), &clone)
        .args(["-euc", &format!("trap 'kill $(jobs -p) || true' EXIT\n{script}")])
        .env("KEYSTONE_LISTEN", format!("127.0.0.1:{issuer}"))
        .env("KEYSTONE_OPERATIONS_LISTEN", format!("127.0.0.1:{operations}"))
        .run("", Duration::from_secs(120))?;

    let said = &finished.stdout;
    ensure!(finished.code() == Some(0), "{said}\n{}", finished.stderr);
    for expected in ["\"token_endpoint\"", "\"no_credentials\"", "[\"tea\"]", "\"revoked\""] {
        ensure!(said.contains(expected), "{expected} is missing:\n{said}\n{}", finished.stderr);
    }
    Ok(())
}
