//! Components of `wasi:http` as the tools of others make them, for any host: `tests/guests/foreign`.
//!
//! Only componentize-py is here: the samples have it already. jco needs a minute more for what npm fetches, and half a
//! minute of CPU time for one component, so that `cargo xtask conformance` has it; componentize-qjs cannot make one that imports
//! `wasi:http`.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

use super::{Component, path, place, python};
use crate::root::{root, target};
use crate::samples::{self, digest_of};
use crate::step::run;

/// The name of the component.
const NAME: &str = "py_served";

/// Makes what is not there, or was made of something else.
pub fn build() -> Result<()> {
    let (sources, deps) = (root().join("tests/guests/foreign"), root().join("host/wasi/deps"));
    let inputs = digest_of(&[&sources, &deps])?.to_string();
    let made = target().join("foreign");
    let stamp = made.join(format!("{NAME}.inputs"));
    if path(NAME).exists() && fs::read_to_string(&stamp).is_ok_and(|known| known == inputs) {
        eprintln!("    {NAME}: as before");
        return Ok(());
    }
    let wit = made.join("wit");
    copy_all(&deps, &wit.join("deps"))?;
    fs::copy(sources.join("world.wit"), wit.join("world.wit"))?;
    let component = made.join(format!("{NAME}.wasm"));
    let mut compiler = Command::new(samples::python_compiler().map_or_else(python::compiler, Ok)?);
    compiler.args(["--quiet", "-w", "proxy", "-d"]).arg(&wit);
    compiler.args(["componentize", "served", "-p"]).arg(&sources).arg("-o").arg(&component);
    run(&mut compiler)?;
    place(&[Component { name: NAME.to_owned(), bytes: fs::read(component)? }])?;
    fs::write(stamp, inputs)?;
    Ok(())
}

/// Copies the files of a folder.
fn copy_all(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from).with_context(|| format!("cannot read {}", from.display()))? {
        let entry = entry?;
        fs::copy(entry.path(), to.join(entry.file_name()))?;
    }
    Ok(())
}
