//! What was found out about one promise, and whether it is kept.

use std::fmt;

use sandloop_testkit::statistics::{Interval, interval};

/// A promise of the form "at most so much", and what each round had.
#[derive(Clone, Debug)]
pub struct Finding {
    what: String,
    /// Of the values: `ms`, `times`, …
    unit: &'static str,
    limit: f64,
    interval: Interval,
    /// More figures, which have no verdict.
    note: String,
}

/// What the rounds say about a promise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    /// The whole interval is within the limit.
    Kept,
    /// The whole interval is beyond it.
    Broken,
    /// The limit is inside the interval: more rounds or a quieter machine may tell.
    Unclear,
}

impl Finding {
    /// The median of `values`, one of each round, must be at most `limit`.
    pub fn new(what: impl Into<String>, values: &[f64], limit: f64, unit: &'static str) -> Finding {
        Finding { what: what.into(), unit, limit, interval: interval(values), note: String::new() }
    }

    /// Adds figures.
    pub fn note(mut self, note: impl Into<String>) -> Finding {
        self.note = format!("; {}", note.into());
        self
    }

    pub fn is_kept(&self) -> bool {
        self.verdict() == Verdict::Kept
    }

    fn verdict(&self) -> Verdict {
        match self.interval {
            Interval { high, .. } if high <= self.limit => Verdict::Kept,
            Interval { low, .. } if self.limit < low => Verdict::Broken,
            _ => Verdict::Unclear,
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Interval { low, median, high } = self.interval;
        let (what, unit, limit, note) = (&self.what, self.unit, self.limit, &self.note);
        let verdict = match self.verdict() {
            Verdict::Kept => "kept",
            Verdict::Broken => "BROKEN",
            Verdict::Unclear => "UNCLEAR",
        };
        write!(
            f,
            "{verdict:<7} {what}: {median:.2} [{low:.2}, {high:.2}] of at most {limit} {unit}{note}"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(values: [f64; 9]) -> Verdict {
        Finding::new("x", &values, 2.0, "times").verdict()
    }

    #[test]
    fn good_in_most_rounds_is_not_enough() {
        assert_eq!(verdict([1.0; 9]), Verdict::Kept);
        assert_eq!(verdict([1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 9.0]), Verdict::Kept);
        assert_eq!(verdict([1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 9.0, 9.0]), Verdict::Unclear);
        assert_eq!(verdict([1.0, 9.0, 9.0, 9.0, 9.0, 9.0, 9.0, 9.0, 9.0]), Verdict::Broken);
    }

    #[test]
    fn a_line_has_the_figures_and_the_verdict() {
        let finding = Finding::new("an echo", &[1.25; 9], 2.0, "times").note("p99 41 µs");
        let line = "kept    an echo: 1.25 [1.25, 1.25] of at most 2 times; p99 41 µs";
        assert_eq!(finding.to_string(), line);
    }
}
