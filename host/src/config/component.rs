//! `component` and `sha256`: the location and the digest of a component.

use std::fmt;
use std::path::{Path, PathBuf};

use super::error::Problem;
use crate::base::host_port::{in_brackets, split_host_port};

/// The location and the digest of a component.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ComponentSource {
    /// Its location.
    pub place: ComponentPlace,
    /// The digest of its bytes, if the file has one.
    pub sha256: Option<Digest>,
}

/// The location of a component. Its text is the value of the key; for a file, its path relative to the current folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ComponentPlace {
    /// A file; a relative path is relative to the folder of the file with the key.
    File(PathBuf),
    /// `https://…`.
    Https(String),
    /// `oci://…`.
    Oci(OciReference),
}

/// An image or an artefact in a registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OciReference {
    /// The registry, with its port if there is one.
    pub registry: String,
    /// Its name in the registry.
    pub repository: String,
    /// Its tag.
    pub tag: Option<String>,
    /// The digest of its manifest.
    pub digest: Option<Digest>,
}

/// A SHA-256 digest: 64 hexadecimal digits in lower case.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Digest(String);

const FORMS: &str = r#"write a file, as in "plugins/echo.wasm", or "https://…" or "oci://…""#;
/// The longest name in a registry, by the OCI distribution specification.
const OCI_NAME_BYTES_MAX: usize = 255;
const TAG_BYTES_MAX: usize = 128;

impl fmt::Display for ComponentSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            ComponentPlace::File(path) => path.display().fmt(f),
            ComponentPlace::Https(url) => f.write_str(url),
            ComponentPlace::Oci(reference) => reference.fmt(f),
        }
    }
}

impl fmt::Display for OciReference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "oci://{}/{}", self.registry, self.repository)?;
        if let Some(tag) = &self.tag {
            write!(f, ":{tag}")?;
        }
        if let Some(digest) = &self.digest {
            write!(f, "@sha256:{digest}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl ComponentSource {
    /// The path, if it is a file of this machine.
    pub fn file(&self) -> Option<&Path> {
        match &self.place {
            ComponentPlace::File(path) => Some(path),
            ComponentPlace::Https(_) | ComponentPlace::Oci(_) => None,
        }
    }

    /// Parses the two keys; a relative path is relative to `folder`. An error belongs to the key that it names.
    pub(super) fn parse(
        component: &str,
        sha256: Option<&str>,
        folder: &Path,
    ) -> Result<ComponentSource, (&'static str, Problem)> {
        let place = ComponentPlace::parse(component, folder).map_err(|it| ("component", it))?;
        let sha256 = sha256.map(digest_of_key).transpose().map_err(|it| ("sha256", it))?;
        let needed = match &place {
            ComponentPlace::File(_) => None,
            ComponentPlace::Https(_) => {
                Some(r#"write sha256 = "…", as `sha256sum` prints it, beside it"#)
            }
            ComponentPlace::Oci(reference) if reference.digest.is_none() => Some(
                r#"write its digest, as in "oci://host/name@sha256:…", or sha256 = "…" of the component beside it"#,
            ),
            ComponentPlace::Oci(_) => None,
        };
        match needed.filter(|_| sha256.is_none()) {
            Some(remedy) => {
                let cause = "what is fetched must be known by its digest: an address can have something else tomorrow";
                Err(("component", Problem::new(cause, remedy)))
            }
            None => Ok(ComponentSource { place, sha256 }),
        }
    }
}

impl ComponentPlace {
    fn parse(text: &str, folder: &Path) -> Result<ComponentPlace, Problem> {
        match text.split_once("://") {
            None if text.is_empty() => Err(Problem::new(
                "the path is empty",
                r#"write the file, as in component = "plugins/echo.wasm""#,
            )),
            None => Ok(ComponentPlace::File(folder.join(text))),
            Some(("https", rest)) => https(text, rest).map(ComponentPlace::Https),
            Some(("oci", rest)) => oci(text, rest).map(ComponentPlace::Oci),
            Some(("http", rest)) => Err(Problem::new(
                format!("{text:?} could be read and changed on its way"),
                format!("write \"https://{rest}\""),
            )),
            Some((scheme, _)) => {
                Err(Problem::new(format!("{scheme:?} is not a source of components"), FORMS))
            }
        }
    }
}

/// Printable ASCII only: other characters of an address are escaped with `%`.
fn is_plain(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'<' | b'>' | b'\\'))
}

fn https(text: &str, rest: &str) -> Result<String, Problem> {
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    if authority.contains('@') {
        return Err(Problem::new(
            "an address is logged, and this one has a user in it",
            r#"write the user and the password under [host.registries."host"]"#,
        ));
    }
    if !is_host(authority) || path.is_empty() || !is_plain(path) || path.contains('#') {
        return Err(Problem::new(
            format!("{text:?} is not the address of a file"),
            r#"write it as in "https://example.org/plugins/echo.wasm""#,
        ));
    }
    Ok(text.to_owned())
}

/// Whether a text is a host name or an IP address, with or without a port.
pub(super) fn is_host(text: &str) -> bool {
    let (host, port) = split_host_port(text);
    let is_of_a_name = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'.' || byte == b'-';
    let is_address_or_name = match in_brackets(host) {
        Some(ip) => ip.parse::<std::net::Ipv6Addr>().is_ok(),
        None => !host.is_empty() && host.bytes().all(is_of_a_name) && !host.starts_with(['.', '-']),
    };
    is_address_or_name && port.is_none_or(|port| port.parse::<u16>().is_ok_and(|it| it != 0))
}

