//! What a case says that is right, and what was seen.

/// One case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// Its name or number in the suite.
    pub case: String,
    /// What is right.
    pub expected: String,
    /// What the product did.
    pub seen: String,
    pub agrees: bool,
}

impl Outcome {
    /// A case for which one thing is right.
    pub fn exact(case: impl Into<String>, expected: &str, seen: &str) -> Outcome {
        Outcome {
            case: case.into(),
            expected: expected.to_owned(),
            seen: seen.to_owned(),
            agrees: expected == seen,
        }
    }
}
