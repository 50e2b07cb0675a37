//! The folder of a cache: whether it can be trusted, and its files, which are read and written as a whole.
//!
//! The files of the compile cache are native code that the host executes. So only this user and root may be able to create
//! a file there, and a file is opened once: the checked bytes are those that are used.

use std::collections::HashSet;
use std::ffi::CStr;
use std::fmt;
use std::fs::{DirBuilder, File};
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use rustix::fs::{
    AtFlags, Dir, FileType, Mode, OFlags, Stat, Timespec, Timestamps, UTIME_NOW, fstat, futimens,
    openat, renameat, statat, unlinkat,
};
use rustix::io::Errno;

use crate::base::os;

/// The maximum size of an entry: the largest components compile to a tenth of it.
const ENTRY_BYTES_MAX: u64 = 2 << 30;
/// The mode bits that let other users write.
const OTHERS_WRITE: u32 = 0o022;
/// Separates the name of an entry from the unique part in the name of an unfinished file.
const UNFINISHED: &str = ".writing-";
/// An unfinished file that is older than the newest entry by this was left behind by a killed host.
const LEFT_SECONDS: i64 = 3600;

/// An open folder that only this user and root can write to.
#[derive(Debug)]
pub(in crate::engine) struct Folder {
    path: PathBuf,
    handle: OwnedFd,
}

/// Why a folder cannot be used: the cause and the remedy.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::engine) struct Unusable(String);

impl fmt::Display for Unusable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Why a file cannot be read.
#[derive(Debug)]
pub(in crate::engine) enum Missing {
    /// It does not exist.
    Absent,
    /// It is not a file that can be trusted.
    Unfit(String),
}

impl Folder {
    /// Opens the folder; creates it, for this user only, if it does not exist.
    pub(in crate::engine) fn open(path: &Path) -> Result<Folder, Unusable> {
        let made = DirBuilder::new().recursive(true).mode(0o700).create(path);
        made.map_err(|error| Unusable(format!("it cannot be made: {error}; name another folder")))?;
        let unread = |error| Unusable(format!("it cannot be opened: {error}; name another folder"));
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let handle = rustix::fs::open(path, flags, Mode::empty()).map_err(unread)?;
        let stat = fstat(&handle).map_err(unread)?;
        match strangers(&stat) {
            None => Ok(Folder { path: path.to_owned(), handle }),
            Some(Stranger::Owner(user)) => Err(Unusable(format!(
                "it belongs to the user {user}, who could put files there; name a folder of your own"
            ))),
            Some(Stranger::Writers(mode)) => Err(Unusable(format!(
                "others may write to it (its mode is {mode:o}) and could put files there; empty it, then \
                 chmod 700"
            ))),
        }
    }

    /// The path of a file in it, for the log.
    pub(in crate::engine) fn path_of(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Reads a file; returns its contents and its handle.
    pub(in crate::engine) fn read(&self, name: &str) -> Result<(Vec<u8>, File), Missing> {
        let unfit = |error: Errno| match error {
            Errno::NOENT => Missing::Absent,
            Errno::LOOP => Missing::Unfit("a symbolic link".to_owned()),
            error => Missing::Unfit(error.to_string()),
        };
        // Opening a pipe would block until its other end is opened.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let handle = openat(&self.handle, name, flags, Mode::empty()).map_err(unfit)?;
        let stat = fstat(&handle).map_err(unfit)?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
            return Err(Missing::Unfit("not a file".to_owned()));
        }
        match strangers(&stat) {
            None => {}
            Some(Stranger::Owner(user)) => {
                return Err(Missing::Unfit(format!("of another user, {user}")));
            }
            Some(Stranger::Writers(mode)) => {
                return Err(Missing::Unfit(format!("writable by others, mode {mode:o}")));
            }
        }
        let size = u64::try_from(stat.st_size).unwrap_or(u64::MAX);
        if ENTRY_BYTES_MAX < size {
            return Err(Missing::Unfit(format!("{size} bytes long")));
        }
        let mut bytes = Vec::with_capacity(usize::try_from(size).unwrap_or(0));
        let file = File::from(handle);
        (&file)
            .take(ENTRY_BYTES_MAX)
            .read_to_end(&mut bytes)
            .map_err(|error| Missing::Unfit(error.to_string()))?;
        Ok((bytes, file))
    }

