//! The few system calls that the standard library lacks; all of the crate's `unsafe` is here.

use std::{
    fs, io, mem,
    os::{fd::AsRawFd as _, unix::process::CommandExt as _},
    process::Command,
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};
use socket2::Socket;

/// The CPU time that a process has used, user and system, over all its threads, ended ones too.
///
/// The clock counts nanoseconds of the scheduler; `utime` and `stime` in `/proc` count ticks.
pub fn cpu_time(pid: u32) -> Result<Duration> {
    let mut clock = 0;
    // SAFETY: `clock` outlives the call, which only writes one clock id to it.
    let error = unsafe { libc::clock_getcpuclockid(pid.cast_signed(), &raw mut clock) };
    ensure!(error == 0, "process {pid}: {}", io::Error::from_raw_os_error(error));
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` outlives the call, which only writes one timespec to it.
    let failed = unsafe { libc::clock_gettime(clock, &raw mut time) };
    ensure!(failed == 0, "CPU clock of process {pid}: {}", io::Error::last_os_error());
    Ok(Duration::new(u64::try_from(time.tv_sec)?, u32::try_from(time.tv_nsec)?))
}

/// What a process has spent in its own code and in the kernel, in ticks of the clock that user space is shown. Only their
/// relation is of use: the kernel divides what [`cpu_time`] says by where it found the process at its own ticks.
pub fn cpu_ticks(pid: u32) -> Result<(u64, u64)> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    ticks_of(&stat).with_context(|| format!("/proc/{pid}/stat is not understood: {stat}"))
}

/// `utime` and `stime`. The program's name, which may be anything, stands before them in parentheses.
fn ticks_of(stat: &str) -> Option<(u64, u64)> {
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
    Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
}

/// Raises the limit of open files to `wanted`, or as far as the system allows; returns what holds.
/// Children inherit it.
pub fn raise_descriptor_limit(wanted: u64) -> u64 {
    let current = descriptor_limit();
    let hard = current.rlim_max.max(wanted);
    // Beyond the hard limit is for the privileged; up to it, for everyone.
    for limit in [(wanted.max(current.rlim_cur), hard), (current.rlim_max, current.rlim_max)] {
        let limit = libc::rlimit { rlim_cur: limit.0, rlim_max: limit.1 };
        // SAFETY: the call only reads `limit`, which outlives it.
        if unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit) } == 0 {
            break;
        }
    }
    descriptor_limit().rlim_cur
}

fn descriptor_limit() -> libc::rlimit {
    // SAFETY: an rlimit is two integers, for which zero is a value.
    let mut limit: libc::rlimit = unsafe { mem::zeroed() };
    // SAFETY: `limit` outlives the call, which only writes one rlimit to it. It cannot fail: the
    // resource exists and the address is valid.
    unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) };
    limit
}

/// Lets the kernel choose the port at connect instead of at bind, when it knows the whole pair of
/// addresses: only then do connections to different ports share one.
pub fn bind_without_port(socket: &Socket) -> Result<()> {
    let on: libc::c_int = 1;
    let length = libc::socklen_t::try_from(size_of_val(&on))?;
    let option = libc::IP_BIND_ADDRESS_NO_PORT;
    // SAFETY: the call only reads `length` bytes of `on`, which has as many and outlives it.
    let failed = unsafe {
        let on = (&raw const on).cast();
        libc::setsockopt(socket.as_raw_fd(), libc::IPPROTO_IP, option, on, length)
    };
    ensure!(failed == 0, "IP_BIND_ADDRESS_NO_PORT: {}", io::Error::last_os_error());
    Ok(())
}

/// Makes the child die with the thread that starts it, however that ends: no server is left behind.
pub fn die_with_parent(command: &mut Command) {
    let set = || {
        // SAFETY: PR_SET_PDEATHSIG takes an integer and touches no memory of ours.
        match unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) } {
            0 => Ok(()),
            _ => Err(io::Error::last_os_error()),
        }
    };
    // SAFETY: between fork and exec the closure makes one async-signal-safe call and allocates
    // nothing.
    unsafe { command.pre_exec(set) };
}

/// Keeps the child on one core; on a machine with fewer cores it shares one.
pub fn stay_on_core(command: &mut Command, core: usize) {
    if has_core(core) {
        // SAFETY: between fork and exec the closure makes one async-signal-safe call and allocates
        // nothing.
        unsafe { command.pre_exec(move || go_to_core(core)) };
    }
}

/// Keeps this thread on one core, and what it starts from now on, for children that others start.
pub fn stay_here_on_core(core: usize) -> io::Result<()> {
    if has_core(core) { go_to_core(core) } else { Ok(()) }
}

fn has_core(core: usize) -> bool {
    core < std::thread::available_parallelism().map_or(1, usize::from)
}

fn go_to_core(core: usize) -> io::Result<()> {
    // SAFETY: a cpu_set_t is an array of integers, for which zero is a value.
    let mut cores: libc::cpu_set_t = unsafe { mem::zeroed() };
    // SAFETY: the macro writes a bit within `cores`, and ignores a core beyond its end.
    unsafe { libc::CPU_SET(core, &mut cores) };
    // SAFETY: the call only reads `cores`, of the size that is given, which outlives it.
    match unsafe { libc::sched_setaffinity(0, size_of_val(&cores), &raw const cores) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

#[cfg(test)]
mod tests {
    use super::ticks_of;

    #[test]
    fn ticks_are_found_behind_any_name() {
        let stat = "4711 (a b) (c) S 1 2 3 0 -1 4194560 100 0 0 0 250 750 0 0 20 0 7 0 99";
        assert_eq!(ticks_of(stat), Some((250, 750)));
        assert_eq!(ticks_of("4711 (sh) S 1 2"), None);
    }
}
