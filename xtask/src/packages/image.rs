//! The container image: its root, the image of it, and a trial without privilege.
//!
//! The root has the host, the C library that it is linked with, the authorities of the system and the plugins: no shell, nothing
//! that could be used but by the host.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

use super::{binary, exchange, install, plugins};
use crate::root::root as repository;
use crate::step::{read, run, succeeds};

/// The image's name.
const NAME: &str = "localhost/sandloop:latest";

/// Its user: nobody's number elsewhere, the one that other images without a shell have too.
const USER: u32 = 65532;

/// The authorities that clients trust, where Debian keeps them.
const AUTHORITIES: &str = "/etc/ssl/certs/ca-certificates.crt";

/// What builds images, the first that is there.
const BUILDERS: [&str; 3] = ["buildah", "podman", "docker"];

/// Puts the root together.
pub fn assemble(sandloop: &Path, root: &Path) -> Result<()> {
    if root.exists() {
        ensure!(
            root.join("usr/bin/sandloop").exists() || root.read_dir()?.next().is_none(),
            "{} is there and no root of an image",
            root.display()
        );
        std::fs::remove_dir_all(root)?;
    }
    let stripped = binary::split(sandloop, &binary::Target::named(None)?)?;
    install(&stripped, &root.join("usr/bin/sandloop"))?;
    for library in libraries(&stripped)? {
        install(&library, &inside(root, &library))?;
    }
    if Path::new(AUTHORITIES).exists() {
        install(Path::new(AUTHORITIES), &inside(root, Path::new(AUTHORITIES)))?;
    }
    for plugin in plugins()? {
        let name = plugin.file_name().context("a plugin has a name")?;
        install(&plugin, &root.join("usr/share/sandloop/plugins").join(name))?;
    }
    install(
        &repository().join("packaging/container/plugins.toml"),
        &root.join("etc/sandloop/plugins.toml"),
    )?;
    let files = [
        ("etc/passwd", format!("sandloop:x:{USER}:{USER}:Sandloop:/var/lib/sandloop:/none\n")),
        ("etc/group", format!("sandloop:x:{USER}:\n")),
        // The C library has both in itself.
        ("etc/nsswitch.conf", "passwd: files\ngroup: files\nhosts: files dns\n".to_owned()),
    ];
    for (name, text) in files {
        std::fs::write(root.join(name), text)?;
    }
    for folder in
        ["proc", "dev", "sys", "tmp", "run/sandloop", "var/lib/sandloop", "var/cache/sandloop"]
    {
        std::fs::create_dir_all(root.join(folder))?;
    }
    std::fs::set_permissions(root.join("tmp"), std::fs::Permissions::from_mode(0o1777))?;
    Ok(())
}

/// Builds the image of a root that was put together, with whatever builds images here.
pub fn build(context: &Path) -> Result<()> {
    let there = |builder: &&&str| succeeds(builder, &["info"]);
    let Some(builder) = BUILDERS.iter().find(there) else {
        bail!("nothing here builds images: none of {BUILDERS:?} answers `info`");
    };
    let mut build = Command::new(builder);
    build.args(["build", "--build-arg", "ROOT=made", "--tag", NAME]);
    if *builder != "docker" {
        // Health checks are Docker's; an image of the OCI has none. Nothing is run while it is built.
        build.args(["--format", "docker"]);
    }
    if *builder == "buildah" {
        build.args(["--isolation", "chroot"]);
    }
    build.arg("--file").arg(repository().join("packaging/container/Containerfile")).arg(context);
    run(&mut build)?;
    let kind = if *builder == "buildah" { "--type=image" } else { "--format={{json .}}" };
    let told = match *builder {
        "docker" => read(Command::new(builder).args(["image", "inspect", NAME]))?,
        _ => read(Command::new(builder).args(["inspect", kind, NAME]))?,
    };
    let told = String::from_utf8_lossy(&told);
    for wanted in ["65532:65532", "SIGTERM", "sandloop", "Healthcheck"] {
        ensure!(told.contains(wanted), "{builder} inspect {NAME} does not say {wanted}");
    }
    eprintln!("    {NAME}, built by {builder}");
    Ok(())
}

/// Runs the root as a container would, and its health check beside it.
pub fn try_out(root: &Path) -> Result<()> {
    let run = root.with_file_name("run");
    std::fs::create_dir_all(&run)?;
    // What is left of a host before it is taken over as that of a dead one.
    std::fs::set_permissions(&run, std::fs::Permissions::from_mode(0o777))?;
    let serve = confined(root, &run, &["run", "/etc/sandloop/plugins.toml"])?;
    let mut health = confined(root, &run, &["health", "/etc/sandloop/plugins.toml"])?;
    exchange::with(serve, Some(&mut health))
}

/// A command of the image's host under its user, without any privilege, everything read-only but what containers mount.
fn confined(root: &Path, run: &Path, arguments: &[&str]) -> Result<Command> {
    let user = USER.to_string();
    // Root is not what it would be there: a user whom nothing belongs to.
    let id = read(Command::new("id").arg("-u"))?;
    let is_root = id.trim_ascii() == b"0";
    let mut command = Command::new(if is_root { "setpriv" } else { "bwrap" });
    if is_root {
        command.args(["--reuid", &user, "--regid", &user, "--clear-groups", "bwrap"]);
    }
    command
        .args(["--unshare-all", "--share-net", "--die-with-parent", "--new-session", "--clearenv"])
        .args(["--uid", &user, "--gid", &user, "--cap-drop", "ALL", "--ro-bind"])
        .arg(root)
        .args(["/", "--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp", "--bind"])
        .arg(run)
        .args(["/run/sandloop", "--perms", "0777", "--tmpfs", "/var/cache", "--chdir", "/"])
        .args(["--setenv", "XDG_CACHE_HOME", "/var/cache"])
        .args(["--setenv", "SANDLOOP_ADDRESS", "tcp://127.0.0.1:0"])
        .arg("/usr/bin/sandloop")
        .args(arguments);
    Ok(command)
}

/// The libraries that a program is linked with, and what loads them.
fn libraries(program: &Path) -> Result<Vec<PathBuf>> {
    let told = read(Command::new("ldd").arg(program))?;
    let told = String::from_utf8_lossy(&told).into_owned();
    let paths = told.lines().filter_map(|line| {
        let path = line.split_once("=> ").map_or(line, |(_, path)| path);
        let path = path.split_whitespace().next()?;
        path.starts_with('/').then(|| PathBuf::from(path))
    });
    let paths: Vec<PathBuf> = paths.collect();
    ensure!(!paths.is_empty(), "ldd names no library of {}:\n{told}", program.display());
    Ok(paths)
}

fn inside(root: &Path, path: &Path) -> PathBuf {
    root.join(path.strip_prefix("/").unwrap_or(path))
}