    /// Replaces a file atomically.
    ///
    /// # Errors
    /// When the system refuses; then nothing has changed.
    pub(in crate::engine) fn write(&self, name: &str, parts: &[&[u8]]) -> io::Result<()> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let unfinished = format!("{name}{UNFINISHED}{}-{number}", std::process::id());
        let written = self.write_new(&unfinished, parts).and_then(|()| self.put(&unfinished, name));
        if written.is_err() {
            // The file may not have been created.
            let _ = unlinkat(&self.handle, &unfinished, AtFlags::empty());
        }
        written
    }

    fn write_new(&self, name: &str, parts: &[&[u8]]) -> io::Result<()> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
        let mode = Mode::RUSR | Mode::WUSR;
        let make = || openat(&self.handle, name, flags, mode);
        let handle = match make() {
            // A killed host had the same process id.
            Err(Errno::EXIST) => {
                unlinkat(&self.handle, name, AtFlags::empty())?;
                make()?
            }
            handle => handle?,
        };
        // Independent of the umask.
        rustix::fs::fchmod(&handle, mode)?;
        let mut file = File::from(handle);
        parts.iter().try_for_each(|part| file.write_all(part))
    }

    fn put(&self, unfinished: &str, name: &str) -> io::Result<()> {
        let rename = || renameat(&self.handle, unfinished, &self.handle, name);
        match rename() {
            // Renaming a file does not replace a folder.
            Err(Errno::ISDIR | Errno::NOTEMPTY | Errno::EXIST) => {
                std::fs::remove_dir_all(self.path_of(name))?;
                Ok(rename()?)
            }
            renamed => Ok(renamed?),
        }
    }

    /// Sets the time of last use of an entry. If that fails, the entry counts as older than it is.
    pub(in crate::engine) fn touch(&self, file: &File) {
        let now = Timespec { tv_sec: 0, tv_nsec: UTIME_NOW };
        let _ = futimens(file, &Timestamps { last_access: now, last_modification: now });
    }

    /// Removes the least recently used entries, except those in `kept`, until the rest have at most `bytes_max`; removes
    /// unfinished files of killed hosts, too.
    ///
    /// # Errors
    /// When the folder cannot be listed.
    pub(in crate::engine) fn sweep(
        &self,
        kept: &HashSet<String>,
        bytes_max: u64,
        is_own: impl Fn(&str) -> bool,
    ) -> io::Result<()> {
        let mut entries = Vec::new();
        let mut unfinished = Vec::new();
        for found in Dir::read_from(&self.handle)? {
            let found = found?;
            let Some((name, stat)) = self.file(found.file_name()) else { continue };
            let age = (stat.st_mtime, stat.st_mtime_nsec);
            let size = u64::try_from(stat.st_size).unwrap_or(0);
            if is_own(&name) {
                entries.push((age, size, name));
            } else if name.split_once(UNFINISHED).is_some_and(|(stem, _)| is_own(stem)) {
                unfinished.push((stat.st_mtime, name));
            }
        }
        entries.sort();
        let newest = entries.last().map_or(0, |((seconds, _), ..)| *seconds);
        for (_, name) in unfinished.iter().filter(|(time, _)| time + LEFT_SECONDS < newest) {
            self.remove(name);
        }
        let mut total: u64 = entries.iter().map(|(_, size, _)| size).sum();
        for (_, size, name) in entries.iter().filter(|(.., name)| !kept.contains(name)) {
            if total <= bytes_max {
                break;
            }
            self.remove(name);
            total -= size;
        }
        Ok(())
    }

    /// The file with this name, unless it is a folder or does not belong to the cache.
    fn file(&self, name: &CStr) -> Option<(String, Stat)> {
        let stat = statat(&self.handle, name, AtFlags::SYMLINK_NOFOLLOW).ok()?;
        let is_folder = FileType::from_raw_mode(stat.st_mode) == FileType::Directory;
        (!is_folder).then_some((name.to_str().ok()?.to_owned(), stat))
    }

    fn remove(&self, name: &str) {
        match unlinkat(&self.handle, name, AtFlags::empty()) {
            Ok(()) => tracing::debug!(name, "compile cache: removed"),
            Err(error) => tracing::debug!(name, %error, "compile cache: not removed"),
        }
    }
}

/// Who else could write.
enum Stranger {
    Owner(u32),
    Writers(u32),
}

