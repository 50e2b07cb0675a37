//! Whether the system can carry what the configuration asks for. Asked before anything is open: a process that runs
//! into these limits fails anywhere, not only where more was asked of it.

use std::path::Path;

use super::error::Problem;

/// Mappings of one sandbox, counted with wasmtime 48 and a Rust guest: its memory with its image and their guards.
const MAPS_PER_SANDBOX: u64 = 4;
/// Mappings of everything else: libraries, threads, compiled components, the heap. About a hundred were counted.
const MAPS_KEPT: u64 = 2048;
/// Where Linux says how many mappings a process may have.
const MAPS_MAX: &str = "/proc/sys/vm/max_map_count";

/// Checks the number of sandboxes against the mappings that a process may have.
pub(super) fn sandboxes(instances: u32) -> Result<u32, Problem> {
    match read_number(Path::new(MAPS_MAX)) {
        Some(maps_max) => check(instances.into(), maps_max).map(|()| instances),
        // Another system, another limit.
        None => Ok(instances),
    }
}

fn check(instances: u64, maps_max: u64) -> Result<(), Problem> {
    let needed = instances.saturating_mul(MAPS_PER_SANDBOX).saturating_add(MAPS_KEPT);
    if needed <= maps_max {
        return Ok(());
    }
    let possible = maps_max.saturating_sub(MAPS_KEPT) / MAPS_PER_SANDBOX;
    Err(Problem::new(
        format!(
            "{instances} sandboxes need {needed} memory mappings, and this system allows a process {maps_max}"
        ),
        format!("write {possible} or less, or allow more with sysctl -w vm.max_map_count={needed}"),
    ))
}

fn read_number(file: &Path) -> Option<u64> {
    std::fs::read_to_string(file).ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_is_refused_with_the_number_that_does() {
        assert!(check(2000, 65_530).is_ok());
        assert!(check(15_870, 65_530).is_ok());
        let problem = check(15_871, 65_530).unwrap_err().to_string();
        assert!(problem.contains("write 15870 or less"), "{problem}");
        assert!(problem.contains("vm.max_map_count=65532"), "{problem}");
    }
}
