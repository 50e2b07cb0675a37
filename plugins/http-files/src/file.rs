//! One file and what a client gets of it.

use std::fs;
use std::io::{self, Read};
use std::ops::Range;
use std::time::SystemTime;

use sandloop::files::FileVersion;
use sandloop::http::codec::conditional::{self, Validators, Verdict};
use sandloop::http::codec::date;
use sandloop::http::codec::range::{self, Part};
use sandloop::http::{Method, Request, Response};

/// Bytes that are read and compressed at once.
const PIECE: u64 = 16 * 1024;

/// What is smaller does not become smaller by compressing.
const COMPRESSED_MIN: u64 = 512;

/// A file that is there.
pub struct File {
    path: String,
    size: u64,
    modified: Option<SystemTime>,
    /// Nothing else is sent under its tag.
    version: Option<FileVersion>,
    kind: mime_guess::Mime,
}

impl File {
    /// None where there is no such file, or something else: to open a pipe or a device may wait for ever, so that is
    /// found out before.
    pub fn open(path: &str) -> Option<File> {
        let metadata = fs::metadata(path).ok().filter(fs::Metadata::is_file)?;
        Some(File {
            path: path.to_owned(),
            size: metadata.len(),
            modified: metadata.modified().ok(),
            version: FileVersion::of(&metadata),
            kind: mime_guess::from_path(path).first_or_octet_stream(),
        })
    }

    /// All of it, a part, or that the client has it. Whatever it is, its validators and `Vary` are those that this client
    /// would get with all of it: a cache puts the answers together.
    pub fn answer(mut self, request: &Request, mut response: Response) {
        let compressible = self.is_text() && COMPRESSED_MIN <= self.size;
        if compressible {
            response.header("Vary", "Accept-Encoding");
        }
        let opened = if compressible && response.can_compress() { self.open_now() } else { None };
        let compressed = opened.is_some();
        let etag = self.etag(compressed);
        let validators = Validators { etag: etag.as_deref(), modified: self.modified };
        if let Some(etag) = &etag {
            response.header("ETag", etag);
        }
        if let Some(modified) = self.modified {
            response.header("Last-Modified", date::format(modified));
        }
        match conditional::evaluate(&request.method, &request.headers, validators) {
            Verdict::Proceed => {}
            Verdict::NotModified => return bodiless(304, response),
            Verdict::PreconditionFailed => return bodiless(412, response),
        }
        if let Some(file) = opened {
            // What is compressed on its way has no parts to be had.
            return self.send_compressed(file, response);
        }
        response.header("Accept-Ranges", "bytes");
        // A part is asked for with a GET only.
        let part = match request.method {
            Method::GET => range::requested(&request.headers, self.size, validators),
            _ => Part::Whole,
        };
        match part {
            Part::Whole => {
                let all = 0..self.size;
                self.send(all, response);
            }
            Part::Bytes(part) => {
                response.status(206);
                response.header("Content-Range", range::content_range(&part, self.size));
                self.send(part, response);
            }
            Part::Unsatisfiable => {
                response.header("Content-Range", range::unsatisfied(self.size));
                bodiless(416, response);
            }
        }
    }

    /// A weak one for the compressed file: other bytes than the plain one's, and as good.
    fn etag(&self, compressed: bool) -> Option<String> {
        let age = self.modified?.duration_since(SystemTime::UNIX_EPOCH).ok()?;
        let weak = if compressed { "W/" } else { "" };
        Some(format!("{weak}\"{:x}-{:x}\"", age.as_nanos(), self.size))
    }

    fn is_text(&self) -> bool {
        let subtype = self.kind.subtype().as_str();
        self.kind.type_() == "text"
            || ["javascript", "json", "xml", "wasm"].contains(&subtype)
            || self.kind.suffix().is_some()
    }

    fn send(self, part: Range<u64>, mut response: Response) {
        response.content_type(&self.content_type());
        match self.version {
            Some(version) => response.send_file_version(&self.path, part, version),
            None => response.send_file(&self.path, part),
        }
    }

    /// Opens it, and knows from here on the size and the time of what is open: another file may have its name by now.
    fn open_now(&mut self) -> Option<fs::File> {
        let file = fs::File::open(&self.path).ok()?;
        let metadata = file.metadata().ok()?;
        self.size = metadata.len();
        self.modified = metadata.modified().ok();
        Some(file)
    }

    fn send_compressed(self, file: fs::File, mut response: Response) {
        response.compress();
        response.content_type(&self.content_type());
        response.send_each(Pieces(file.take(self.size)));
    }

    fn content_type(&self) -> String {
        // Text without a word about its letters is UTF-8 these days.
        let text = self.kind.type_() == "text" && self.kind.get_param("charset").is_none();
        format!("{}{}", self.kind, if text { "; charset=utf-8" } else { "" })
    }
}

fn bodiless(status: u16, mut response: Response) {
    response.status(status);
    response.send_response();
}

/// A file piece by piece. One that has become shorter meanwhile ends early, which the client notices.
struct Pieces(io::Take<fs::File>);

impl Iterator for Pieces {
    type Item = Vec<u8>;

    fn next(&mut self) -> Option<Vec<u8>> {
        // No larger than what is left: the usual file is a small one.
        let size = PIECE.min(self.0.limit());
        let mut piece = Vec::with_capacity(usize::try_from(size).unwrap_or_default());
        let read = self.0.by_ref().take(size).read_to_end(&mut piece);
        if let Err(error) = read {
            sandloop::error!("a file cannot be read further: {error}");
            return None;
        }
        (!piece.is_empty()).then_some(piece)
    }
}
