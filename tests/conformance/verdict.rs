//! How many cases of a suite agree, and why others do not.

use std::fmt;

use crate::differences::Difference;
use crate::outcome::Outcome;

/// The verdict on one suite.
#[derive(Debug)]
pub struct Verdict<'a> {
    suite: &'a str,
    count: usize,
    agreed: usize,
    /// Each known difference of the suite, and the cases that differ so.
    known: Vec<(&'a Difference, Vec<&'a Outcome>)>,
    /// Those for which nobody has a reason.
    unknown: Vec<&'a Outcome>,
}

impl<'a> Verdict<'a> {
    pub fn of(suite: &'a str, outcomes: &'a [Outcome], known: &'a [Difference]) -> Verdict<'a> {
        let of_suite = known.iter().filter(|difference| difference.suite == suite);
        let mut known: Vec<_> = of_suite.map(|difference| (difference, Vec::new())).collect();
        let mut unknown = Vec::new();
        for outcome in outcomes.iter().filter(|outcome| !outcome.agrees) {
            match known.iter_mut().find(|(difference, _)| difference.explains(outcome)) {
                Some((_, cases)) => cases.push(outcome),
                None => unknown.push(outcome),
            }
        }
        let agreed = outcomes.iter().filter(|outcome| outcome.agrees).count();
        Verdict { suite, count: outcomes.len(), agreed, known, unknown }
    }

    /// How many things nobody has a reason for. A reason without a case is one: the table has to be told.
    pub fn unexplained(&self) -> usize {
        let stale = self.stale().count();
        self.unknown.len() + stale + usize::from(self.count == 0)
    }

    fn stale(&self) -> impl Iterator<Item = &Difference> {
        let without_case = self.known.iter().filter(|(_, cases)| cases.is_empty());
        without_case.map(|(difference, _)| *difference)
    }
}

impl fmt::Display for Verdict<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Verdict { suite, count, agreed, .. } = self;
        write!(f, "{suite}: {agreed} of {count} agree, {} differ", count - agreed)?;
        for (difference, cases) in self.known.iter().filter(|(_, cases)| !cases.is_empty()) {
            let names: Vec<&str> = cases.iter().map(|outcome| &*outcome.case).collect();
            write!(f, "\n  {} because {}: {}", cases.len(), difference.reason, names.join(" "))?;
        }
        for outcome in &self.unknown {
            let Outcome { case, expected, seen, .. } = outcome;
            write!(f, "\n  DIFFERS {case}: expected {expected:?}, and not {seen:?}")?;
        }
        for difference in self.stale() {
            let Difference { cases, reason, .. } = difference;
            write!(f, "\n  STALE {cases}: nothing differs any more because {reason}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: &[Difference] = &[
        Difference { suite: "s", cases: "1.*", seen: "no", reason: "we say no" },
        Difference { suite: "s", cases: "2", seen: "*", reason: "it is hard" },
        Difference { suite: "other", cases: "*", seen: "*", reason: "of no concern" },
    ];

    fn verdict(seen: &[(&str, &str)]) -> (usize, String) {
        let outcomes: Vec<_> =
            seen.iter().map(|(case, seen)| Outcome::exact(*case, "yes", seen)).collect();
        let verdict = Verdict::of("s", &outcomes, KNOWN);
        (verdict.unexplained(), verdict.to_string())
    }

    #[test]
    fn a_difference_has_its_reason() {
        let (unexplained, text) =
            verdict(&[("1.1", "no"), ("1.2", "no"), ("2", "perhaps"), ("3", "yes")]);
        assert_eq!(unexplained, 0);
        assert_eq!(
            text,
            "s: 1 of 4 agree, 3 differ\n  2 because we say no: 1.1 1.2\n  1 because it is hard: 2"
        );
    }

    #[test]
    fn one_without_is_a_failure() {
        let (unexplained, text) = verdict(&[("1.1", "no"), ("1.2", "perhaps"), ("2", "no")]);
        assert_eq!(unexplained, 1);
        assert!(text.ends_with("DIFFERS 1.2: expected \"yes\", and not \"perhaps\""), "{text}");
    }

    #[test]
    fn a_reason_that_explains_nothing_is_a_failure() {
        let (unexplained, text) = verdict(&[("1.1", "no"), ("2", "yes")]);
        assert_eq!(unexplained, 1);
        assert!(text.ends_with("STALE 2: nothing differs any more because it is hard"), "{text}");
    }

    #[test]
    fn a_suite_without_cases_is_a_failure() {
        assert_eq!(Verdict::of("none", &[], KNOWN).unexplained(), 1);
    }
}
