//! The compile cache: whatever the state of an entry or of the folder, the host serves the component itself, and trusts only
//! entries that it has written.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use sandloop_tests::host::finish;
use sandloop_tests::{Config, Host, LogLine, Outcome, Plugin, paths, sandloop};
use tempfile::TempDir;

/// The small guest: it compiles quickly.
const GUEST: &str = "c_echo";
/// A user who is neither this one nor root.
const STRANGER: u32 = 54_321;

/// A folder with a configuration whose cache is beside it, filled.
struct Site {
    dir: TempDir,
    /// The entry, as it was written.
    good: Vec<u8>,
}

impl Site {
    fn new() -> Site {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let mut site = Site { dir, good: Vec::new() };
        fs::write(site.path("plugins.toml"), site.config().to_toml()).expect("a new file");
        assert_eq!(site.compile(), "compiled");
        site.good = fs::read(site.entry()).expect("an entry");
        site
    }

    fn config(&self) -> Config {
        let folder = format!("{:?}", self.path("cache"));
        Config::serving(Plugin::new(GUEST)).host("compile_cache", folder)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// The path of the only entry, even if it is damaged.
    fn entry(&self) -> PathBuf {
        entry(&self.path("cache"))
    }

    /// The result of `sandloop compile`: `compiled`, or `was in the cache`.
    #[track_caller]
    fn compile(&self) -> &'static str {
        let outcome = sandloop(self.dir.path(), &["compile", "plugins.toml"]);
        assert_eq!(outcome.code, Some(0), "{outcome:?}");
        let did = |words| outcome.stdout.starts_with(&format!("{GUEST}: {words}"));
        match (did("compiled in "), did("was in the cache")) {
            (true, false) => "compiled",
            (false, true) => "was in the cache",
            _ => panic!("{outcome:?}"),
        }
    }

    /// The entry is compiled again once, and trusted afterwards.
    #[track_caller]
    fn is_replaced(&self, what: &str) {
        assert_eq!(self.compile(), "compiled", "{what}");
        assert_eq!(self.compile(), "was in the cache", "{what}");
        assert!(fs::read(self.entry()).is_ok_and(|bytes| bytes == self.good), "{what}");
    }

    /// A host serves the right answers, and its only warnings begin with this, if there are any.
    #[track_caller]
    fn serves(&self, what: &str, warning: Option<&str>) -> Vec<LogLine> {
        let host = Host::start(&self.config());
        host.connect(GUEST).expect_echo("helo\n");
        let log = host.log();
        let warnings: Vec<_> = log.iter().filter(|line| line.level() == "WARN").collect();
        match warning {
            Some(start) => assert!(
                matches!(&*warnings, [one] if one.message().starts_with(start)),
                "{what}: {warnings:?}"
            ),
            None => assert!(warnings.is_empty(), "{what}: {warnings:?}"),
        }
        host.stop();
        log
    }
}

fn entry(folder: &Path) -> PathBuf {
    let files = fs::read_dir(folder).expect("the cache").map(|file| file.expect("a file").path());
    let mut entries: Vec<_> =
        files.filter(|it| it.extension() == Some("compiled".as_ref())).collect();
    assert_eq!(entries.len(), 1, "{entries:?}");
    entries.swap_remove(0)
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).expect("it is this user's");
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// `count` places in `length`, from the first to the last.
fn places(length: usize, count: usize) -> impl Iterator<Item = usize> {
    (0..count).map(move |number| number * (length - 1) / (count - 1))
}

#[test]
fn an_entry_with_a_wrong_bit_is_replaced() {
    let site = Site::new();
    for place in places(site.good.len(), 40) {
        let mut bad = site.good.clone();
        bad[place] ^= 1 << (place % 8);
        fs::write(site.entry(), bad).expect("an entry");
        site.is_replaced(&format!("a bit of byte {place}"));
    }
}

#[test]
fn an_entry_of_another_length_is_replaced() {
    let site = Site::new();
    let shorter = places(site.good.len(), 20).map(|length| site.good[..length].to_vec());
    let longer = [b"\0".to_vec(), site.good.clone()].map(|more| [&*site.good, &*more].concat());
    for bad in shorter.chain(longer) {
        fs::write(site.entry(), &bad).expect("an entry");
        site.is_replaced(&format!("{} of {} bytes", bad.len(), site.good.len()));
    }
}

