//! Reads files with bounds on their size and time: a path may lead to a device or a pipe.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::AsFd;
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::Path;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::fs::OFlags;

use crate::clock::Clock;

/// The time within which a pipe must be read to its end.
const PIPE_DEADLINE: Duration = Duration::from_secs(5);

/// The most bytes of a configuration file, or of one secret.
pub const TEXT_BYTES_MAX: u64 = 16 << 20;
/// The most bytes of a component; compiling it takes several times as much memory.
pub const COMPONENT_BYTES_MAX: u64 = 1 << 30;

/// Reads a file, or a pipe that ends within a few seconds.
///
/// # Errors
/// When it is something else, such as a device, has more than `bytes_max`, or the pipe does not end in time.
pub fn read(path: &Path, bytes_max: u64) -> io::Result<Vec<u8>> {
    read_one_of(path, bytes_max, true)
}

/// Reads a file, and no pipe, so that it can be read again.
///
/// # Errors
/// As [`read`].
pub fn read_file(path: &Path, bytes_max: u64) -> io::Result<Vec<u8>> {
    read_one_of(path, bytes_max, false)
}

fn read_one_of(path: &Path, bytes_max: u64, pipes: bool) -> io::Result<Vec<u8>> {
    // Opening some devices has an effect, and opening a pipe waits for a writer.
    let kind = std::fs::metadata(path)?.file_type();
    let is_taken = kind.is_file() || pipes && kind.is_fifo();
    if !is_taken {
        return Err(io::Error::other(match (kind.is_dir(), pipes) {
            (true, _) => "it is a folder",
            (false, true) => "it is neither a file nor a pipe",
            (false, false) => "it is not a file",
        }));
    }
    let flags = (OFlags::NONBLOCK | OFlags::NOCTTY).bits().cast_signed();
    let file = File::options().read(true).custom_flags(flags).open(path)?;
    let mut bytes = Vec::new();
    // The kind of the opened file: the path may lead elsewhere by now.
    if !pipes || file.metadata()?.is_file() {
        file.take(bytes_max + 1).read_to_end(&mut bytes)?;
    } else {
        read_pipe(file, bytes_max, &mut bytes)?;
    }
    if bytes_max < bytes.len() as u64 {
        return Err(io::Error::other(format!("it has more than {bytes_max} bytes")));
    }
    Ok(bytes)
}

fn read_pipe(mut pipe: File, bytes_max: u64, bytes: &mut Vec<u8>) -> io::Result<()> {
    let clock = Clock::system();
    let begun = clock.now();
    let mut piece = [0; 4096];
    while bytes.len() as u64 <= bytes_max {
        let left = PIPE_DEADLINE.saturating_sub(clock.now().since(begun));
        let timeout = Timespec::try_from(left).unwrap_or_default();
        let mut waits = [PollFd::from_borrowed_fd(pipe.as_fd(), PollFlags::IN)];
        match rustix::event::poll(&mut waits, Some(&timeout)) {
            Ok(0) => {
                let cause = format!("it is a pipe that has not ended after {PIPE_DEADLINE:?}");
                return Err(io::Error::new(io::ErrorKind::TimedOut, cause));
            }
            Ok(_) => {}
            Err(rustix::io::Errno::INTR) => continue,
            Err(error) => return Err(error.into()),
        }
        match pipe.read(&mut piece) {
            Ok(0) => return Ok(()),
            Ok(length) => bytes.extend_from_slice(&piece[..length]),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use rustix::fs::Mode;

    use super::*;

    fn outcome(path: &Path, bytes_max: u64) -> String {
        match read(path, bytes_max) {
            Ok(bytes) => format!("{:?}", String::from_utf8_lossy(&bytes)),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn whatever_a_path_leads_to_there_is_an_answer() {
        let dir = tempfile::tempdir().expect("a folder");
        let at = |name: &str| dir.path().join(name);
        std::fs::write(at("file"), "text").expect("a new file");
        std::os::unix::fs::symlink(at("file"), at("link")).expect("a new link");
        let _socket = std::os::unix::net::UnixListener::bind(at("socket")).expect("a new path");
        let neither = "it is neither a file nor a pipe";
        for (path, expected) in [
            (at("file"), "\"text\""),
            (at("link"), "\"text\""),
            (at(""), "it is a folder"),
            (at("socket"), neither),
            ("/dev/zero".into(), neither),
            ("/dev/null".into(), neither),
            ("/dev/tty".into(), neither),
            (at("nothing"), "No such file or directory (os error 2)"),
        ] {
            assert_eq!(outcome(&path, 4), expected, "{}", path.display());
        }
        assert_eq!(outcome(&at("file"), 3), "it has more than 3 bytes");
    }

    #[test]
    fn a_pipe_is_read_to_its_end_or_to_the_deadline() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("pipe");
        rustix::fs::mkfifoat(rustix::fs::CWD, &path, Mode::RUSR | Mode::WUSR).expect("a new pipe");
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let mut pipe = File::options().write(true).open(&path).expect("it is read");
                pipe.write_all(b"from a pipe").expect("it is read");
            });
            assert_eq!(outcome(&path, 100), "\"from a pipe\"");
        });
        assert_eq!(
            read_file(&path, 100).map_err(|error| error.to_string()),
            Err("it is not a file".to_owned())
        );
        // A pipe without a writer.
        assert_eq!(outcome(&path, 100), "it is a pipe that has not ended after 5s");
    }
}
