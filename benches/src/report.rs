//! What the user sees: progress, tables of medians, and every record in a file.

use std::{
    fs::File,
    io::{BufWriter, Write as _},
    path::Path,
};

use anyhow::{Context as _, Result};
use serde::Serialize;

use crate::{
    load::Workload,
    record::{IdleRecord, Memory, Record},
    subject::Subject,
};

/// What other processes may use of a core before a figure is suspect.
const OTHERS_MAX: f64 = 0.1;

/// The file of `--raw`, if there is one.
#[derive(Debug)]
pub struct Raw(Option<BufWriter<File>>);

impl Raw {
    /// Creates the file.
    pub fn open(path: Option<&Path>) -> Result<Self> {
        let create = |path: &Path| {
            let file =
                File::create(path).with_context(|| format!("creating {}", path.display()))?;
            anyhow::Ok(BufWriter::new(file))
        };
        Ok(Self(path.map(create).transpose()?))
    }

    /// Appends one line, at once: an interrupted run keeps what it had.
    pub fn write(&mut self, record: &impl Serialize) -> Result<()> {
        let Some(file) = &mut self.0 else { return Ok(()) };
        serde_json::to_writer(&mut *file, record)?;
        writeln!(file)?;
        Ok(file.flush()?)
    }
}

/// One line while the run goes on.
pub fn progress(record: &Record, rounds: usize) {
    eprintln!(
        "round {}/{rounds}  {:<12} {:>10.0} {}/s {:>8.2} CPU us each  others {:>3.0}%",
        record.round,
        record.subject.name(),
        record.rate(),
        record.workload.unit(),
        record.cpu_micros(),
        100.0 * record.others_cpu_seconds / record.seconds,
    );
}

/// Medians of the figures, and medians of the ratios inside each round with their extremes.
pub fn table(workload: Workload, subjects: &[Subject], records: &[Record]) {
    let unit = workload.unit();
    println!("\n{}", workload.title());
    print!("{:<13}{:>11}{:>9}{:>9}", "", format!("{unit}/s"), "MiB/s", "CPU us");
    println!(
        "{:>9}{:>9}{:>9}   rate / native       CPU / native        rate / EM",
        "server", "client", "others"
    );
    for &subject in subjects {
        let of = |figure: &dyn Fn(&Record) -> f64| {
            median(records.iter().filter(|r| r.subject == subject).map(figure).collect())
        };
        print!("{:<13}{:>11.0}", subject.name(), of(&Record::rate));
        print!("{:>9.1}{:>9.2}", of(&Record::mebibytes), of(&Record::cpu_micros));
        print!("{:>8.0}%", 100.0 * of(&|r| r.server_cpu_seconds / r.seconds));
        print!("{:>8.0}%", 100.0 * of(&|r| r.generator_cpu_seconds / r.seconds));
        print!("{:>8.0}%", 100.0 * of(&|r| r.others_cpu_seconds / r.seconds));
        let native = |figure| ratio(records, subject, Subject::Native, figure);
        print!("   {:<20}{:<20}", native(Record::rate), native(Record::cpu_micros));
        println!("{}", ratio(records, subject, Subject::EventMachine, Record::rate));
    }
    warn_of_others(records.iter().map(|record| record.others_cpu_seconds / record.seconds));
}

/// Says that the machine had other work, when it had: what is compared then shares a core with it, and what a message
/// costs is another figure. `others` are shares of a core, one for each interval.
pub fn warn_of_others(others: impl ExactSizeIterator<Item = f64>) {
    let all = others.len();
    let noisy = others.filter(|share| OTHERS_MAX < *share).count();
    if 0 < noisy {
        let limit = 100.0 * OTHERS_MAX;
        println!(
            "*** NOT a quiet machine: in {noisy} of {all} intervals others used over {limit:.0}% \
             of a core. Do not quote these figures."
        );
    }
}

/// The median of `subject ÷ base` over the rounds, with the least and the greatest.
fn ratio(
    records: &[Record],
    subject: Subject,
    base: Subject,
    figure: fn(&Record) -> f64,
) -> String {
    let of = |subject| records.iter().filter(move |record| record.subject == subject);
    let ratios: Vec<f64> =
        of(subject).zip(of(base)).map(|(one, base)| figure(one) / figure(base)).collect();
    spread(ratios)
}

/// The median with the least and the greatest: `0.75 [0.72..0.80]`, or a dash where there is none.
pub fn spread(values: Vec<f64>) -> String {
    let least = values.iter().copied().fold(f64::INFINITY, f64::min);
    let greatest = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    match values.is_empty() {
        true => "-".to_owned(),
        false => format!("{:.2} [{least:.2}..{greatest:.2}]", median(values)),
    }
}

/// What a held connection costs, in KiB, by kind of memory.
pub fn idle_table(records: &[IdleRecord]) {
    println!("\nidle connections: KiB each, after one 64 B echo");
    print!("{:<13}{:>12}{:>10}{:>10}{:>12}", "", "connections", "VmRSS", "RssAnon", "page tables");
    println!("{:>10}{:>12}{:>14}", "mappings", "open us", "left after");
    for record in records {
        let each = |figure: fn(&Memory) -> i64, now: &Memory| {
            (figure(now) - figure(&record.before)) as f64 / record.connections.max(1) as f64
        };
        print!("{:<13}{:>12}", record.subject.name(), record.connections);
        print!("{:>10.2}", each(|memory| memory.resident_kib, &record.held));
        print!("{:>10.2}", each(|memory| memory.anonymous_kib, &record.held));
        print!("{:>12.2}", each(|memory| memory.page_tables_kib, &record.held));
        print!("{:>10.2}", each(|memory| memory.mappings, &record.held));
        print!("{:>12.1}", record.open_seconds * 1e6 / record.connections.max(1) as f64);
        println!("{:>14.2}", each(|memory| memory.resident_kib, &record.after));
    }
}

/// The middle one, or the mean of the two in the middle.
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    match (values.len() / 2, values.len() % 2) {
        (0, 0) => f64::NAN,
        (half, 0) => f64::midpoint(values[half - 1], values[half]),
        (half, _) => values[half],
    }
}

#[cfg(test)]
mod tests {
    use super::{median, spread};

    #[test]
    fn the_median_is_in_the_middle() {
        assert!(median(vec![]).is_nan());
        assert_eq!(median(vec![7.0]), 7.0);
        assert_eq!(median(vec![9.0, 1.0, 5.0]), 5.0);
        assert_eq!(median(vec![9.0, 1.0, 5.0, 6.0]), 5.5);
    }

    #[test]
    fn a_spread_shows_what_the_median_hides() {
        assert_eq!(spread(vec![]), "-");
        assert_eq!(spread(vec![0.5, 2.0, 1.0]), "1.00 [0.50..2.00]");
    }
}
