//! Keys with a fixed set of values.

use super::error::Problem;

/// Parses one of a fixed set of values.
pub(super) fn choice<T: Copy>(
    noun: &str,
    written: Option<&str>,
    default: T,
    known: &[(&str, T)],
) -> Result<T, Problem> {
    let Some(written) = written else { return Ok(default) };
    if let Some((_, value)) = known.iter().find(|(word, _)| *word == written) {
        return Ok(*value);
    }
    let words: Vec<_> = known.iter().map(|(word, _)| format!("{word:?}")).collect();
    let words = match words.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, rest)) => format!("{} or {last}", rest.join(", ")),
        None => String::new(),
    };
    Err(Problem::new(format!("{written:?} is not {noun}"), format!("write {words}")))
}
