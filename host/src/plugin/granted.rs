//! Files below the folders that are granted to a plugin, opened by the host itself. No path leads out of them: the system
//! resolves each strictly below its folder, links and `..` included (`openat2` with RESOLVE_BENEATH).

use std::fs::File;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use rustix::fs::{FileType, Mode, OFlags, fstat};
use rustix::io::Errno;

use crate::base::os;
use crate::config::directory::Directory;
use crate::mail::watch::WatchFault;
use crate::net::connection::files::{FileFault, OpenedFile};

/// The longest path of the system, in bytes.
pub(crate) const PATH_MAX: usize = 4095;

/// The folders that are granted to a plugin, opened once.
#[derive(Debug, Clone, Default)]
pub struct GrantedFolders(Arc<[GrantedFolder]>);

#[derive(Debug)]
struct GrantedFolder {
    /// Its name for the plugin.
    name: String,
    folder: Arc<OwnedFd>,
}

/// The version of a file: its size and time of modification.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Version {
    /// Its size in bytes.
    pub size: u64,
    /// The time of the last modification in seconds since 1970: the lower 32 bits.
    pub seconds: u32,
    /// The nanoseconds of that time.
    pub nanoseconds: u32,
}

/// A path below a granted folder; it may not exist.
#[derive(Debug)]
pub struct GrantedPath {
    folder: Arc<OwnedFd>,
    /// Relative to the folder.
    path: String,
}

impl GrantedFolders {
    /// Opens the folders.
    ///
    /// # Errors
    /// The folder that cannot be opened, and why.
    pub fn open(directories: &[Directory]) -> Result<GrantedFolders, (Directory, Errno)> {
        let open = |directory: &Directory| {
            let flags = os::FOR_ITS_NAME | OFlags::DIRECTORY | OFlags::CLOEXEC;
            let folder = rustix::fs::open(&directory.host, flags, Mode::empty());
            let folder = folder.map_err(|errno| (directory.clone(), errno))?;
            Ok(GrantedFolder { name: directory.guest.clone(), folder: Arc::new(folder) })
        };
        Ok(GrantedFolders(directories.iter().map(open).collect::<Result<_, _>>()?))
    }

    /// Resolves a path of the plugin; none if it is below no granted folder.
    pub fn find(&self, path: &str) -> Option<GrantedPath> {
        let mut path = path;
        while let Some(rest) = path.strip_prefix("./") {
            path = rest.trim_start_matches('/');
        }
        let below =
            |it: &GrantedFolder| Some((it.folder.clone(), below(&it.name, path)?.to_owned()));
        // If two folders contain it, the one with the longer name counts.
        let found = self.0.iter().filter_map(|it| Some((it.name.len(), below(it)?)));
        let (_, (folder, path)) = found.max_by_key(|(length, _)| *length)?;
        Some(GrantedPath { folder, path })
    }
}

/// The part of a path that is relative to the folder with this name.
fn below<'a>(name: &str, path: &'a str) -> Option<&'a str> {
    let rest = match name {
        "." if path.starts_with('/') => return None,
        "." => path,
        "/" => path.strip_prefix('/')?,
        name => path.strip_prefix(name)?,
    };
    let is_whole = matches!(name, "." | "/") || rest.is_empty() || rest.starts_with('/');
    let rest = rest.trim_start_matches('/');
    is_whole.then_some(if rest.is_empty() { "." } else { rest })
}

impl GrantedPath {
    /// Opens it for a part, if it is a regular file and of this version. May block in the file system.
    ///
    /// # Errors
    /// Why the file cannot be sent.
    pub fn open(
        &self,
        offset: u64,
        length: Option<u64>,
        version: Option<Version>,
    ) -> Result<OpenedFile, FileFault> {
        // A pipe or device is not opened: opening it may block for ever or have side effects.
        refuse_special(&self.resolve(os::FOR_ITS_NAME)?)?;
        let file = self.resolve(OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY)?;
        // The path may have been replaced meanwhile.
        let opened = refuse_special(&file)?;
        if version.is_some_and(|version| version != opened) {
            return Err(FileFault::Changed);
        }
        let there = opened.size.checked_sub(offset).ok_or(FileFault::Changed)?;
        let left = length.unwrap_or(there);
        if there < left {
            return Err(FileFault::Changed);
        }
        Ok(OpenedFile { file: Arc::new(File::from(file)), offset, left })
    }

    /// Opens it with O_PATH, if it is a file or a folder. May block in the file system.
    ///
    /// # Errors
    /// Why it cannot be watched.
    pub fn open_to_watch(&self) -> Result<OwnedFd, WatchFault> {
        let opened = self.resolve(os::FOR_ITS_NAME)?;
        let stat = fstat(&opened).map_err(fault_of)?;
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile | FileType::Directory => Ok(opened),
            _ => Err(WatchFault::Unsupported),
        }
    }

    fn resolve(&self, flags: OFlags) -> Result<OwnedFd, FileFault> {
        loop {
            match os::open_below(&self.folder, &self.path, flags) {
                Err(Errno::INTR | Errno::AGAIN) => {}
                result => return result.map_err(fault_of),
            }
        }
    }
}

/// The version of a regular file; an error for anything else.
fn refuse_special(opened: &OwnedFd) -> Result<Version, FileFault> {
    let stat = fstat(opened).map_err(fault_of)?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        return Err(FileFault::NotAFile);
    }
    let lower = stat.st_mtime & i64::from(u32::MAX);
    Ok(Version {
        size: u64::try_from(stat.st_size).unwrap_or(0),
        seconds: u32::try_from(lower).unwrap_or(0),
        nanoseconds: u32::try_from(stat.st_mtime_nsec).unwrap_or(0),
    })
}

