//! Commands that query the admin listener of a running host.

use std::io::{self, IsTerminal as _};
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use sandloop_host::config::address::ListenAddress;
use sandloop_host::config::admin::AdminConfig;
use sandloop_host::config::model::Config;
use sandloop_host::run::admin::client::ask_whether;
use sandloop_host::run::admin::top::{HostSnapshot, TopStyle};
use sandloop_host::run::error::StartError;

use crate::cli::answer::{Complaint, print, print_line};

/// The interval of `top`.
const TOP_EVERY: Duration = Duration::from_secs(2);

pub(super) fn health(file: &Path, ready: bool, port: Option<u16>) -> Result<ExitCode, Complaint> {
    let admin = admin_of(file, port)?;
    let route = if ready { "/readyz" } else { "/healthz" };
    let said = ask_whether(&admin, route).map_err(|error| Complaint(error.to_string(), 1))?;
    print_line(said);
    Ok(ExitCode::SUCCESS)
}

/// The `[admin]` section of a configuration, with this port if it leaves the port to the system.
fn admin_of(file: &Path, port: Option<u16>) -> Result<AdminConfig, Complaint> {
    let config = Config::load(file).map_err(StartError::Config)?;
    let file = file.display();
    let mut admin = config.admin.ok_or_else(|| {
        Complaint(format!("{file}: the host is not watched; add a section [admin]"), 2)
    })?;
    if let ListenAddress::Tcp(address) = &mut admin.address {
        if let Some(port) = port {
            address.set_port(port);
        }
        if address.port() == 0 {
            let says = "admin.address: the system has chosen the port";
            let remedy =
                "add --port with what the host's log says: `watched and told what to do address=…`";
            return Err(Complaint(format!("{file}:{}: {says}; {remedy}", admin.line), 2));
        }
    }
    Ok(admin)
}

pub(super) fn top(file: &Path, once: bool, port: Option<u16>) -> Result<ExitCode, Complaint> {
    let admin = admin_of(file, port)?;
    let is_terminal = io::stdout().is_terminal();
    let colours = is_terminal && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    let style = TopStyle { colours };
    let mut before: Option<HostSnapshot> = None;
    loop {
        let now = HostSnapshot::take(&admin).map_err(|error| Complaint(error.to_string(), 1))?;
        let shown = now.show(before.as_ref(), style);
        if once || !is_terminal {
            print(&shown);
            return Ok(ExitCode::SUCCESS);
        }
        // Overwrites the last screen in place, without flicker; lines that are too wide are cut by the terminal.
        print(&format!("\x1b[?7l\x1b[H{}\x1b[J\x1b[?7h", shown.replace('\n', "\x1b[K\n")));
        before = Some(now);
        std::thread::sleep(TOP_EVERY);
    }
}
