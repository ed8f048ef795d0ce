//! Clients that hold connections and read nothing.

use std::net::Ipv4Addr;

use anyhow::Result;
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpSocket, TcpStream};
use tokio::runtime;

use crate::lab::{Alone, Lab, promises};

pub(crate) const PROMISES: &[(&str, Alone)] = promises![one_address_keeps_nobody_else_out];

fn one_address_keeps_nobody_else_out(lab: &Lab) -> Result<()> {
    let home = lab.issuer_home("connections", |_| {})?;
    let issuer = home.serve_with_descriptors(256)?;
    let runtime = runtime::Builder::new_current_thread().enable_io().build()?;

    let held = runtime.block_on(async {
        let mut held = Vec::new();
        for _ in 0..300 {
            held.push(flood(home.port()).await?);
        }
        anyhow::Ok(held)
    })?;

    issuer.operations.get("/health/live").send()?.expect(200)?;
    issuer.site.get("/.well-known/jwks.json").send()?.expect(200)?;
    issuer.client_grant("nobody", "guess").send()?.expect(401)?;
    drop(held);
    Ok(())
}

/// Asks for much from an address of its own, and reads none of it.
async fn flood(port: u16) -> Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    socket.bind((Ipv4Addr::new(127, 0, 0, 2), 0).into())?;
    let mut stream = socket.connect((Ipv4Addr::LOCALHOST, port).into()).await?;
    // Beyond its share it is closed meanwhile.
    drop(stream.write_all("GET /openapi.json HTTP/1.1\r\nhost: a\r\n\r\n".repeat(60).as_bytes()).await);
    Ok(stream)
}
