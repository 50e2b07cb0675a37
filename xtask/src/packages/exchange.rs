//! A host is started, asked for one echo, and ended: the least that something that is shipped must be able to do.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, bail, ensure};

use crate::step::{line, run};

/// Runs a command that serves an echo and logs to its standard error, and once it has echoed another one that must succeed.
pub fn with(mut command: Command, then: Option<&mut Command>) -> Result<()> {
    let mut host = command
        .stdin(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot start {}", line(&command)))?;
    let talked = talk(&mut host).and_then(|()| then.map_or(Ok(()), run));
    let ended = host.kill().and_then(|()| host.wait());
    talked.and(ended.map(drop).context("the host does not end"))
}

fn talk(host: &mut Child) -> Result<()> {
    let log = BufReader::new(host.stderr.take().context("its log is a pipe")?);
    for line in log.lines() {
        let line = line?;
        eprintln!("    {line}");
        let Some((_, address)) = line.split_once("address=\"tcp://") else { continue };
        let mut peer = TcpStream::connect(address.split('"').next().unwrap_or_default())?;
        peer.write_all(b"helo\n")?;
        peer.shutdown(Shutdown::Write)?;
        let mut answer = String::new();
        peer.read_to_string(&mut answer)?;
        ensure!(answer == "helo\n", "the echo of \"helo\\n\" is {answer:?}");
        return Ok(());
    }
    bail!("the host has ended before it served")
}
