//! Why a component cannot be fetched or used.

use std::fmt;
use std::io;
use std::path::PathBuf;

use crate::config::component::Digest;
use crate::config::limits;
use crate::config::units;
use crate::engine::fault::Fault;
use crate::log::text::GuestText;

/// Why a component cannot be fetched or used. Its text has the cause and the remedy.
#[derive(Debug)]
pub enum SourceFault {
    /// The server was not reached, or the connection failed; the text says how.
    Unreachable(GuestText),
    /// The server has answered with this status at this address.
    Status(u16, GuestText),
    /// It needs a name and a password, or others than these.
    Login {
        /// The registry.
        host: String,
        /// Whether the configuration has a login for it.
        is_known: bool,
    },
    /// It is larger than this, in bytes.
    TooLarge(u64),
    /// It took longer than this.
    TooSlow(std::time::Duration),
    /// A redirect leads to an address that is not `https://`.
    Downgrade(GuestText),
    /// Redirects without end.
    Redirects,
    /// It has another digest than the required one.
    Digest {
        /// The source of the required digest.
        by: &'static str,
        /// The required digest.
        wanted: Digest,
        /// The actual digest.
        found: Digest,
    },
    /// What a registry serves is nothing that a component could be taken from.
    Layout(GuestText),
    /// The file of a signature cannot be read.
    SignatureFile(PathBuf, io::Error),
    /// The signature, from this place, is not accepted.
    Signature(String, SignatureFault),
}

/// Why a signature is not accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SignatureFault {
    /// There is none.
    Missing,
    /// It is not in the format of minisign.
    Malformed(String),
    /// It is by a key with this number, which is not trusted; the numbers of the trusted keys follow.
    UnknownKey(String, Vec<String>),
    /// It is by the key with this number, for other bytes.
    OtherBytes(String),
}

impl SourceFault {
    /// What is served is no component, in these words, of which some may be the server's.
    pub(super) fn layout(words: impl fmt::Display) -> SourceFault {
        SourceFault::Layout(GuestText::cause(words))
    }

    /// The server leads on to this address.
    pub(super) fn downgrade(address: impl fmt::Display) -> SourceFault {
        SourceFault::Downgrade(GuestText::name(address))
    }

    /// The bytes are not those that they must be.
    pub(super) fn digest(by: &'static str, wanted: &Digest, found: &Digest) -> SourceFault {
        SourceFault::Digest { by, wanted: wanted.clone(), found: found.clone() }
    }
}

impl From<SourceFault> for Fault {
    fn from(fault: SourceFault) -> Fault {
        Fault::Source(fault)
    }
}

impl fmt::Display for SourceFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SourceFault::Unreachable(cause) => write!(
                f,
                "it cannot be fetched: {cause}; try again, or run `sandloop pull` where it can be"
            ),
            SourceFault::Status(status, url) => {
                let remedy = match status {
                    401 | 403 => {
                        r#"add a login under [host.registries."host"], or ask for the right to read it"#
                    }
                    404 | 410 => "correct the address",
                    _ => "try again later",
                };
                write!(f, "{url} is answered with the status {status}; {remedy}")
            }
            SourceFault::Login { host, is_known: true } => write!(
                f,
                "{host} does not take the user and the password; correct them under [host.registries.\"{host}\"]"
            ),
            SourceFault::Login { host, is_known: false } => write!(
                f,
                "{host} asks for a login; add user and password under [host.registries.\"{host}\"]"
            ),
            SourceFault::TooLarge(bound) => write!(
                f,
                "it has more than {}; raise {} under [host] if it is meant to",
                units::size(*bound),
                limits::FETCH_SIZE.name
            ),
            SourceFault::TooSlow(bound) => write!(
                f,
                "it is not there after {bound:?}; raise {} under [host], or run `sandloop pull` before the start",
                limits::FETCH_TIME.name
            ),
            SourceFault::Downgrade(url) => {
                write!(
                    f,
                    "its server leads on to {url}, which is not https, or has a user in it; name another server"
                )
            }
            SourceFault::Redirects => {
                f.write_str("its server leads on without end; correct the address")
            }
            SourceFault::Digest { by, wanted, found } => write!(
                f,
                "its digest is {found}, and by {by} it must be {wanted}: it is another component than was meant; \
                 correct the digest if you know this one"
            ),
            SourceFault::Layout(cause) => {
                write!(
                    f,
                    "{cause}; push the component with `wkg oci push` or as an image with plugin.wasm"
                )
            }
            SourceFault::SignatureFile(path, error) => write!(
                f,
                "its signature in {} cannot be read: {error}; make it readable",
                path.display()
            ),
            SourceFault::Signature(place, fault) => write!(f, "{fault} ({place})"),
        }
    }
}

/// The cause and the remedy.
impl fmt::Display for SignatureFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SignatureFault::Missing => f.write_str(
                "it is not signed, and [host] trust asks for a signature; sign it with `minisign -S`",
            ),
            SignatureFault::Malformed(cause) => {
                write!(f, "its signature is none of minisign: {cause}; sign it again")
            }
            SignatureFault::UnknownKey(id, trusted) => write!(
                f,
                "it is signed with the key {id}, and [host] trust has {}; have it signed with one of these, or add that \
                 key if you know whose it is",
                trusted.join(", ")
            ),
            SignatureFault::OtherBytes(id) => write!(
                f,
                "its signature with the key {id} is not for these bytes: one of the two was changed or belongs to another \
                 file; fetch both again, or sign it again"
            ),
        }
    }
}
