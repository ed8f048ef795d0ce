//! `docs/how-to/use-the-api.md`: its commands, run one after the other as they are written.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use keystone_tests::docs::shell_lines;
use keystone_tests::{cast, deployment, stack};
use serde_json::Value;

use crate::lab::{Alone, Lab, promises};
use crate::shell;

pub(crate) const PROMISES: &[(&str, Alone)] = promises![every_command_of_the_guide_does_what_it_says];

fn every_command_of_the_guide_does_what_it_says(lab: &Lab) -> Result<()> {
    let text =
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/how-to/use-the-api.md"))?;
    let home = lab.issuer_home("guide", |_| ())?;
    let administrator = home.bootstrap()?;
    let applied = home.apply(&cast::orders(&home.url()))?;
    let secret = |client: &str| deployment::text(deployment::at(&applied, &format!("/secrets/{client}"))?);
    let issuer = home.serve()?;
    stack::create_people(&issuer, &secret("demo-setup")?)?;
    let given = deployment::text(deployment::at(&administrator, "/one_time_password")?)?;
    issuer.replace_password(("keystone-console", "admin"), &given, ADMIN_PASSWORD)?;

    let lines = shell_lines(&text, "# Use the API");
    let script = lines.iter().map(|line| format!("{line}\necho\n")).collect::<String>();
    let names = [
        ("ISSUER", issuer.site.url("")),
        ("ADMIN_PASSWORD", ADMIN_PASSWORD.to_owned()),
        ("ALICE_PASSWORD", cast::password("alice")?.to_owned()),
        ("FULFILMENT_SECRET", secret("fulfilment")?),
    ];
    let finished = shell::run(&home, &script, &names)?;

    ensure!(finished.code() == Some(0), "{}\n{}", finished.stdout, finished.stderr);
    let answers: Vec<Value> =
        finished.stdout.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    let said =
        |what: &str| answers.iter().find_map(|answer| answer.pointer(what)).cloned().context(what.to_owned());
    assert_eq!(said("/active")?, Value::Bool(true));
    assert_eq!(said("/username")?, "alice");
    ensure!(said("/one_time_password")?.is_string());
    assert_eq!(said("/description")?, "Buys things");
    Ok(())
}

const ADMIN_PASSWORD: &str = "Chosen-By-Admin-9";
