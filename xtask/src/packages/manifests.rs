//! The unit files, read by systemd's own programs.

use std::process::Command;

use anyhow::{Context, Result};

use super::folder;
use crate::root::root;
use crate::step::run;

/// Most of what systemd calls exposure, of 100. What is left is the network, which is the host's business, and code that is made
/// executable.
const EXPOSURE_MAX: &str = "20";

/// Has systemd read the units, and say what they leave open.
pub fn units() -> Result<()> {
    let folder = folder().join("units");
    std::fs::create_dir_all(&folder)?;
    let mut copies = Vec::new();
    for name in ["sandloop.service", "sandloop.socket"] {
        let text = std::fs::read_to_string(root().join("packaging/systemd").join(name))?;
        // The program is not installed on this machine, and its absence would be an error.
        let text = text.replace("/usr/bin/sandloop run", "/bin/true run");
        let copy = folder.join(name);
        std::fs::write(&copy, text)?;
        copies.push(copy);
    }
    run(Command::new("systemd-analyze").args(["verify", "--man=no"]).args(&copies))?;
    let mut security = Command::new("systemd-analyze");
    security.args(["security", "--no-pager", "--offline=true", "--threshold", EXPOSURE_MAX]);
    run(security.arg(&copies[0]).stdout(std::process::Stdio::null()))
        .with_context(|| format!("sandloop.service leaves more open than {EXPOSURE_MAX} of 100"))
}
