//! Names as parts of subjects: the name of a channel cannot lead out of the subjects of its tenant.
//!
//! A subject has parts between dots; `*` and `>` are wildcards, and whitespace ends it. Letters, digits, `-` and `_` are
//! unchanged, so that an operator can read them; every other byte is `=` and two hexadecimal digits. So different names have
//! different parts, and a name of 255 bytes has at most 765.

use std::fmt::Write as _;

/// What a subject is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SubjectKind {
    /// Channels.
    Channel,
    /// Queues.
    Queue,
    /// Items of queues that no handler has survived.
    DeadLetter,
    /// Processes, by the numbers of their hosts.
    Process,
}

impl SubjectKind {
    /// The part of a subject for this.
    pub(super) fn part(self) -> &'static str {
        match self {
            SubjectKind::Channel => "ch",
            SubjectKind::Queue => "q",
            SubjectKind::DeadLetter => "dead",
            SubjectKind::Process => "pr",
        }
    }
}

/// The subjects of one tenant.
#[derive(Debug, Clone)]
pub(crate) struct Subjects {
    /// `PREFIX.TENANT`: both are names of sections, which need no encoding.
    stem: String,
}

impl Subjects {
    /// The subjects of a tenant, with this prefix.
    pub(crate) fn new(prefix: &str, tenant: &str) -> Subjects {
        Subjects { stem: format!("{prefix}.{tenant}") }
    }

    /// The subject on which each host says which processes it can have.
    pub(super) fn of_all_processes(&self) -> String {
        format!("{}.=processes", self.stem)
    }

    /// The subject of one name.
    pub(crate) fn of(&self, kind: SubjectKind, name: &str) -> String {
        let mut subject = format!("{}.{}.", self.stem, kind.part());
        encode(name, &mut subject);
        subject
    }
}

/// Appends a name, encoded as one part.
fn encode(name: &str, subject: &mut String) {
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_' {
            subject.push(byte.into());
        } else {
            // Writing to a String cannot fail.
            let _ = write!(subject, "={byte:02X}");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn readable_names_stay_readable() {
        let subjects = Subjects::new("sandloop", "demo");
        for (name, subject) in [
            ("room", "sandloop.demo.ch.room"),
            ("Zimmer 5", "sandloop.demo.ch.Zimmer=205"),
            ("ü", "sandloop.demo.ch.=C3=BC"),
            ("a=3D", "sandloop.demo.ch.a=3D3D"),
        ] {
            assert_eq!(subjects.of(SubjectKind::Channel, name), subject);
        }
    }

    #[test]
    fn no_name_leaves_its_part_and_no_two_are_one() {
        let subjects = Subjects::new("sandloop", "demo");
        let long = "x".repeat(255);
        let wide = "\u{10ffff}".repeat(63);
        let hostile = [
            ".", "..", "*", ">", "a.b", "a.*", "a.>", ".>", " ", "a b", "\t", "\r\n", "\0", "=",
            "=2E", "=2e", "$SYS", "$JS.API", "_INBOX.x", "%2E", "\u{a0}", "\u{2028}", "a\u{0}b",
            "", "PUB x 0", &long, &wide,
        ];
        let mut seen = HashSet::new();
        for name in hostile {
            let subject = subjects.of(SubjectKind::Channel, name);
            let parts: Vec<&str> = subject.split('.').collect();
            let [prefix, tenant, kind, part] = parts[..] else { panic!("{name:?}: {subject}") };
            assert_eq!((prefix, tenant, kind), ("sandloop", "demo", "ch"), "{name:?}");
            let is_plain = |b: u8| b.is_ascii_alphanumeric() || b"-_=".contains(&b);
            assert!(part.bytes().all(is_plain), "{name:?}: {subject}");
            assert!(part.len() <= 765, "{name:?}");
            assert!(seen.insert(subject), "{name:?} is another one's");
        }
    }
}
