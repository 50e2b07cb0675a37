//! The SDK for Go as a module proxy has it: the layout that `GOPROXY=file://…` reads and any web server serves.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::folder_of_packages;
use crate::components::go;
use crate::root::root;
use crate::step::run;

/// The module.
const MODULE: &str = "sandloop.dev/sdk";

/// Writes the three files of a version; Go's own program looks at the archive when it is tried.
pub fn make() -> Result<PathBuf> {
    let proxy = folder_of_packages().join("go");
    let folder = proxy.join(MODULE).join("@v");
    fs::create_dir_all(&folder)?;
    let version = format!("v{}", super::contract_version()?);
    let sdk = root().join("sdk/go/sandloop");
    let archive = folder.join(format!("{version}.zip"));
    if archive.exists() {
        fs::remove_file(&archive)?;
    }
    // Names in the order of the alphabet and one time for all, so that the same sources are the same archive.
    let script = "import os, sys, zipfile\n\
        sdk, archive, prefix = sys.argv[1:]\n\
        names = sorted(os.path.relpath(os.path.join(at, name), sdk) for at, _, all in os.walk(sdk) for name in all)\n\
        with zipfile.ZipFile(archive, 'w', zipfile.ZIP_DEFLATED) as made:\n\
        \x20   for name in names:\n\
        \x20       made.writestr(zipfile.ZipInfo(prefix + name), open(os.path.join(sdk, name), 'rb').read())\n";
    let mut python = Command::new("python3");
    python.arg("-c").arg(script).arg(&sdk).arg(&archive);
    run(python.arg(format!("{MODULE}@{version}/")))?;
    fs::copy(sdk.join("go.mod"), folder.join(format!("{version}.mod")))?;
    let info = format!("{{\"Version\":\"{version}\"}}\n");
    fs::write(folder.join(format!("{version}.info")), info)?;
    fs::write(folder.join("list"), format!("{version}\n"))?;
    Ok(proxy)
}

/// Has the echo built by a project that depends on it.
pub fn check(made: &Path) -> Result<()> {
    let project = tempfile::tempdir()?;
    let templates = root().join("sdk/go/templates");
    let module = fs::read_to_string(templates.join("common/go.mod"))?;
    let module = module
        .replace("{{name}}", "outside")
        .replace("v0.0.0", &format!("v{}", super::contract_version()?));
    let module: Vec<&str> = module.lines().filter(|line| !line.starts_with("replace")).collect();
    fs::write(project.path().join("go.mod"), module.join("\n") + "\n")?;
    fs::copy(templates.join("echo/main.go"), project.path().join("main.go"))?;
    let proxy = format!("file://{}", made.display());
    let cache = project.path().join("cache");
    let cache = cache.to_str().context("a path in UTF-8")?;
    let more = [
        ("GOPROXY", &*proxy),
        ("GONOSUMDB", "*"),
        ("GOMODCACHE", cache),
        ("GOFLAGS", "-mod=mod -modcacherw"),
    ];
    let core = project.path().join("outside.core.wasm");
    go::run_compiler(project.path(), &core, &more)
        .with_context(|| format!("{} does not do", made.display()))?;
    eprintln!("    {}, an echo of {} bytes", made.display(), fs::read(core)?.len());
    Ok(())
}
