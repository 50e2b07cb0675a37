//! System calls that a signal may interrupt.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

/// Repeats a call that a signal has interrupted.
pub(crate) fn retry<T>(mut call: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    loop {
        match call() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}

/// Reads up to `length` bytes of a file from `position`; may block in the file system.
///
/// # Errors
/// Those of the system.
pub(crate) fn read_at(file: &File, position: u64, length: usize) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; length];
    let read = retry(|| file.read_at(&mut bytes, position))?;
    bytes.truncate(read);
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_interrupted_call_is_repeated() {
        for (kind, calls) in [(io::ErrorKind::Interrupted, 3), (io::ErrorKind::WouldBlock, 1)] {
            let mut count = 0;
            let result = retry(|| {
                count += 1;
                if count < 3 { Err(io::Error::from(kind)) } else { Ok(()) }
            });
            assert_eq!((count, result.is_ok()), (calls, calls == 3), "{kind}");
        }
    }
}
