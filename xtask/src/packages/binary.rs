//! The binary that is shipped, and its debug file.

use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

use super::{exchange, folder};
use crate::host;
use crate::profile::Profile;
use crate::root::{components, target};
use crate::step::{cargo, read, run};

/// Most bytes of the stripped binary: what one may have to send to a small machine, and to a thousand of them.
const BYTES_MAX: u64 = 30_000_000;

/// The processor that a binary is for.
pub enum Target {
    /// This machine's.
    Own,
    /// 64-bit ARM with Linux and glibc.
    Aarch64,
}

const AARCH64: &str = "aarch64-unknown-linux-gnu";

impl Target {
    /// By its name in the Rust world.
    pub fn named(triple: Option<&str>) -> Result<Target> {
        match triple {
            None => Ok(Target::Own),
            Some(AARCH64) => Ok(Target::Aarch64),
            Some(other) => {
                bail!("{other} is not built here; write {AARCH64}, or nothing for this machine")
            }
        }
    }

    /// Whether this machine needs a cross compiler and an emulator for it.
    pub fn is_foreign(&self) -> bool {
        matches!(self, Target::Aarch64) && !cfg!(target_arch = "aarch64")
    }

    /// A program of binutils for it.
    fn tool(&self, name: &str) -> Command {
        let prefix = if self.is_foreign() { "aarch64-linux-gnu-" } else { "" };
        Command::new(format!("{prefix}{name}"))
    }

    fn name(&self) -> &str {
        match self {
            Target::Own => std::env::consts::ARCH,
            Target::Aarch64 => "aarch64",
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Builds the host and says where it is.
pub fn build(profile: Profile, to: &Target) -> Result<PathBuf> {
    if !to.is_foreign() {
        return host::build(profile);
    }
    run(Command::new("rustup").args(["target", "add", AARCH64]))
        .context("rustup brings the standard library for another processor")?;
    let mut build = cargo(&["build", "--bin", "sandloop", "--target", AARCH64]);
    build
        .args(host::package(profile))
        .env("CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER", "aarch64-linux-gnu-gcc");
    run(&mut build)?;
    Ok(target().join(AARCH64).join(profile.name()).join("sandloop"))
}

/// Strips the binary; what is taken off goes beside it, where a debugger finds it.
pub fn split(built: &Path, of: &Target) -> Result<PathBuf> {
    let folder = folder().join(of.name());
    std::fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
    let (stripped, debug) = (folder.join("sandloop"), folder.join("sandloop.debug"));
    for old in [&stripped, &debug] {
        // A link to it would be written through.
        let _ = std::fs::remove_file(old);
    }
    run(of
        .tool("objcopy")
        .args(["--only-keep-debug", "--compress-debug-sections"])
        .args([built, &*debug]))?;
    run(of
        .tool("objcopy")
        .args(["--strip-all", "--add-gnu-debuglink"])
        .arg(&debug)
        .args([built, &*stripped]))?;
    let bytes = stripped.metadata()?.len();
    eprintln!("    {} bytes stripped, {} of debug file", bytes, debug.metadata()?.len());
    ensure!(
        bytes < BYTES_MAX,
        "{} has {bytes} bytes, {BYTES_MAX} are the most; `size -A` and `cargo bloat` say what weighs",
        stripped.display()
    );
    let links = read(of.tool("readelf").arg("--string-dump=.gnu_debuglink").arg(&stripped))?;
    ensure!(
        String::from_utf8_lossy(&links).contains("sandloop.debug"),
        "{} does not name its debug file",
        stripped.display()
    );
    Ok(stripped)
}

/// Has a binary for another processor serve one exchange under an emulator.
pub fn exchange(sandloop: &Path, of: &Target) -> Result<()> {
    let folder = folder().join(of.name()).join("exchange");
    std::fs::create_dir_all(&folder)?;
    let echo = components().join("echo.wasm");
    let config = format!(
        "[host]\ncompile_cache = \"off\"\ninstances = 10\n\n[plugins.echo]\ncomponent = \"{}\"\n\n\
         [[listen]]\naddress = \"tcp://127.0.0.1:0\"\nplugin = \"echo\"\n",
        echo.display()
    );
    std::fs::write(folder.join("plugins.toml"), config)?;
    let mut command = Command::new("unshare");
    command.args(["--user", "--map-root-user", "--mount", "sh", "-euc", EMULATED, "sh"]);
    command.arg(sandloop.with_file_name("")).arg(components());
    exchange::with(command, None)
}

/// Runs `$1/sandloop` with the components of `$2` under the emulator. The host starts its compilers from its own program, so that the
/// kernel has to know what runs such programs: in a user namespace of its own, which changes nothing for the machine.
const EMULATED: &str = r#"
    mount -t binfmt_misc binfmt_misc /proc/sys/fs/binfmt_misc
    magic='\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\xb7\x00'
    mask='\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff'
    emulator=$(command -v qemu-aarch64-static)
    printf '%s' ":qemu-aarch64:M::$magic:$mask:$emulator:F" >/proc/sys/fs/binfmt_misc/register
    exec bwrap --unshare-pid --die-with-parent --ro-bind /usr/aarch64-linux-gnu/lib /lib \
        --proc /proc --dev /dev --tmpfs /tmp --ro-bind "$1" /dist --ro-bind "$2" "$2" \
        --chdir /dist/exchange /dist/sandloop run plugins.toml
"#;
