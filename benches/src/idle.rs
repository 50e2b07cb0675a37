//! The memory of connections that have said something once and then stay.

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, anyhow, ensure};

use crate::{
    load::{SMALL_BYTES, connect},
    options::Options,
    process::Server,
    record::IdleRecord,
    report::{self, Raw},
    subject::{Paths, Subject},
    touched::{self, Touched},
};

/// Instances and connections that the host is given beyond those held.
const SPARE: usize = 500;
/// For freed memory to be freed, and for queued work to be done, before a reading.
const SETTLE: Duration = Duration::from_secs(1);
const REPLY_TIMEOUT: Duration = Duration::from_secs(10);
/// Opening them all takes no longer, or the run has failed.
const OPEN_TIMEOUT: Duration = Duration::from_secs(300);

/// Measures one server after the other and prints the table. Memory hardly varies: one round.
pub fn run(subjects: &[Subject], paths: &Paths, options: &Options, raw: &mut Raw) -> Result<()> {
    let mut records = Vec::new();
    for &subject in subjects {
        eprintln!("idle: {} connections to {}", options.held, subject.name());
        let mut server = Server::start(subject, paths, Some(options.held + SPARE))?;
        let record = match hold(&server, options.held) {
            Ok(record) => record,
            Err(error) => return Err(anyhow!("{}", server.failure(&format!("failed: {error:#}")))),
        };
        raw.write(&record)?;
        records.push(record);
    }
    report::idle_table(&records);
    Ok(())
}

fn hold(server: &Server, connections: usize) -> Result<IdleRecord> {
    drop(open(server.address, 0)?);
    thread::sleep(SETTLE);
    let before = server.memory()?;

    let started = Instant::now();
    let mut streams = Vec::with_capacity(connections);
    for index in 0..connections {
        let stream = open(server.address, index).with_context(|| format!("connection {index}"))?;
        streams.push(stream);
        ensure!(started.elapsed() < OPEN_TIMEOUT, "only {} connections in time", streams.len());
    }
    let open_seconds = started.elapsed().as_secs_f64();
    thread::sleep(SETTLE);
    let held = server.memory()?;
    // Each is asked again, one after the other, so that it is cold by then.
    touched::forget(server.pid())?;
    let mut answers = Vec::with_capacity(connections);
    for (index, stream) in streams.iter_mut().enumerate() {
        let asked = Instant::now();
        echo(stream, index).with_context(|| format!("connection {index}, asked again"))?;
        answers.push(asked.elapsed());
    }
    let touched = Touched::of(server.pid())?;
    answers.sort();
    let answer_p99 = answers[(answers.len() * 99 / 100).min(answers.len() - 1)].as_secs_f64();
    drop(streams);
    thread::sleep(SETTLE);
    let after = server.memory()?;
    Ok(IdleRecord {
        subject: server.subject,
        connections,
        before,
        held,
        after,
        open_seconds,
        touched,
        answer_p99,
    })
}

/// A connection that has echoed one message.
fn open(address: SocketAddr, index: usize) -> Result<TcpStream> {
    let mut stream = connect(address, index)?;
    stream.set_read_timeout(Some(REPLY_TIMEOUT))?;
    echo(&mut stream, index)?;
    Ok(stream)
}

fn echo(stream: &mut TcpStream, index: usize) -> Result<()> {
    let mut message = [0x3c; SMALL_BYTES];
    message[..8].copy_from_slice(&index.to_le_bytes());
    stream.write_all(&message).context("sending a message")?;
    let mut reply = [0; SMALL_BYTES];
    stream.read_exact(&mut reply).context("reading a reply")?;
    ensure!(reply == message, "the reply differs from the message");
    Ok(())
}
