//! Files and environment variables through the language's own functions, one command a line: `env NAME`, `read PATH`,
//! `write PATH TEXT`, `list PATH`, `remove PATH`, `hold PATH COUNT`, `keep PATH COUNT`.

use std::{env, fs, io};

use sandloop::{Socket, frames::LineText2};

struct Files {
    socket: Socket,
}

impl Files {
    fn new(socket: Socket) -> Self {
        Files { socket }
    }
}

impl LineText2 for Files {
    fn receive_line(&mut self, line: &[u8]) {
        let line = String::from_utf8_lossy(line);
        let answer = command(&line).unwrap_or_else(|error| format!("error {:?}", error.kind()));
        self.socket.send_data(format!("{answer}\n"));
    }
}

fn command(line: &str) -> io::Result<String> {
    let mut words = line.splitn(3, ' ');
    let mut word = || words.next().unwrap_or_default();
    let (name, path, rest) = (word(), word(), word());
    match name {
        "env" if path.is_empty() => {
            let mut names: Vec<String> = env::vars().map(|(name, _)| name).collect();
            names.sort();
            Ok(names.join(" "))
        }
        "env" => Ok(env::var(path).unwrap_or_else(|error| error.to_string())),
        "read" => fs::read_to_string(path),
        "write" => fs::write(path, rest).map(|()| "ok".to_owned()),
        // As many handles as it is told, all at once.
        "hold" => {
            let count = rest.parse().map_err(io::Error::other)?;
            let all: io::Result<Vec<fs::File>> = (0..count).map(|_| fs::File::open(path)).collect();
            all.map(|all| all.len().to_string())
        }
        "keep" => {
            let count = rest.parse().map_err(io::Error::other)?;
            for _ in 0..count {
                std::mem::forget(fs::File::open(path)?);
            }
            Ok("kept".to_owned())
        }
        "remove" => fs::remove_file(path).map(|()| "ok".to_owned()),
        "list" => {
            let mut names = Vec::new();
            for entry in fs::read_dir(path)? {
                names.push(entry?.file_name().to_string_lossy().into_owned());
            }
            names.sort();
            Ok(names.join(" "))
        }
        _ => Err(io::ErrorKind::InvalidInput.into()),
    }
}

sandloop::plugin! { handlers: [Files::new] }
