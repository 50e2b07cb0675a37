//! Names that plugins give: of channels and queues.

/// Longest name of a channel or a queue, in bytes.
const NAME_BYTES_MAX: usize = 255;

/// Whether a channel or a queue may be called so.
pub fn is_name(name: &str) -> bool {
    (1..=NAME_BYTES_MAX).contains(&name.len()) && !name.chars().any(char::is_control)
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
