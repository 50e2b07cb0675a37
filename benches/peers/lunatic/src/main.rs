//! lunatic's side of the comparison: an echo on the port that is its last argument, with a process, which is an instance of
//! this module, for each connection.

use std::io::{Read, Write};

use lunatic::net::{TcpListener, TcpStream};
use lunatic::{Mailbox, Process};

/// What the other servers read at once.
const READ_BYTES: usize = 64 * 1024;

#[lunatic::main]
fn main(_: Mailbox<()>) {
    let port = std::env::args().last().expect("a port as the last argument");
    let listener = TcpListener::bind(format!("127.0.0.1:{port}")).expect("a free port");
    while let Ok((stream, _)) = listener.accept() {
        Process::spawn(stream, |stream, _: Mailbox<()>| echo(stream));
    }
}

fn echo(mut stream: TcpStream) {
    let mut buffer = vec![0; READ_BYTES];
    while let Ok(count @ 1..) = stream.read(&mut buffer) {
        if stream.write_all(&buffer[..count]).is_err() {
            return;
        }
    }
}
