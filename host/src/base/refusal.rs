//! What to do where the operating system refuses something: it depends on what the system says, and not on what was being done.

use std::fmt;
use std::io;

use rustix::io::Errno;

/// The remedy for a thread or a process that cannot be started.
pub(crate) const MORE_PROCESSES: &str =
    "allow this user more processes (ulimit -u), or the host's control group (pids.max)";

/// The system's words where there is no thread or process to be had.
pub(crate) const NO_THREAD: &str = "Resource temporarily unavailable";

/// An error of the system's and its remedy.
#[derive(Debug)]
pub(crate) struct SystemRefusal<'a> {
    error: &'a io::Error,
    otherwise: &'a str,
}

impl<'a> SystemRefusal<'a> {
    /// With the remedy for where the system's words lead to no other.
    pub(crate) fn new(error: &'a io::Error, otherwise: &'a str) -> SystemRefusal<'a> {
        SystemRefusal { error, otherwise }
    }
}

impl fmt::Display for SystemRefusal<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let SystemRefusal { error, otherwise } = self;
        write!(f, "{error}; {}", remedy(error).unwrap_or(otherwise))
    }
}

/// The remedy for what lacks whatever is done, and whichever path it is done with.
fn remedy(error: &io::Error) -> Option<&'static str> {
    Some(match Errno::from_io_error(error)? {
        Errno::AGAIN => MORE_PROCESSES,
        Errno::MFILE => "let this process open more files (ulimit -n)",
        Errno::NFILE => "let the system open more files (fs.file-max)",
        Errno::NOMEM => "allow the process more memory, or free some (ulimit -v, ulimit -d)",
        Errno::NOSPC => "make room in that file system, for bytes or for files",
        Errno::DQUOT => "make room in this user's quota",
        Errno::FBIG => "allow larger files (ulimit -f)",
        Errno::ROFS => "choose a place in a file system that can be written to",
        Errno::NAMETOOLONG => "choose a shorter path",
        Errno::LOOP => "correct the links of this path, which lead round in a circle",
        Errno::IO => "look at the system's log: the device may be failing",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lacks_is_named_and_not_what_was_being_done() {
        let told = |errno: Errno| {
            let error = io::Error::from(errno);
            SystemRefusal::new(&error, "build the component").to_string()
        };
        for (errno, remedy) in [
            (Errno::AGAIN, "(ulimit -u)"),
            (Errno::MFILE, "(ulimit -n)"),
            (Errno::NFILE, "(fs.file-max)"),
            (Errno::NOMEM, "(ulimit -v, ulimit -d)"),
            (Errno::NOSPC, "make room in that file system"),
            (Errno::DQUOT, "this user's quota"),
            (Errno::FBIG, "(ulimit -f)"),
            (Errno::ROFS, "can be written to"),
            (Errno::NAMETOOLONG, "a shorter path"),
            (Errno::LOOP, "round in a circle"),
            (Errno::NOENT, "; build the component"),
            (Errno::ACCESS, "; build the component"),
        ] {
            let told = told(errno);
            assert!(told.contains(remedy), "{told}");
            assert!(told.starts_with(&io::Error::from(errno).to_string()), "{told}");
            assert_eq!(told.matches("; ").count(), 1, "{told}");
        }
        let own = io::Error::other("it is a folder");
        let told = SystemRefusal::new(&own, "name a file").to_string();
        assert_eq!(told, "it is a folder; name a file");
    }
}
