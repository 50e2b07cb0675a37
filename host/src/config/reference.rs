//! The table of all bounds in `docs/config.md`.

use std::fmt::Write as _;

use super::keys;

/// The table of all bounds in Markdown, which `docs/config.md` contains.
pub(crate) fn reference() -> String {
    let mut text = String::from(
        "| key | default | range | what it bounds, and why | at the bound |\n\
         | --- | --- | --- | --- | --- |\n",
    );
    for bound in keys::bounds() {
        let (min, max) = (bound.show(bound.min), bound.show(bound.max));
        // Writing to a String cannot fail.
        let _ = writeln!(
            text,
            "| `{}` | `{}` | {min} to {max} | {} {} | **{}**: {} |",
            bound.key(),
            bound.literal(bound.default),
            bound.what,
            bound.why,
            bound.at.word(),
            bound.then,
        );
    }
    text
}
