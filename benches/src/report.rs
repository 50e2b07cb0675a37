//! What the user sees: progress, tables of medians, and every record in a file.

use std::{
    fs::File,
    io::{BufWriter, Write as _},
    path::Path,
    process::ExitCode,
};

use anyhow::{Context as _, Result};
use sandloop_testkit::statistics::{ROUNDS_MIN, interval, median};
use serde::Serialize;

use crate::{
    load::{Work, Workload},
    record::{IdleRecord, Memory, Record},
    subject::Subject,
};

/// What other processes may use of a core before a figure is suspect.
const OTHERS_MAX: f64 = 0.1;

/// How a bench ends; says what went wrong.
pub fn exit_code(result: Result<()>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

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
        "{:<12} round {}/{rounds}  {:<12} {:>10.0} {}/s {:>8.2} CPU us each  others {:>3.0}%",
        record.work.name(),
        record.round,
        record.subject.name(),
        record.rate(),
        record.work.unit(),
        record.cpu_micros(),
        100.0 * record.others_cpu_seconds / record.seconds,
    );
}

/// Medians of the figures, and medians of the ratios inside each round with their extremes.
pub fn table(work: Work, subjects: &[Subject], records: &[Record]) {
    let unit = work.unit();
    println!("\n{}", work.title());
    print!("{:<13}{:>11}{:>9}", "", format!("{unit}/s"), "MiB/s");
    print!("{:>9}{:>9}", "CPU us", "kernel");
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
        print!("{:>9.2}", of(&Record::kernel_micros));
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

/// What a message costs over the number of connections, as CPU ÷ native and in microseconds.
pub fn growth(works: &[Work], subjects: &[Subject], records: &[Record]) {
    let small: Vec<Work> =
        works.iter().copied().filter(|work| work.workload == Workload::Small).collect();
    if small.len() < 2 {
        return;
    }
    println!("\n64 B, ping-pong: CPU / native (CPU us) over the number of connections");
    print!("{:<13}", "");
    small.iter().for_each(|work| print!("{:>17}", work.connections));
    println!();
    for &subject in subjects {
        print!("{:<13}", subject.name());
        for &work in &small {
            let of: Vec<Record> = records.iter().copied().filter(|one| one.work == work).collect();
            let ratios = ratios(&of, subject, Subject::Native, Record::cpu_micros);
            let ratio = match ratios.is_empty() {
                true => "-".to_owned(),
                false => format!("{:.2}", median(ratios)),
            };
            let mine = of.iter().filter(|record| record.subject == subject);
            let cpu = median(mine.map(Record::cpu_micros).collect());
            print!("{ratio:>8} {:>8}", format!("({cpu:.1})"));
        }
        println!();
    }
}

/// What the host costs beside the other host, each workload: the median of the ratios and where it lies in 95 of 100 runs.
pub fn beside(works: &[Work], subjects: &[Subject], records: &[Record]) {
    let pairs: Vec<_> = subjects
        .iter()
        .filter_map(|&subject| Some((subject, subject.beside()?)))
        .filter(|(_, other)| subjects.contains(other))
        .collect();
    if pairs.is_empty() {
        return;
    }
    println!("\nthe host / the host beside it, with the 95 % interval");
    println!("{:<13}{:<13}{:<24}time a message", "", "", "CPU a message");
    for &work in works {
        let of: Vec<Record> = records.iter().copied().filter(|one| one.work == work).collect();
        for &(subject, other) in &pairs {
            print!("{:<13}{:<13}", work.name(), subject.name());
            let told = |figure| within(&ratios(&of, subject, other, figure));
            println!("{:<24}{}", told(Record::cpu_micros), told(|record| 1.0 / record.rate()));
        }
    }
}

fn within(values: &[f64]) -> String {
    if values.len() < ROUNDS_MIN {
        return "-".to_owned();
    }
    let found = interval(values);
    format!("{:.3} [{:.3}..{:.3}]", found.median, found.low, found.high)
}

/// `subject ÷ base` in each round.
fn ratios(
    records: &[Record],
    subject: Subject,
    base: Subject,
    figure: fn(&Record) -> f64,
) -> Vec<f64> {
    let of = |subject| records.iter().filter(move |record| record.subject == subject);
    of(subject).zip(of(base)).map(|(one, base)| figure(one) / figure(base)).collect()
}

/// The median of `subject ÷ base` over the rounds, with the least and the greatest.
fn ratio(
    records: &[Record],
    subject: Subject,
    base: Subject,
    figure: fn(&Record) -> f64,
) -> String {
    spread(ratios(records, subject, base, figure))
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
    print!("{:>10}{:>12}{:>14}", "mappings", "open us", "left after");
    println!("{:>10}{:>10}", "touched", "p99 us");
    for record in records {
        let each = |now: &Memory| now.each(&record.before, record.connections);
        let [resident, anonymous, page_tables, mappings] = each(&record.held);
        print!("{:<13}{:>12}", record.subject.name(), record.connections);
        print!("{resident:>10.2}");
        print!("{anonymous:>10.2}");
        print!("{page_tables:>12.2}");
        print!("{mappings:>10.2}");
        print!("{:>12.1}", record.open_seconds * 1e6 / record.connections.max(1) as f64);
        print!("{:>14.2}", each(&record.after)[0]);
        print!("{:>10.2}", record.touched.each(record.connections));
        println!("{:>10.0}", record.answer_p99 * 1e6);
    }
    for record in records {
        println!("\n{}: touched by an echo of each in turn", record.subject.name());
        record.touched.print(record.connections);
    }
}

#[cfg(test)]
mod tests {
    use super::spread;

    #[test]
    fn a_spread_shows_what_the_median_hides() {
        assert_eq!(spread(vec![]), "-");
        assert_eq!(spread(vec![0.5, 2.0, 1.0]), "1.00 [0.50..2.00]");
    }
}
