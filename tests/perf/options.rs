//! The command line.

use sandloop_testkit::statistics::ROUNDS_MIN;

/// What to measure, and how often.
#[derive(Debug, PartialEq, Eq)]
pub struct Options {
    pub rounds: usize,
    /// Parts of names; none for all.
    words: Vec<String>,
}

const USAGE: &str = "perf [--rounds NUMBER] [NAME ...]";

impl Options {
    pub fn parse(arguments: impl IntoIterator<Item = String>) -> Result<Options, String> {
        let mut options = Options { rounds: 9, words: Vec::new() };
        let mut arguments = arguments.into_iter();
        while let Some(argument) = arguments.next() {
            match argument.as_str() {
                "--rounds" => {
                    let number = arguments.next().and_then(|number| number.parse().ok());
                    let enough = number.filter(|number| ROUNDS_MIN <= *number);
                    options.rounds = enough
                        .ok_or(format!("--rounds wants a number, {ROUNDS_MIN} or more: {USAGE}"))?;
                }
                flag if flag.starts_with('-') => {
                    return Err(format!("there is no {flag}: {USAGE}"));
                }
                _ => options.words.push(argument),
            }
        }
        Ok(options)
    }

    pub fn selects(&self, name: &str) -> bool {
        self.words.is_empty() || self.words.iter().any(|word| name.contains(word.as_str()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Options, String> {
        Options::parse(line.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn rounds_and_names() {
        let options = parse("--rounds 15 load idle").unwrap();
        assert_eq!(options.rounds, 15);
        assert!(options.selects("load::echo") && !options.selects("hostile::echo"));
        assert!(parse("").unwrap().selects("anything"));
        assert!(parse("--rounds 5").is_err() && parse("--rounds").is_err() && parse("-x").is_err());
    }
}
