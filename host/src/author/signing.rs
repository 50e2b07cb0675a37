//! `sandloop sign`: signs a component in the format of `minisign`.
//!
//! The formats are described in minisign's manual: a key has 158 bytes, a signature 74 and its trusted comment another 64, in
//! base64 after a line of text each.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::signature::Ed25519KeyPair;

use crate::author::build;
use crate::author::build::NotWritten;
use crate::base::refusal::SystemRefusal;
use crate::clock;
use crate::config::file;
use crate::config::file::{COMPONENT_BYTES_MAX, TEXT_BYTES_MAX};
use crate::engine::source::signature_path;

/// The algorithm of keys, and of signatures of the bytes themselves: Ed25519.
const ED25519: &[u8] = b"Ed";
/// The algorithm of signatures of a BLAKE2b hash of the bytes.
const HASHED: &[u8] = b"ED";
/// The key derivation of a key without a password.
const NO_PASSWORD: &[u8] = &[0, 0];

/// Why a component cannot be signed.
#[derive(Debug)]
pub enum SignError {
    /// A file cannot be read.
    Read(PathBuf, io::Error),
    /// The signature cannot be written.
    Write(PathBuf, io::Error),
    /// The file is not a secret key of minisign.
    Malformed(PathBuf, &'static str),
    /// The key has a password.
    Locked(PathBuf),
    /// The comment has a line break, or is longer than minisign reads.
    Comment,
}

/// Signs a component and returns the path of the signature, which is written atomically.
///
/// # Errors
/// See [`SignError`].
pub fn sign(component: &Path, key: &Path, comment: Option<&str>) -> Result<PathBuf, SignError> {
    let secret = file::read_file(key, TEXT_BYTES_MAX)
        .map_err(|error| SignError::Read(key.to_owned(), error))?;
    let secret = SecretKey::parse(&secret, key)?;
    let bytes = file::read_file(component, COMPONENT_BYTES_MAX)
        .map_err(|error| SignError::Read(component.to_owned(), error))?;
    let comment = match comment {
        Some(comment) => comment.to_owned(),
        None => usual_comment(component),
    };
    let text = secret.sign(&bytes, &comment)?;
    let path = signature_path(component);
    build::write(&path, text.as_bytes()).map_err(|error| SignError::Write(path.clone(), error))?;
    Ok(path)
}

/// The trusted comment that minisign writes by default.
fn usual_comment(component: &Path) -> String {
    let now = clock::calendar().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let name = component.file_name().unwrap_or_default().to_string_lossy();
    let name: String = name.chars().filter(|letter| !letter.is_control()).collect();
    format!("timestamp:{now}\tfile:{name}\thashed")
}

/// A secret key without a password.
struct SecretKey {
    number: [u8; 8],
    pair: Ed25519KeyPair,
}

impl SecretKey {
    /// Parses a key: two letters each for the algorithms of key, key derivation and checksum, 48 bytes of the key derivation,
    /// then the number, the key and their checksum.
    fn parse(file: &[u8], path: &Path) -> Result<SecretKey, SignError> {
        let malformed = |why| SignError::Malformed(path.to_owned(), why);
        let text = std::str::from_utf8(file).map_err(|_| malformed("it is not text"))?;
        let line = text.lines().nth(1).ok_or_else(|| malformed("it has no second line"))?;
        let key =
            STANDARD.decode(line.trim()).map_err(|_| malformed("its second line is no base64"))?;
        let (kind, rest) = key.split_at_checked(2).ok_or_else(|| malformed("it is too short"))?;
        if kind != ED25519 {
            return Err(malformed("it is no Ed25519 key"));
        }
        let (lock, rest) = rest.split_at_checked(2).ok_or_else(|| malformed("it is too short"))?;
        let rest = rest.get(2 + 32 + 8 + 8..).ok_or_else(|| malformed("it is too short"))?;
        if rest.len() != 8 + 64 + 32 {
            return Err(malformed("it is as long as no secret key; is it the public one?"));
        }
        if lock != NO_PASSWORD {
            return Err(SignError::Locked(path.to_owned()));
        }
        let number = rest.first_chunk().copied().ok_or_else(|| malformed("it is too short"))?;
        let pair = Ed25519KeyPair::from_seed_and_public_key(&rest[8..40], &rest[40..72])
            .map_err(|_| malformed("its two halves do not belong together"))?;
        Ok(SecretKey { number, pair })
    }

