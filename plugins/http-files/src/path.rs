//! Where the path of a request leads. That it cannot lead out of the folder is the host's care as well.

use std::fs;

use sandloop::http::Request;

/// What is at a path.
pub enum Place {
    /// Perhaps a file.
    File(String),
    /// A folder, asked for without the slash that links in its pages count on.
    Folder,
}

impl Place {
    /// None where nothing can be.
    pub fn of(root: &str, index: &str, path: Option<&str>) -> Option<Place> {
        let path = path.filter(|path| path.starts_with('/'))?;
        let mut place = root.trim_end_matches('/').to_owned();
        for name in path.split('/').filter(|name| !name.is_empty()) {
            // `.` and `..` among them.
            if name.starts_with('.') && name != ".well-known" {
                return None;
            }
            place = format!("{place}/{name}");
        }
        if path.ends_with('/') {
            return Some(Place::File(format!("{place}/{index}")));
        }
        let is_folder = fs::metadata(&place).is_ok_and(|metadata| metadata.is_dir());
        Some(if is_folder { Place::Folder } else { Place::File(place) })
    }
}

/// The same target as a folder's.
pub fn with_slash(request: &Request) -> String {
    // Two slashes at the start would be another host's name.
    let path = request.path().trim_start_matches('/');
    match request.query_string() {
        "" => format!("/{path}/"),
        query => format!("/{path}/?{query}"),
    }
}
