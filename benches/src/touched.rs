//! The pages of a process that some work has touched, by the kind of their mapping: what each call finds cold where there are
//! very many sandboxes.

use std::{
    collections::BTreeMap,
    fs,
    io::{BufRead as _, BufReader},
};

use anyhow::{Context as _, Result};
use serde::Serialize;

/// Mappings of one kind are those with one name and one size.
const KINDS_SHOWN: usize = 12;

/// KiB that were touched, by kind of mapping.
#[derive(Debug, Clone, Serialize)]
pub struct Touched(BTreeMap<String, u64>);

/// Has the system forget which pages of a process were touched.
pub fn forget(pid: u32) -> Result<()> {
    let path = format!("/proc/{pid}/clear_refs");
    fs::write(&path, "1").with_context(|| path.clone())
}

impl Touched {
    /// What was touched since then.
    pub fn of(pid: u32) -> Result<Touched> {
        let path = format!("/proc/{pid}/smaps");
        let file = fs::File::open(&path).with_context(|| path.clone())?;
        let (mut kinds, mut kind) = (BTreeMap::new(), String::new());
        for line in BufReader::new(file).lines() {
            let line = line?;
            let mut words = line.split_whitespace();
            match words.next() {
                Some("Referenced:") => {
                    let touched: u64 = words.next().unwrap_or_default().parse()?;
                    *kinds.entry(kind.clone()).or_default() += touched;
                }
                Some(range) if !range.ends_with(':') => kind = kind_of(range, words.nth(4)),
                _ => {}
            }
        }
        Ok(Touched(kinds))
    }

    /// All of it, for each of so many, in KiB.
    pub fn each(&self, number: usize) -> f64 {
        self.0.values().sum::<u64>() as f64 / number.max(1) as f64
    }

    /// The kinds that were touched most, for each of so many.
    pub fn print(&self, number: usize) {
        let mut kinds: Vec<_> = self.0.iter().collect();
        kinds.sort_by_key(|(_, touched)| std::cmp::Reverse(**touched));
        for (kind, touched) in kinds.into_iter().take(KINDS_SHOWN) {
            let each = *touched as f64 / number.max(1) as f64;
            println!("    {each:>8.2} KiB of {kind}");
        }
    }
}

/// A mapping's name, or how large it is where it has none.
fn kind_of(range: &str, name: Option<&str>) -> String {
    let size = range.split_once('-').and_then(|(from, to)| {
        let number = |text| u64::from_str_radix(text, 16).ok();
        Some(number(to)?.saturating_sub(number(from)?) / 1024)
    });
    let size = size.unwrap_or_default();
    match name {
        Some(name) if name.starts_with("/memfd:") => format!("{name}, {size} KiB"),
        Some(name) => name.to_owned(),
        None if size < 4096 => format!("memory without a name, {size} KiB"),
        None => "memory without a name, large".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_touched_is_found() {
        let pid = std::process::id();
        let mut much = vec![1_u8; 8 << 20];
        forget(pid).unwrap();
        let before = Touched::of(pid).unwrap().each(1);
        much.iter_mut().step_by(4096).for_each(|byte| *byte = 2);
        let after = Touched::of(pid).unwrap().each(1);
        assert!(before + 8000.0 <= after, "{before} KiB, then {after} KiB");
        assert_eq!(much[4096], 2);
    }
}
