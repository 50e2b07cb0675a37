//! The files that a build reads, by the patterns of its `watch`.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use glob::Pattern;

use crate::config::build::BuildConfig;
use crate::config::model::Config;

/// A message for each plugin whose sources have changed since it was built.
pub(crate) fn outdated(config: &Config) -> Vec<String> {
    let sections = config.plugins.iter().filter_map(|plugin| plugin.build.as_ref());
    let line = |section: &BuildConfig| {
        let (newer, component) = (newer_than_built(section)?, section.component.display());
        let newer = newer.display();
        Some(format!("note    {newer} has changed since {component} was built: `sandloop build`"))
    };
    sections.filter_map(line).collect()
}

/// A source that is newer than the component; none if there is no component, which is another error.
fn newer_than_built(section: &BuildConfig) -> Option<PathBuf> {
    // A build whose component is unchanged writes only the output.
    let built = [&section.component, &section.output].into_iter().filter_map(|path| changed(path));
    let built = built.max()?;
    let patterns = section.watch.iter().flat_map(|pattern| absolute(&section.folder, pattern));
    let mut files = patterns.flat_map(|pattern| found(&pattern)).filter(|path| path.is_file());
    files.find(|path| changed(path).is_some_and(|at| built < at))
}

/// The modification time of a file.
fn changed(path: &Path) -> Option<(i64, i64)> {
    let metadata = std::fs::metadata(path).ok()?;
    Some((metadata.mtime(), metadata.mtime_nsec()))
}

/// The pattern, relative to the current folder. A `**` at its end matches the files in all folders below.
pub(super) fn absolute(folder: &Path, pattern: &str) -> Vec<String> {
    let folder = folder.display().to_string();
    let whole = match folder.as_str() {
        "" => pattern.to_owned(),
        folder => format!("{}/{pattern}", Pattern::escape(folder)),
    };
    match whole.ends_with("/**") || whole == "**" {
        true => vec![format!("{whole}/*")],
        false => vec![whole],
    }
}

/// The paths that match a pattern.
pub(super) fn found(pattern: &str) -> Vec<PathBuf> {
    glob::glob(pattern).map(|paths| paths.filter_map(Result::ok).collect()).unwrap_or_default()
}
