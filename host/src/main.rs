//! `sandloop`: the command line around the host.

mod cli;

use std::alloc::System;
use std::process::ExitCode;

use sandloop_host::base::allocations::Recording;
use sandloop_host::base::{heap, panics};
use sandloop_host::net::listener::inherited;
use sandloop_host::run::signals::SignalWatch;

/// Tells which memory each sandbox is made of.
#[global_allocator]
static ALLOCATOR: Recording<System> = Recording(System);

fn main() -> ExitCode {
    inherited::take_over();
    heap::give_back_what_is_large();
    panics::watch();
    let done = panics::catch(|| match SignalWatch::begin() {
        Ok(signals) => cli::run(&signals),
        Err(error) => cli::answer::failed(&format_args!("signals: {error}"), panics::EXIT_CODE),
    });
    done.unwrap_or_else(|panicked| cli::answer::failed(&panicked, panics::EXIT_CODE))
}
