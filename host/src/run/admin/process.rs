//! Figures of the process, from the system.

use std::fs;

use rustix::param::{clock_ticks_per_second, page_size};
use rustix::process::{Resource, getrlimit};

/// A snapshot of the figures.
#[derive(Debug, Default, Clone, Copy, PartialEq)]
pub(super) struct ProcessFigures {
    /// CPU time of all its threads, in seconds.
    pub(super) cpu_seconds: f64,
    /// Resident memory.
    pub(super) resident_bytes: u64,
    pub(super) threads: u64,
    /// Open file descriptors.
    pub(super) open_files: u64,
    /// The limit of open file descriptors; none if there is none.
    pub(super) open_files_max: Option<u64>,
}

impl ProcessFigures {
    /// Reads the figures. Those that the system does not provide are zero.
    pub(super) fn read() -> ProcessFigures {
        let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
        let open_files = fs::read_dir("/proc/self/fd").map_or(0, |entries| entries.count() as u64);
        ProcessFigures {
            // Without the descriptor of the listing itself.
            open_files: open_files.saturating_sub(1),
            open_files_max: getrlimit(Resource::Nofile).current,
            ..parse(&stat, clock_ticks_per_second(), page_size() as u64)
        }
    }
}

/// Parses `stat`. Fields are counted from the end of the name, which may contain any character.
fn parse(stat: &str, ticks: u64, page: u64) -> ProcessFigures {
    let fields = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    let field = |number: usize| -> u64 {
        let text = fields.split_ascii_whitespace().nth(number - 3);
        text.and_then(|text| text.parse().ok()).unwrap_or(0)
    };
    ProcessFigures {
        cpu_seconds: (field(14) + field(15)) as f64 / ticks.max(1) as f64,
        threads: field(20),
        resident_bytes: field(24) * page,
        ..ProcessFigures::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fields_are_found_behind_any_name() {
        let stat = "7 (a) b) 1) S 1 2 3 4 5 6 7 8 9 10 250 50 13 14 15 16 9 18 19 20 100 22";
        let figures = parse(stat, 100, 4096);
        assert_eq!((figures.cpu_seconds, figures.threads), (3.0, 9));
        assert_eq!(figures.resident_bytes, 100 * 4096);
        assert_eq!(parse("", 100, 4096), ProcessFigures::default());
    }

    #[test]
    fn this_process_has_some_of_each() {
        let figures = ProcessFigures::read();
        assert!(0 < figures.threads && 0 < figures.resident_bytes && 2 < figures.open_files);
    }
}
