//! Puts into the binary what `sandloop new` and `sandloop build` write and read: the contract, the SDKs, the templates.

use std::fmt::Write as _;
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::{env, fs, io};

use flate2::Compression;
use flate2::write::DeflateEncoder;

/// What is taken, from the root of the repository.
const TAKEN: &[&str] = &[
    "Cargo.lock",
    "codecs/amqp/Cargo.toml",
    "codecs/amqp/src",
    "codecs/frames/Cargo.toml",
    "codecs/frames/src",
    "codecs/http/Cargo.toml",
    "codecs/http/src",
    "sdk",
    "wit",
];
/// What tools leave behind beside sources.
const LEFT_BEHIND: &[&str] = &["__pycache__", "node_modules", "target", ".venv"];

fn main() -> io::Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize()?;
    let mut files = Vec::new();
    for taken in TAKEN {
        println!("cargo::rerun-if-changed={}", root.join(taken).display());
        find(&root.join(taken), &mut files)?;
    }
    files.sort();
    let (mut table, mut all) = (String::from("&[\n"), Vec::new());
    for file in &files {
        let name = file.strip_prefix(&root).map_err(io::Error::other)?;
        let length = fs::File::open(file)?.read_to_end(&mut all)?;
        // Writing to a String cannot fail.
        let _ = writeln!(table, "    ({name:?}, {length}),");
    }
    table.push(']');
    let out = env::var_os("OUT_DIR").map(PathBuf::from).ok_or(io::ErrorKind::NotFound)?;
    fs::write(out.join("bundle.rs"), table)?;
    let mut compressed = DeflateEncoder::new(Vec::new(), Compression::best());
    compressed.write_all(&all)?;
    fs::write(out.join("bundle.deflate"), compressed.finish()?)
}

fn find(path: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    if !path.is_dir() {
        files.push(path.to_owned());
        return Ok(());
    }
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        if !LEFT_BEHIND.iter().any(|name| entry.file_name() == *name) {
            find(&entry.path(), files)?;
        }
    }
    Ok(())
}
