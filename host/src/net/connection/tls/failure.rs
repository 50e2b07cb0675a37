//! Why a handshake failed, as the contract names it.

use std::io;

use rustls::{CertificateError, Error};

use crate::contract::bindings::{FailureKind, HandshakeFailure};
use crate::log::text::GuestText;

/// The failure that a plugin is told for an error of a handshake.
pub(crate) fn failure_of(error: &io::Error) -> HandshakeFailure {
    let protocol = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>());
    let kind = match protocol {
        Some(error) => kind_of(error),
        None => FailureKind::Cut,
    };
    failure(kind, error)
}

/// A failure with a text, which a peer may have influenced.
pub(crate) fn failure(kind: FailureKind, words: impl std::fmt::Display) -> HandshakeFailure {
    HandshakeFailure { kind, words: GuestText::cause(words).as_str().to_owned() }
}

fn kind_of(error: &Error) -> FailureKind {
    match error {
        Error::InvalidCertificate(certificate) => match certificate {
            CertificateError::UnknownIssuer => FailureKind::UnknownAuthority,
            CertificateError::Expired
            | CertificateError::ExpiredContext { .. }
            | CertificateError::NotValidYet
            | CertificateError::NotValidYetContext { .. } => FailureKind::Expired,
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                FailureKind::WrongName
            }
            _ => FailureKind::BadCertificate,
        },
        Error::NoCertificatesPresented => FailureKind::NoCertificate,
        Error::AlertReceived(_) => FailureKind::Refused,
        Error::PeerIncompatible(_) | Error::NoApplicationProtocol => FailureKind::NothingInCommon,
        Error::InappropriateMessage { .. }
        | Error::InappropriateHandshakeMessage { .. }
        | Error::InvalidMessage(_)
        | Error::PeerMisbehaved(_)
        | Error::DecryptError
        | Error::PeerSentOversizedRecord => FailureKind::NotTls,
        _ => FailureKind::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_error_has_its_kind() {
        let of = |error: Error| failure_of(&io::Error::new(io::ErrorKind::InvalidData, error)).kind;
        let certificate = |error| of(Error::InvalidCertificate(error));
        assert_eq!(certificate(CertificateError::UnknownIssuer), FailureKind::UnknownAuthority);
        assert_eq!(certificate(CertificateError::NotValidYet), FailureKind::Expired);
        assert_eq!(certificate(CertificateError::NotValidForName), FailureKind::WrongName);
        assert_eq!(certificate(CertificateError::BadSignature), FailureKind::BadCertificate);
        assert_eq!(of(Error::NoCertificatesPresented), FailureKind::NoCertificate);
        assert_eq!(of(Error::NoApplicationProtocol), FailureKind::NothingInCommon);
        assert_eq!(of(Error::DecryptError), FailureKind::NotTls);
        assert_eq!(failure_of(&io::ErrorKind::UnexpectedEof.into()).kind, FailureKind::Cut);
    }
}