fn oci(text: &str, rest: &str) -> Result<OciReference, Problem> {
    let wrong = || {
        Problem::new(
            format!("{text:?} is not the name of a component in a registry"),
            r#"write it as in "oci://ghcr.io/example/echo:1.2@sha256:…""#,
        )
    };
    let (registry, name) = rest.split_once('/').ok_or_else(wrong)?;
    let (name, digest) = match name.split_once('@') {
        Some((name, digest)) => {
            let digits = digest.strip_prefix("sha256:").ok_or_else(wrong)?;
            (name, Some(Digest::parse(digits).ok_or_else(wrong)?))
        }
        None => (name, None),
    };
    let (repository, tag) = match name.split_once(':') {
        Some((repository, tag)) => (repository, Some(tag)),
        None => (name, None),
    };
    let is_tag = |tag: &str| {
        let is_of_a_tag =
            |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-');
        (1..=TAG_BYTES_MAX).contains(&tag.len())
            && tag.bytes().all(is_of_a_tag)
            && !tag.starts_with(['.', '-'])
    };
    if !is_host(registry) || !is_repository(repository) || !tag.is_none_or(is_tag) {
        return Err(wrong());
    }
    Ok(OciReference {
        registry: registry.to_owned(),
        repository: repository.to_owned(),
        tag: tag.map(str::to_owned),
        digest,
    })
}

/// By the OCI distribution specification: lower case, and no part that a path would interpret.
fn is_repository(name: &str) -> bool {
    let is_of_a_part =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"._-".contains(&byte);
    let is_part = |part: &str| {
        !part.is_empty() && part.bytes().all(is_of_a_part) && !part.starts_with(['.', '_', '-'])
    };
    name.len() <= OCI_NAME_BYTES_MAX && name.split('/').all(is_part)
}

fn digest_of_key(text: &str) -> Result<Digest, Problem> {
    Digest::parse(text).ok_or_else(|| {
        Problem::new(
            format!("{text:?} is not a SHA-256 digest"),
            "write the 64 digits that `sha256sum` prints",
        )
    })
}

impl Digest {
    /// Parses 64 hexadecimal digits.
    pub fn parse(text: &str) -> Option<Digest> {
        let is_digest = text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        is_digest.then(|| Digest(text.to_ascii_lowercase()))
    }

    /// Its digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SUM: &str = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";

    #[track_caller]
    fn check(component: &str, sha256: Option<&str>, expected: Result<&str, (&str, &str)>) {
        let parsed = ComponentSource::parse(component, sha256, Path::new("etc"));
        let shown = parsed.as_ref().map(ToString::to_string);
        let shown = shown.as_ref().map(String::as_str);
        let shown = shown.map_err(|(key, problem)| (*key, problem.cause.as_str()));
        assert_eq!(shown, expected, "{component:?} {sha256:?}");
    }

    #[test]
    fn sources() {
        check("echo.wasm", None, Ok("etc/echo.wasm"));
        check("/srv/echo.wasm", Some(SUM), Ok("/srv/echo.wasm"));
        let url = "https://example.org:8443/a/echo.wasm?x=1";
        check(url, Some(&SUM.to_uppercase()), Ok(url));
        check("https://[::1]:8443/e", Some(SUM), Ok("https://[::1]:8443/e"));
        for name in ["oci://ghcr.io/example/echo:1.2", "oci://127.0.0.1:5000/echo"] {
            check(name, Some(SUM), Ok(name));
        }
        let pinned = format!("oci://ghcr.io/example/echo:1.2@sha256:{SUM}");
        check(&pinned, None, Ok(&pinned));
    }

    #[test]
    fn what_is_fetched_has_a_digest() {
        let cause = "what is fetched must be known by its digest: an address can have something else tomorrow";
        check("https://example.org/e", None, Err(("component", cause)));
        check("oci://ghcr.io/e:1", None, Err(("component", cause)));
        for sum in ["", "abc", "sha256:", &format!("{SUM}0"), &SUM.replace('2', "g")] {
            let cause = format!("{sum:?} is not a SHA-256 digest");
            check("echo.wasm", Some(sum), Err(("sha256", &cause)));
        }
    }

    #[test]
    fn refused() {
        check("", None, Err(("component", "the path is empty")));
        let plain = r#""http://example.org/e" could be read and changed on its way"#;
        check("http://example.org/e", Some(SUM), Err(("component", plain)));
        check("ftp://a/b", Some(SUM), Err(("component", r#""ftp" is not a source of components"#)));
        let user = "an address is logged, and this one has a user in it";
        check("https://u:p@example.org/e", Some(SUM), Err(("component", user)));
        for url in [
            "https://",
            "https:///e",
            "https://example.org",
            "https://example.org/",
            "https://a b/e",
            "https://a/e#f",
            "https://a/b c",
            "https://a:99999/e",
            "https://a:0/e",
            "https://-a/e",
        ] {
            let cause = format!("{url:?} is not the address of a file");
            check(url, Some(SUM), Err(("component", &cause)));
        }
        for name in [
            "oci://",
            "oci://host",
            "oci://host/",
            "oci://host/A",
            "oci://host/a//b",
            "oci://host/../b",
            "oci://host/a:",
            "oci://host/a:b:c",
            "oci://host/a@sha256:12",
            "oci://host/a@md5:12",
            "oci://u@host/a",
            "oci://host/a?b",
            "oci://host/.a",
        ] {
            let cause = format!("{name:?} is not the name of a component in a registry");
            check(name, Some(SUM), Err(("component", &cause)));
        }
    }
}
