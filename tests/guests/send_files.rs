//! Sends the files that its peer requests, one command a line, and prints the result of each file.
//!
//! `say TEXT` sends a line, `file PATH [OFFSET [LENGTH]]` a part of a file, `stream PATH` as EventMachine's `stream_file_data`
//! and `small PATH` as its `send_file_data`; `look PATH` remembers its version, which `known PATH` sends; `many COUNT PATH` the
//! same file COUNT times; `close` closes after writing, `cut` at once. With the option `on_failure = close` a file that fails
//! closes the connection.

use sandloop::{
    CloseReason, Deferrable, FileError, Options, Socket, files::FileVersion, frames::LineText2,
};

struct SendFiles {
    socket: Socket,
    closes: bool,
    seen: Option<FileVersion>,
}

impl SendFiles {
    fn new(socket: Socket, options: &Options) -> Self {
        SendFiles { socket, closes: options.get("on_failure") == Some("close"), seen: None }
    }

    fn send(&self, path: &str, part: std::ops::Range<u64>) {
        let (socket, closes, own) = (self.socket.clone(), self.closes, path.to_owned());
        let sent = self.socket.send_file(path, part, move |outcome| {
            show(&own, outcome);
            if closes && outcome.is_err() {
                socket.close_connection();
            }
        });
        if let Err(error) = sent {
            println!("{path} refused {}", error.name());
        }
    }
}

fn show(path: &str, outcome: Result<u64, FileError>) {
    match outcome {
        Ok(bytes) => println!("{path} ok {bytes}"),
        Err(error) => println!("{path} {}", error.name()),
    }
}

impl LineText2 for SendFiles {
    fn receive_line(&mut self, line: &[u8]) {
        let line = String::from_utf8_lossy(line).into_owned();
        let (command, rest) = line.split_once(' ').unwrap_or((&line, ""));
        let mut words = rest.split(' ');
        let path = words.next().unwrap_or_default();
        let mut number = || words.next().map(|word| word.parse::<u64>().expect("a number"));
        match command {
            "say" => self.socket.send_data(format!("{rest}\n")),
            "file" => {
                let from = number().unwrap_or(0);
                let end = number().map_or(u64::MAX, |length| from + length);
                self.send(path, from..end);
            }
            "stream" => {
                let (well, ill) = (path.to_owned(), path.to_owned());
                let streamer = self.socket.stream_file_data(path);
                streamer.callback(move |bytes| show(&well, Ok(*bytes)));
                streamer.errback(move |error| show(&ill, Err(*error)));
            }
            "look" => {
                let metadata = std::fs::metadata(path).expect("it is there");
                self.seen = FileVersion::of(&metadata);
                println!("{path} seen");
            }
            "known" => {
                let (own, version) = (path.to_owned(), self.seen.expect("it was looked at"));
                let then = move |outcome| show(&own, outcome);
                let sent = self.socket.send_file_version(path, 0..u64::MAX, version, then);
                sent.expect("a file that is granted");
            }
            "small" => match self.socket.send_file_data(path) {
                Ok(()) => println!("{path} sent"),
                Err(error) => println!("{path} {:?}", error.kind()),
            },
            "many" => {
                let (count, path) = rest.split_once(' ').expect("a number and a path");
                for _ in 0..count.parse::<u32>().expect("a number") {
                    self.send(path, 0..u64::MAX);
                }
            }
            "close" => self.socket.close_connection_after_writing(),
            "cut" => self.socket.close_connection(),
            other => panic!("no command {other:?}"),
        }
    }

    fn unbind(&mut self, reason: CloseReason) {
        println!("unbind {reason}");
    }
}

sandloop::plugin! { handlers: [SendFiles::new] }