    fn sign(&self, bytes: &[u8], comment: &str) -> Result<String, SignError> {
        // The bound of minisign, and the characters that would end the line.
        const COMMENT_BYTES_MAX: usize = 8191;
        if COMMENT_BYTES_MAX < comment.len() || comment.contains(['\n', '\r']) {
            return Err(SignError::Comment);
        }
        let signature = self.pair.sign(blake2b_simd::blake2b(bytes).as_bytes());
        let all = [HASHED, &self.number, signature.as_ref()].concat();
        let whole = self.pair.sign(&[signature.as_ref(), comment.as_bytes()].concat());
        Ok(format!(
            "untrusted comment: signature from sandloop\n{}\ntrusted comment: {comment}\n{}\n",
            STANDARD.encode(all),
            STANDARD.encode(whole)
        ))
    }
}

impl fmt::Display for SignError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SignError::Read(path, error) => {
                let otherwise = "name a file that is there and that this user may read";
                write!(
                    f,
                    "{}: cannot be read: {}",
                    path.display(),
                    SystemRefusal::new(error, otherwise)
                )
            }
            SignError::Write(path, error) => write!(f, "{}", NotWritten(path, error)),
            SignError::Malformed(path, why) => write!(
                f,
                "{}: this is no secret key of minisign: {why}; `minisign -G -W` makes one",
                path.display()
            ),
            SignError::Locked(path) => write!(
                f,
                "{}: this key has a password; sign with `minisign -S`, or take the password from a copy of it with `minisign -C -W`",
                path.display()
            ),
            SignError::Comment => {
                f.write_str("the comment is no line of at most 8191 bytes; write a shorter one")
            }
        }
    }
}

impl std::error::Error for SignError {}

#[cfg(test)]
mod tests {
    use ring::signature::KeyPair as _;

    use super::*;
    use crate::config::trust::TrustedKey;
    use crate::engine::source::signature;

    const NUMBER: [u8; 8] = *b"12345678";

    fn pair() -> Ed25519KeyPair {
        Ed25519KeyPair::from_seed_unchecked(&[7; 32]).expect("a seed")
    }

    /// A key file with these first six letters and this number of bytes after the key derivation.
    fn key_file(letters: &[u8], tail: usize) -> String {
        let key = [&[7; 32], pair().public_key().as_ref()].concat();
        let all = [letters, &[0; 48], &NUMBER, &key, &[0; 32]].concat();
        let kept = (all.len() + tail).saturating_sub(32);
        format!("untrusted comment: a key\n{}\n", STANDARD.encode(&all[..kept]))
    }

    fn public_key() -> String {
        STANDARD.encode([ED25519, &NUMBER, pair().public_key().as_ref()].concat())
    }

    #[test]
    fn what_is_signed_is_believed_and_nothing_else() {
        let file = key_file(b"Ed\0\0B2", 32);
        let key = SecretKey::parse(file.as_bytes(), Path::new("key")).expect("a key");
        let text = key.sign(b"a component", "made for a test").expect("a signature");
        let trusted = TrustedKey::read(&public_key(), Path::new("")).expect("a key");
        let check = |bytes: &[u8], text: &str| {
            signature::check(std::slice::from_ref(&trusted), bytes, text.as_bytes())
        };
        let signed = check(b"a component", &text).expect("it is good");
        assert_eq!(signed.comment, "made for a test");
        assert!(check(b"another component", &text).is_err());
        assert!(check(b"a component", &text.replace("made", "sold")).is_err());
    }

    #[test]
    fn what_is_no_key_is_told_with_the_remedy() {
        let check = |file: &str, says: &str| {
            let error = SecretKey::parse(file.as_bytes(), Path::new("my.key")).map(drop);
            let error = error.expect_err("it is no key").to_string();
            assert!(error.starts_with("my.key: ") && error.contains(says), "{error}");
        };
        check("", "no second line");
        check("untrusted comment: x\n???\n", "no base64");
        check("untrusted comment: x\n\n", "too short");
        check("untrusted comment: x\nRWQ=\n", "too short");
        check(&key_file(b"Ed\0\0B2", 31), "is it the public one?");
        check(&format!("untrusted comment: x\n{}\n", public_key()), "too short");
        check(&key_file(b"RS\0\0B2", 32), "no Ed25519 key");
        check(&key_file(b"EdScB2", 32), "`minisign -C -W`");
    }

    #[test]
    fn a_comment_is_one_line() {
        let file = key_file(b"Ed\0\0B2", 32);
        let key = SecretKey::parse(file.as_bytes(), Path::new("key")).expect("a key");
        for comment in ["two\nlines", "a\rb", &"x".repeat(8192)] {
            assert!(matches!(key.sign(b"", comment), Err(SignError::Comment)));
        }
        assert!(key.sign(b"", &"x".repeat(8191)).is_ok());
    }
}
