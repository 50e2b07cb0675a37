//! The few system calls that the standard library lacks; all of the crate's `unsafe` is here.

use std::{
    io, mem,
    os::{fd::AsRawFd as _, unix::process::CommandExt as _},
    process::Command,
    time::Duration,
};

use anyhow::{Result, ensure};
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