/// Whether anybody but this user and root could write to it.
fn strangers(stat: &Stat) -> Option<Stranger> {
    let own = rustix::process::geteuid().as_raw();
    if stat.st_uid != own && stat.st_uid != 0 {
        return Some(Stranger::Owner(stat.st_uid));
    }
    let mode = os::mode_of(stat) & 0o7777;
    (mode & OTHERS_WRITE != 0).then_some(Stranger::Writers(mode))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::engine::cache::entry;
    use crate::engine::cache::entry::{DIGEST_BYTES, EntryKey};

    fn name(number: u8) -> String {
        EntryKey { component: [number; DIGEST_BYTES], settings: [0; DIGEST_BYTES] }.file_name()
    }

    /// A folder with an entry of each size, the first used longest ago.
    fn folder_of(sizes: &[usize]) -> (tempfile::TempDir, Folder) {
        let root = tempfile::tempdir().unwrap();
        let folder = Folder::open(&root.path().join("cache")).unwrap();
        for (number, size) in (0..).zip(sizes) {
            folder.write(&name(number), &[&vec![0; *size]]).unwrap();
            used_at(&folder, &name(number), 100_000 + i64::from(number));
        }
        (root, folder)
    }

    fn used_at(folder: &Folder, name: &str, seconds: i64) {
        let time = Timespec { tv_sec: seconds, tv_nsec: 0 };
        let file = File::open(folder.path_of(name)).unwrap();
        futimens(&file, &Timestamps { last_access: time, last_modification: time }).unwrap();
    }

    fn names(folder: &Folder) -> Vec<String> {
        let listed = std::fs::read_dir(&folder.path).unwrap();
        let mut names: Vec<_> =
            listed.map(|it| it.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[track_caller]
    fn check_sweep(sizes: &[usize], kept: &[u8], bytes_max: u64, left: &[u8]) {
        let (_root, folder) = folder_of(sizes);
        let kept: HashSet<String> = kept.iter().map(|number| name(*number)).collect();
        folder.sweep(&kept, bytes_max, entry::is_file_name).unwrap();
        let left: Vec<String> = left.iter().map(|number| name(*number)).collect();
        assert_eq!(names(&folder), left, "{sizes:?} of at most {bytes_max}, {kept:?} in use");
    }

    #[test]
    fn what_was_used_longest_ago_goes_first() {
        check_sweep(&[10, 10, 10], &[], 30, &[0, 1, 2]);
        check_sweep(&[10, 10, 10], &[], 29, &[1, 2]);
        check_sweep(&[10, 10, 10], &[], 10, &[2]);
        check_sweep(&[10, 10, 10], &[], 0, &[]);
        check_sweep(&[10, 10, 10], &[0], 20, &[0, 2]);
        check_sweep(&[10, 10, 10], &[0, 1, 2], 0, &[0, 1, 2]);
        check_sweep(&[100, 1, 1], &[], 50, &[1, 2]);
    }

    #[test]
    fn only_what_was_left_half_written_is_cleared_away() {
        let (_root, folder) = folder_of(&[1]);
        let old = format!("{}{UNFINISHED}1-0", name(1));
        let new = format!("{}{UNFINISHED}1-1", name(1));
        for (name, seconds) in [(&old, 1), (&new, 100_000), (&"diary.writing-1".to_owned(), 1)] {
            std::fs::write(folder.path_of(name), "half").unwrap();
            used_at(&folder, name, seconds);
        }
        std::fs::create_dir(folder.path_of(&name(2))).unwrap();
        folder.sweep(&HashSet::new(), 100, entry::is_file_name).unwrap();
        let mut left = vec![name(0), new, name(2), "diary.writing-1".to_owned()];
        left.sort();
        assert_eq!(names(&folder), left);
    }

    #[test]
    fn what_is_made_is_for_this_user_alone() {
        let (_root, folder) = folder_of(&[1]);
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o7777;
        assert_eq!(mode(&folder.path), 0o700);
        assert_eq!(mode(&folder.path_of(&name(0))), 0o600);
    }

    #[test]
    fn folders_that_others_may_write_to_are_refused() {
        let root = tempfile::tempdir().unwrap();
        for (mode, is_used) in [
            (0o700, true),
            (0o755, true),
            (0o750, true),
            (0o500, true),
            (0o1755, true),
            (0o2755, true),
            (0o777, false),
            (0o1777, false),
            (0o775, false),
            (0o770, false),
            (0o720, false),
            (0o702, false),
            (0o757, false),
        ] {
            let path = root.path().join(format!("{mode:o}"));
            std::fs::create_dir(&path).unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
            assert_eq!(Folder::open(&path).is_ok(), is_used, "{mode:o}");
        }
        std::fs::write(root.path().join("file"), "").unwrap();
        assert!(Folder::open(&root.path().join("file")).is_err());
        assert!(Folder::open(&root.path().join("file/cache")).is_err());
    }
}
