//! The valid names of channels and queues, and of sections of the file.

use super::source::is_bare;

/// The longest name of a channel or a queue, in bytes.
const CHANNEL_BYTES_MAX: usize = 255;

/// Whether a name of a channel or a queue is valid.
pub(crate) fn is_name(name: &str) -> bool {
    (1..=CHANNEL_BYTES_MAX).contains(&name.len()) && !name.chars().any(char::is_control)
}

/// The longest name of a plugin, a tenant or a TLS profile, in bytes: every log line contains names.
pub(crate) const NAME_BYTES_MAX: usize = 64;

/// Whether a name of a plugin, a tenant or a TLS profile is valid.
pub(crate) fn is_section_name(name: &str) -> bool {
    name.len() <= NAME_BYTES_MAX && is_bare(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_short_and_printable() {
        let check = |name: &str, good| assert_eq!(is_name(name), good, "{name:?}");
        check("room", true);
        check("Zimmer 5 ü", true);
        check("", false);
        check("a\nb", false);
        check(&"x".repeat(255), true);
        check(&"x".repeat(256), false);
    }
}
