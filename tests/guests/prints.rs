//! Writes to each output of a plugin, at the commands of its peer, a line each, and answers `ok`:
//!
//! `stdout`, `stderr`, `log` (a line of each level), `control` (control characters, on all three), `long`
//! (a line of 100,000 bytes on each), `bytes` (no UTF-8, on both outputs), `part` and `rest` (one line in two
//! writes), `flood N` (N lines on standard output).

use std::io::{Write, stderr, stdout};

use sandloop::{Socket, debug, error, frames::LineText2, info, trace, warn};

struct Prints {
    socket: Socket,
}

impl Prints {
    fn new(socket: Socket) -> Self {
        Prints { socket }
    }
}

impl LineText2 for Prints {
    fn receive_line(&mut self, line: &[u8]) {
        let line = String::from_utf8_lossy(line);
        print(&line).expect("output takes everything");
        self.socket.send_data("ok\n");
    }
}

fn print(command: &str) -> std::io::Result<()> {
    match *command.split(' ').collect::<Vec<_>>() {
        ["stdout"] => println!("to standard output"),
        ["stderr"] => eprintln!("to standard error"),
        ["log"] => {
            trace!("at level {}", "trace");
            debug!("at level {}", "debug");
            info!("at level {}", "info");
            warn!("at level {}", "warn");
            error!("at level {}", "error");
        }
        ["control"] => everywhere("\x1b[31mred\x1b[0m\ttab\rreturn\x07bell\u{9b}csi\u{202e}turned"),
        ["long"] => everywhere(&"x".repeat(100_000)),
        ["bytes"] => {
            stdout().write_all(b"not \xff UTF-8\n")?;
            stderr().write_all(b"not \xff UTF-8\n")?;
        }
        ["part"] => {
            print!("one line ");
            stdout().flush()?;
        }
        ["rest"] => println!("in two writes"),
        ["flood", lines] => {
            let lines: u32 = lines.parse().expect("a number of lines");
            (0..lines).for_each(|line| println!("line {line}"));
        }
        _ => panic!("{command:?} is no command"),
    }
    Ok(())
}

fn everywhere(text: &str) {
    println!("{text}");
    eprintln!("{text}");
    info!("{text}");
}

sandloop::plugin! { handlers: [Prints::new] }