fn fault_of(errno: Errno) -> FileFault {
    match errno {
        Errno::NOENT | Errno::NOTDIR | Errno::NAMETOOLONG | Errno::INVAL | Errno::LOOP => {
            FileFault::NotFound
        }
        // It leads out of the folder, or this user has no permission.
        Errno::XDEV | Errno::ACCESS | Errno::PERM => FileFault::Denied,
        Errno::ISDIR | Errno::NXIO => FileFault::NotAFile,
        _ => FileFault::Failed,
    }
}

impl From<FileFault> for WatchFault {
    fn from(fault: FileFault) -> WatchFault {
        match fault {
            FileFault::Denied => WatchFault::Denied,
            FileFault::NotFound => WatchFault::NotFound,
            FileFault::NotAFile => WatchFault::Unsupported,
            FileFault::Closed | FileFault::Changed | FileFault::Failed => WatchFault::Failed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::directory::Access;
    use std::fs::FileTimes;
    use std::path::Path;
    use std::time::{Duration, UNIX_EPOCH};

    #[test]
    fn a_path_is_below_the_folder_with_the_longest_name() {
        let check = |name, path, rest| assert_eq!(below(name, path), rest, "{name} {path}");
        check("public", "public/a/b", Some("a/b"));
        check("public", "public//a", Some("a"));
        check("public", "public", Some("."));
        check("public", "publicity/a", None);
        check("public", "/public/a", None);
        check(".", "a", Some("a"));
        check(".", "/a", None);
        check("/", "/a", Some("a"));
        check("/www", "/www/../www/a", Some("../www/a"));
    }

    fn granted(folder: &Path) -> GrantedFolders {
        let host = folder.join("open");
        let directory = Directory { host, guest: "open".to_owned(), access: Access::Read };
        GrantedFolders::open(&[directory]).expect("it is there")
    }

    #[test]
    fn nothing_leads_out_and_what_is_no_file_is_not_opened() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let at = |name: &str| dir.path().join(name);
        std::fs::create_dir_all(at("open/folder")).expect("a new folder");
        std::fs::write(at("open/file"), "0123456789").expect("a new file");
        std::fs::write(at("secret"), "x").expect("a new file");
        let link = |to: &str, name: &str| {
            std::os::unix::fs::symlink(to, at(name)).expect("a new link");
        };
        link("../secret", "open/out");
        link("file", "open/in");
        link("/etc/passwd", "open/absolute");
        link("..", "open/up");
        link("round", "open/round");
        link("/proc/self/fd/0", "open/magic");
        rustix::fs::mknodat(
            rustix::fs::CWD,
            at("open/pipe"),
            FileType::Fifo,
            Mode::RUSR | Mode::WUSR,
            0,
        )
        .expect("a new pipe");
        let folders = granted(dir.path());
        let open = |path: &str| {
            let path = folders.find(path).ok_or(FileFault::Denied)?;
            path.open(0, None, None).map(|it| it.left)
        };
        assert_eq!(open("open/file"), Ok(10));
        assert_eq!(open("open/in"), Ok(10));
        assert_eq!(open("open/folder/../file"), Ok(10));
        for path in [
            "secret",
            "/etc/passwd",
            "open/../secret",
            "open/out",
            "open/absolute",
            "open/up/secret",
            "open/folder/../../secret",
            "open/magic",
        ] {
            assert_eq!(open(path), Err(FileFault::Denied), "{path}");
        }
        assert_eq!(open("open/none"), Err(FileFault::NotFound));
        assert_eq!(open("open/file/none"), Err(FileFault::NotFound));
        assert_eq!(open("open/round"), Err(FileFault::NotFound));
        assert_eq!(open("open/a\0b"), Err(FileFault::NotFound));
        for path in ["open", "open/folder", "open/pipe"] {
            assert_eq!(open(path), Err(FileFault::NotAFile), "{path}");
        }
        let part = |offset, length| {
            let path = folders.find("open/file").expect("it is below");
            path.open(offset, length, None).map(|it| (it.offset, it.left))
        };
        assert_eq!(part(4, None), Ok((4, 6)));
        assert_eq!(part(4, Some(6)), Ok((4, 6)));
        assert_eq!(part(10, None), Ok((10, 0)));
        assert_eq!(part(4, Some(7)), Err(FileFault::Changed));
        assert_eq!(part(11, None), Err(FileFault::Changed));
    }

    #[test]
    fn another_version_is_not_sent() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let file = dir.path().join("open/file");
        std::fs::create_dir(dir.path().join("open")).expect("a new folder");
        let write = |content: &str, nanoseconds: u64| {
            std::fs::write(&file, content).expect("there is room");
            let time = UNIX_EPOCH + Duration::from_secs(5_000_000_000);
            let times = FileTimes::new().set_modified(time + Duration::from_nanos(nanoseconds));
            let file = File::options().append(true).open(&file).expect("it is there");
            file.set_times(times).expect("it is ours");
        };
        let folders = granted(dir.path());
        let open = || {
            let path = folders.find("open/file").expect("it is below");
            let known = Version { size: 4, seconds: 705_032_704, nanoseconds: 7 };
            path.open(0, None, Some(known)).map(|it| it.left)
        };
        write("1234", 7);
        assert_eq!(open(), Ok(4));
        write("4321", 8);
        assert_eq!(open(), Err(FileFault::Changed), "another time");
        write("12345", 7);
        assert_eq!(open(), Err(FileFault::Changed), "another size");
    }
}
