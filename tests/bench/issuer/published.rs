//! Measures the documents that verifiers fetch.

use anyhow::Result;

use super::lab::Lab;
use super::tokens::against_bare;
use crate::report::Figure;

pub(super) fn jwks(lab: &Lab) -> Result<Vec<Figure>> {
    against_bare(lab, "jwks", &lab.issuer.site.get("/.well-known/jwks.json").kept_alive())
}

pub(super) fn metadata(lab: &Lab) -> Result<Vec<Figure>> {
    let path = "/.well-known/oauth-authorization-server";
    against_bare(lab, "metadata", &lab.issuer.site.get(path).kept_alive())
}
