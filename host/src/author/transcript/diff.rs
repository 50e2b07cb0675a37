//! The difference between expected and received lines.

use std::fmt;

/// The most lines of either side that are compared; further lines are left out.
const LINES_MAX: usize = 200;

/// A line of one side, or of both.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum DiffLine {
    /// On both sides.
    Same(String),
    /// Expected, but not received.
    Missing(String),
    /// Received, but not expected.
    Extra(String),
}

/// The longest common subsequence of both sides, with the other lines in between.
pub(crate) fn diff(expected: &[String], came: &[String]) -> Vec<DiffLine> {
    let expected = &expected[..expected.len().min(LINES_MAX)];
    let came = &came[..came.len().min(LINES_MAX)];
    // The length of the longest common subsequence of each pair of rests.
    let mut common = vec![vec![0_usize; came.len() + 1]; expected.len() + 1];
    for i in (0..expected.len()).rev() {
        for j in (0..came.len()).rev() {
            common[i][j] = if expected[i] == came[j] {
                common[i + 1][j + 1] + 1
            } else {
                common[i + 1][j].max(common[i][j + 1])
            };
        }
    }
    let (mut i, mut j, mut lines) = (0, 0, Vec::new());
    while i < expected.len() || j < came.len() {
        if i < expected.len() && j < came.len() && expected[i] == came[j] {
            lines.push(DiffLine::Same(expected[i].clone()));
            (i, j) = (i + 1, j + 1);
        } else if j == came.len() || i < expected.len() && common[i][j + 1] <= common[i + 1][j] {
            lines.push(DiffLine::Missing(expected[i].clone()));
            i += 1;
        } else {
            lines.push(DiffLine::Extra(came[j].clone()));
            j += 1;
        }
    }
    lines
}

impl fmt::Display for DiffLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DiffLine::Same(line) => write!(f, "  {line}"),
            DiffLine::Missing(line) => write!(f, "- {line}"),
            DiffLine::Extra(line) => write!(f, "+ {line}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(expected: &str, came: &str, shown: &str) {
        let lines = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        let diff = diff(&lines(expected), &lines(came));
        let diff: Vec<String> = diff.iter().map(ToString::to_string).collect();
        assert_eq!(diff.join("|"), shown);
    }

    #[test]
    fn what_both_have_stands_once() {
        check("", "", "");
        check("a b", "a b", "  a|  b");
        check("a b c", "a c", "  a|- b|  c");
        check("a c", "a b c", "  a|+ b|  c");
        check("a b", "a x", "  a|- b|+ x");
        check("a", "", "- a");
        check("", "a b", "+ a|+ b");
    }
}