/// Each kind of damage, with a host that serves beside it.
#[test]
fn whatever_stands_in_the_place_of_an_entry_the_host_serves_and_replaces_it() {
    type Damage = (&'static str, fn(&Site, &Path));
    let damages: [Damage; 14] = [
        ("empty", |_, entry| fs::write(entry, "").expect("an entry")),
        ("zeros", |site, entry| fs::write(entry, vec![0; site.good.len()]).expect("an entry")),
        ("noise", |site, entry| {
            let noise = site.good.iter().rev().map(|byte| byte.wrapping_mul(31) ^ 0x5a);
            fs::write(entry, noise.collect::<Vec<_>>()).expect("an entry");
        }),
        ("torn in the middle", |site, entry| {
            let mut bad = site.good.clone();
            let middle = bad.len() / 2;
            bad[middle..].fill(0);
            fs::write(entry, bad).expect("an entry");
        }),
        ("another component's", |_, entry| {
            fs::write(entry, other_entry("pass")).expect("an entry");
        }),
        ("another engine's", |site, entry| {
            fs::write(entry, of_another_engine(&site.good)).expect("an entry");
        }),
        ("missing", |_, entry| fs::remove_file(entry).expect("an entry")),
        ("a folder", |_, entry| {
            fs::remove_file(entry).expect("an entry");
            fs::create_dir(entry).expect("a folder");
        }),
        ("a folder with a file", |_, entry| {
            fs::remove_file(entry).expect("an entry");
            fs::create_dir(entry).expect("a folder");
            fs::write(entry.join("diary"), "dear diary").expect("a file");
        }),
        ("a link to a good entry", |site, entry| {
            fs::rename(entry, site.path("elsewhere")).expect("an entry");
            symlink(site.path("elsewhere"), entry).expect("a link");
        }),
        ("a link to nowhere", |_, entry| {
            fs::remove_file(entry).expect("an entry");
            symlink("/nowhere", entry).expect("a link");
        }),
        ("a pipe", |_, entry| {
            fs::remove_file(entry).expect("an entry");
            let made = Command::new("mkfifo").arg(entry).status();
            assert!(made.is_ok_and(|status| status.success()), "mkfifo");
        }),
        ("writable by everybody", |_, entry| set_mode(entry, 0o666)),
        ("writable by a group", |_, entry| set_mode(entry, 0o620)),
    ];
    let site = Site::new();
    for (what, damage) in damages {
        damage(&site, &site.entry());
        site.serves(what, None);
        assert_eq!(site.compile(), "was in the cache", "{what}");
        let file = fs::symlink_metadata(site.entry()).expect("an entry");
        assert!(file.is_file() && file.permissions().mode() & 0o777 == 0o600, "{what}");
        assert!(fs::read(site.entry()).is_ok_and(|bytes| bytes == site.good), "{what}");
    }
}

/// The entry of another guest.
fn other_entry(guest: &str) -> Vec<u8> {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let dir = dir.path();
    let config = Config::serving(Plugin::new(guest)).host("compile_cache", "\"./cache\"");
    fs::write(dir.join("plugins.toml"), config.to_toml()).expect("a new file");
    let outcome = sandloop(dir, &["compile"]);
    assert_eq!(outcome.code, Some(0), "{outcome:?}");
    fs::read(entry(&dir.join("cache"))).expect("an entry")
}

/// The entry as an engine with other settings would write it: another digest of them in its head, and the right one at its end.
fn of_another_engine(entry: &[u8]) -> Vec<u8> {
    const DIGEST: usize = 32;
    const SETTINGS: usize = "sandloop compiled code 2".len() + DIGEST;
    let mut other = entry[..entry.len() - DIGEST].to_vec();
    other[SETTINGS] ^= 1;
    let file = tempfile::NamedTempFile::new().expect("a temporary file");
    fs::write(file.path(), &other).expect("a temporary file");
    let told = finish_of("sha256sum", file.path());
    let digest = (0..DIGEST).map(|at| u8::from_str_radix(&told[2 * at..2 * at + 2], 16));
    other.extend(digest.map(|byte| byte.expect("two digits")));
    other
}

/// The output of a program for a file.
fn finish_of(program: &str, file: &Path) -> String {
    let mut command = Command::new(program);
    command.arg(file);
    finish(command).stdout
}

/// Root can read everything; the test needs another user.
#[test]
fn an_unreadable_entry_is_no_obstacle() {
    let site = Site::new();
    set_mode(&site.entry(), 0o000);
    site.serves("unreadable", None);
    assert_eq!(site.compile(), "was in the cache");
}

#[test]
fn a_folder_that_others_may_write_to_is_not_used() {
    let site = Site::new();
    let folder = site.path("cache");
    for mode in [0o777, 0o1777, 0o775, 0o770, 0o722, 0o702] {
        set_mode(&folder, mode);
        let log = site.serves(&format!("{mode:o}"), Some("the compile cache is not used"));
        let warning = log.iter().find(|line| line.level() == "WARN").expect("it was found");
        assert_eq!(warning.field("folder"), folder.to_str());
        assert!(warning.0.contains("chmod 700"), "{warning}");
    }
    let outcome = sandloop(site.dir.path(), &["compile"]);
    assert_eq!(outcome.code, Some(1), "{outcome:?}");
    for mode in [0o700, 0o755, 0o750] {
        set_mode(&folder, mode);
        assert_eq!(site.compile(), "was in the cache", "{mode:o}");
        site.serves(&format!("{mode:o}"), None);
    }
    // A folder that the operator has moved behind a link is used at its real place.
    fs::rename(&folder, site.path("elsewhere")).expect("a folder");
    symlink(site.path("elsewhere"), &folder).expect("a link");
    assert_eq!(site.compile(), "was in the cache");
    set_mode(&folder, 0o777);
    site.serves("a link", Some("the compile cache is not used"));
}

/// Only root can change an owner.
#[test]
fn what_belongs_to_another_user_is_not_used() {
    let site = Site::new();
    if !is_root() {
        return;
    }
    chown(site.entry(), Some(STRANGER), None).expect("root may");
    site.is_replaced("an entry of another user");
    chown(site.path("cache"), Some(STRANGER), None).expect("root may");
    site.serves("a folder of another user", Some("the compile cache is not used"));
}

/// Each system call of the cache that writes, and its possible errors. `strace` injects them.
#[test]
fn what_cannot_be_written_is_a_warning_with_the_file_and_the_cause() {
    // The first file of the folder that is opened is the existing one, the next is the new one.
    for (call, error, words) in [
        ("openat:error=EROFS:when=2+", "a read-only file system", "Read-only file system"),
        ("openat:error=EACCES:when=2+", "a folder of somebody else's", "Permission denied"),
        ("openat:error=ENOSPC:when=2+", "no inodes", "No space left on device"),
        ("fchmod:error=EDQUOT", "a quota", "Disk quota exceeded"),
        ("fchmod:error=ENOSPC", "a full disk", "No space left on device"),
        ("renameat,renameat2:error=EIO", "a broken disk", "Input/output error"),
    ] {
        let site = Site::new();
        let file = site.entry();
        fs::remove_file(&file).expect("an entry");
        let mut strace = Command::new("strace");
        strace.args(["--quiet=all", "-o", "/dev/null", "-e", &format!("inject={call}")]);
        if call.starts_with("openat") {
            // Only in the folder of the cache: other code opens files, too.
            strace.arg("-P").arg(site.path("cache"));
        }
        let outcome = checked(strace, &site);
        assert_eq!(outcome.code, Some(0), "{error}: {outcome:?}");
        let warning = outcome.stderr;
        assert!(warning.contains("WARN the compile cache was not written"), "{error}: {warning}");
        let named = file.to_str().expect("text");
        assert!(warning.contains(named) && warning.contains(words), "{error}: {warning}");
        let left: Vec<_> = fs::read_dir(site.path("cache")).expect("the cache").collect();
        assert!(left.is_empty(), "{error}: {left:?}");
    }
}

/// `sandloop check` below another program.
fn checked(mut program: Command, site: &Site) -> Outcome {
    program
        .arg(paths::binary())
        .args(["check", "plugins.toml"])
        .env_remove("SANDLOOP_LOG")
        .env_remove("RUST_BACKTRACE")
        .current_dir(site.dir.path());
    finish(program)
}

#[test]
fn the_limit_of_files_does_not_end_the_host() {
    let site = Site::new();
    fs::remove_file(site.entry()).expect("an entry");
    // In KiB: more than the initial memory of the guest, which is a file in memory, and less than its code.
    let limited = |kib: u32| {
        let mut shell = Command::new("bash");
        shell.args(["-c", &format!("ulimit -f {kib} && exec \"$@\""), "bash"]);
        checked(shell, &site)
    };
    let refused = limited(1);
    assert_eq!(refused.code, Some(3), "{refused:?}");
    assert!(refused.stderr.contains("the picture of its first memory"), "{refused:?}");
    let outcome = limited(64);
    assert_eq!(outcome.code, Some(0), "{outcome:?}");
    assert!(outcome.stderr.contains("WARN the compile cache was not written"), "{outcome:?}");
    assert!(outcome.stderr.contains("File too large"), "{outcome:?}");
    let left: Vec<_> = fs::read_dir(site.path("cache")).expect("the cache").collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn a_folder_that_cannot_be_made_is_a_warning() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let config =
        Config::serving(Plugin::new(GUEST)).host("compile_cache", "\"/proc/sandloop/cache\"");
    let host = Host::start_in(dir, &config);
    let warning = host.wait_log("the compile cache is not used");
    assert_eq!(warning.field("folder"), Some("/proc/sandloop/cache"));
    host.connect(GUEST).expect_echo("helo\n");
    host.stop();
}

#[test]
fn a_relative_folder_is_beside_the_configuration() {
    let site = Site::new();
    let toml =
        Config::serving(Plugin::new(GUEST)).host("compile_cache", "\"./kept/here\"").to_toml();
    fs::create_dir(site.path("etc")).expect("a folder");
    fs::write(site.path("etc/plugins.toml"), toml).expect("a new file");
    let absolute = site.path("etc/plugins.toml");
    let (etc, root) = (site.path("etc"), site.path("."));
    let starts: [(&Path, &[&str], &str); 4] = [
        (&etc, &["compile"], "compiled"),
        (&root, &["compile", "etc/plugins.toml"], "was in the cache"),
        (&etc, &["compile", "./plugins.toml"], "was in the cache"),
        (&root, &["compile", absolute.to_str().expect("text")], "was in the cache"),
    ];
    for (folder, arguments, did) in starts {
        let outcome = sandloop(folder, arguments);
        assert_eq!(outcome.code, Some(0), "{outcome:?}");
        assert!(outcome.stdout.starts_with(&format!("{GUEST}: {did}")), "{outcome:?}");
    }
    entry(&site.path("etc/kept/here"));
    assert!(!site.path("kept").exists());
}

#[test]
fn the_cache_is_kept_within_its_size() {
    let site = Site::new();
    for guest in ["echo", "pass", "clock", "timers", "chat", "http-hello"] {
        let toml = Config::serving(Plugin::new(guest))
            .host("compile_cache", "\"./cache\"")
            .host("compile_cache_size", "\"1MiB\"")
            .to_toml();
        fs::write(site.path("plugins.toml"), toml).expect("a file");
        let outcome = sandloop(site.dir.path(), &["compile"]);
        assert_eq!(outcome.code, Some(0), "{outcome:?}");
        let files = fs::read_dir(site.path("cache")).expect("the cache");
        let sizes: Vec<u64> =
            files.map(|file| file.and_then(|it| it.metadata()).expect("a file").len()).collect();
        // The entries of this start are kept, whatever their size.
        assert!(sizes.len() == 1 || sizes.iter().sum::<u64>() <= 1 << 20, "{guest}: {sizes:?}");
    }
}

#[test]
fn nothing_to_fill_is_said() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let toml = Config::serving(Plugin::new(GUEST)).host("compile_cache", "\"off\"").to_toml();
    fs::write(dir.path().join("plugins.toml"), toml).expect("a new file");
    let outcome = sandloop(dir.path(), &["compile"]);
    let words = "error: plugins.toml:2: host.compile_cache: it is \"off\", so that there is nothing to fill; write \
                 \"default\", or a folder as in \"./cache\"\n";
    assert_eq!((outcome.code, &*outcome.stderr), (Some(2), words));
}
