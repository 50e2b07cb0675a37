//! The archive for C, C++ and Zig: headers, Zig's one file and the contract, as a folder that a project unpacks beside its sources.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use super::{exchange, folder_of_packages, install};
use crate::host;
use crate::profile::Profile;
use crate::root::root;
use crate::step::run;

/// What is in it, and where in the tree it is.
const FILES: [(&str, &str); 10] = [
    ("LICENSE", "LICENSE"),
    ("README.md", "sdk/c/README.md"),
    ("include/sandloop.h", "sdk/c/sandloop.h"),
    ("include/sandloop.hpp", "sdk/cpp/sandloop.hpp"),
    ("include/sandloop_http.h", "sdk/c/sandloop_http.h"),
    ("include/sandloop_http.hpp", "sdk/cpp/sandloop_http.hpp"),
    ("share/echo.c", "sdk/c/templates/echo/src/echo.c"),
    ("share/echo.cpp", "sdk/cpp/templates/echo/src/echo.cpp"),
    ("zig/http.zig", "sdk/zig/http.zig"),
    ("zig/sandloop.zig", "sdk/zig/sandloop.zig"),
];

/// The folder that everything in the archive is below.
fn name() -> String {
    format!("sandloop-c-{}", env!("CARGO_PKG_VERSION"))
}

/// Writes `sandloop-c-VERSION.tar.gz`: the same bytes from the same tree.
pub fn make() -> Result<PathBuf> {
    let archive = folder_of_packages().join(format!("{}.tar.gz", name()));
    fs::create_dir_all(folder_of_packages())?;
    write(&archive)?;
    let first = fs::read(&archive)?;
    write(&archive)?;
    ensure!(fs::read(&archive)? == first, "{} is another one each time", archive.display());
    Ok(archive)
}

fn write(archive: &Path) -> Result<()> {
    let folder = tempfile::tempdir().context("no temporary folder")?;
    let top = folder.path().join(name());
    for (to, from) in FILES {
        install(&root().join(from), &top.join(to))?;
    }
    for entry in root().join("wit").read_dir()? {
        let entry = entry?;
        if entry.path().extension().is_some_and(|it| it == "wit") {
            install(&entry.path(), &top.join("wit").join(entry.file_name()))?;
        }
    }
    let mut tar = Command::new("tar");
    tar.args(["--create", "--sort=name", "--mtime=@0", "--owner=0", "--group=0"]);
    tar.args(["--numeric-owner", "--format=ustar", "--use-compress-program=gzip -n -9"]);
    run(tar.arg("--file").arg(archive).arg("--directory").arg(folder.path()).arg(name()))
}

/// Unpacks it in an empty folder, and builds and serves an echo in C and one in C++ from what is there.
pub fn check(archive: &Path) -> Result<()> {
    let sandloop = host::build(Profile::Quick)?;
    for (extension, clang) in
        [("c", "clang-19 -std=c11"), ("cpp", "clang++-19 -std=c++23 -fno-exceptions -fno-rtti")]
    {
        let project = tempfile::tempdir().context("no temporary folder")?;
        let path = project.path();
        run(Command::new("tar").arg("-xzf").arg(archive).arg("-C").arg(path))?;
        let unpacked = name();
        let configuration = format!(
            r#"[plugins.outside]
component = "outside.wasm"

[plugins.outside.build]
command = "{clang} --target=wasm32-wasi -mexec-model=reactor -O2 -Wall -Wextra -I {unpacked}/include {unpacked}/share/echo.{extension} -o outside.core.wasm"
output = "outside.core.wasm"

[[listen]]
address = "tcp://127.0.0.1:0"
plugin = "outside"
"#
        );
        fs::write(path.join("plugins.toml"), configuration)?;
        run(Command::new(&sandloop).arg("build").current_dir(path))?;
        let mut serve = Command::new(&sandloop);
        serve.arg("run").current_dir(path);
        exchange::with(serve, None)?;
    }
    Ok(())
}
