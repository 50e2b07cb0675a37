//! One file and what a client gets of it.

use std::fs;
use std::io::{self, Read, Seek, SeekFrom};
use std::ops::Range;
use std::time::SystemTime;

use sandloop::http::codec::conditional::{self, Validators, Verdict};
use sandloop::http::codec::date;
use sandloop::http::codec::range::{self, Part};
use sandloop::http::{Method, Request, Response};

/// Bytes that are read at once.
const PIECE: u64 = 64 * 1024;

/// What is smaller does not become smaller by compressing.
const COMPRESSED_MIN: u64 = 512;

/// An open file.
pub struct File {
    file: fs::File,
    size: u64,
    modified: Option<SystemTime>,
    etag: Option<String>,
    kind: mime_guess::Mime,
}

impl File {
    /// None where there is no such file.
    pub fn open(path: &str) -> Option<File> {
        let file = fs::File::open(path).ok()?;
        let metadata = file.metadata().ok().filter(fs::Metadata::is_file)?;
        let modified = metadata.modified().ok();
        let age = modified.and_then(|time| time.duration_since(SystemTime::UNIX_EPOCH).ok());
        Some(File {
            file,
            size: metadata.len(),
            modified,
            etag: age.map(|age| format!("\"{:x}-{:x}\"", age.as_nanos(), metadata.len())),
            kind: mime_guess::from_path(path).first_or_octet_stream(),
        })
    }

    /// All of it, a part, or that the client has it.
    pub fn answer(self, request: &Request, mut response: Response) {
        let validators = Validators { etag: self.etag.as_deref(), modified: self.modified };
        if let Some(modified) = self.modified {
            response.header("Last-Modified", date::format(modified));
        }
        match conditional::evaluate(&request.method, &request.headers, validators) {
            Verdict::Proceed => {}
            Verdict::NotModified => return self.bodiless(304, response),
            Verdict::PreconditionFailed => return self.bodiless(412, response),
        }
        response.header("Accept-Ranges", "bytes");
        // A part is asked for with a GET only.
        let part = match request.method {
            Method::GET => range::requested(&request.headers, self.size, validators),
            _ => Part::Whole,
        };
        match part {
            Part::Whole => self.whole(response),
            Part::Bytes(part) => {
                response.status(206);
                response.header("Content-Range", range::content_range(&part, self.size));
                self.send(part, response);
            }
            Part::Unsatisfiable => {
                response.header("Content-Range", range::unsatisfied(self.size));
                self.bodiless(416, response);
            }
        }
    }

    fn bodiless(self, status: u16, mut response: Response) {
        response.status(status);
        if let Some(etag) = &self.etag {
            response.header("ETag", etag);
        }
        response.send_response();
    }

    fn whole(mut self, mut response: Response) {
        if self.is_text() && COMPRESSED_MIN <= self.size {
            response.compress();
        }
        // Other bytes, as good as these: a part of one does not fit the other.
        if response.headers().contains("content-encoding") {
            self.etag = self.etag.map(|etag| format!("W/{etag}"));
        }
        let all = 0..self.size;
        self.send(all, response);
    }

    fn is_text(&self) -> bool {
        let subtype = self.kind.subtype().as_str();
        self.kind.type_() == "text"
            || ["javascript", "json", "xml", "wasm"].contains(&subtype)
            || self.kind.suffix().is_some()
    }

    fn send(mut self, part: Range<u64>, mut response: Response) {
        if part.start != 0 && self.file.seek(SeekFrom::Start(part.start)).is_err() {
            return super::refuse(response, 500);
        }
        if let Some(etag) = &self.etag {
            response.header("ETag", etag);
        }
        // Text without a word about its letters is UTF-8 these days.
        let text = self.kind.type_() == "text" && self.kind.get_param("charset").is_none();
        let charset = if text { "; charset=utf-8" } else { "" };
        response.content_type(&format!("{}{charset}", self.kind));
        let length = part.end - part.start;
        if !response.headers().contains("content-encoding") {
            response.content_length(length);
        }
        response.send_each(Pieces { rest: self.file.take(length) });
    }
}

/// A file piece by piece. One that has become shorter meanwhile ends early, which the client notices.
struct Pieces {
    rest: io::Take<fs::File>,
}

impl Iterator for Pieces {
    type Item = Vec<u8>;

    fn next(&mut self) -> Option<Vec<u8>> {
        let mut piece = Vec::new();
        let read = self.rest.by_ref().take(PIECE).read_to_end(&mut piece);
        if let Err(error) = read {
            sandloop::error!("a file cannot be read further: {error}");
            return None;
        }
        (!piece.is_empty()).then_some(piece)
    }
}
