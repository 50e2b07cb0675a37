//! The extensions of a chunk, byte by byte: RFC 9112, 7.1.1. They mean nothing here, but two programs must not see the
//! end of their line at different places.

use crate::fields::{is_token_byte, is_value_byte};

/// The expected next byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Extension {
    /// Behind the size or a value, and at least one space: a semicolon.
    Space,
    /// Behind a semicolon: a name.
    Semicolon,
    Name,
    /// Behind a name and at least one space: an equals sign or a semicolon.
    NameSpace,
    /// Behind an equals sign: a value.
    Equals,
    Token,
    Quoted,
    /// Behind a backslash: any character.
    Escaped,
    /// Behind the closing quote.
    QuotedEnd,
}

impl Extension {
    /// Where it stands behind this byte; none if the byte cannot be here.
    pub(crate) fn then(self, byte: u8) -> Option<Extension> {
        use Extension::{
            Equals, Escaped, Name, NameSpace, Quoted, QuotedEnd, Semicolon, Space, Token,
        };
        let is_space = matches!(byte, b' ' | b'\t');
        Some(match (self, byte) {
            (Quoted, b'"') => QuotedEnd,
            (Quoted, b'\\') => Escaped,
            (Quoted | Escaped, _) => return is_value_byte(byte).then_some(Quoted),
            (Space | Name | NameSpace | Token | QuotedEnd, b';') => Semicolon,
            (Name | NameSpace, b'=') => Equals,
            (Equals, b'"') => Quoted,
            (Semicolon | Equals, _) if is_space => self,
            (Name | NameSpace, _) if is_space => NameSpace,
            (Space | Token | QuotedEnd, _) if is_space => Space,
            (Semicolon | Name, _) if is_token_byte(byte) => Name,
            (Equals | Token, _) if is_token_byte(byte) => Token,
            _ => return None,
        })
    }

    /// Whether the line may end here. Spaces before its end are none of the grammar, but some servers pad their sizes.
    pub(crate) fn may_end(self, padded: bool) -> bool {
        match self {
            Extension::Name | Extension::Token | Extension::QuotedEnd => true,
            Extension::Space | Extension::NameSpace => padded,
            Extension::Semicolon | Extension::Equals | Extension::Quoted | Extension::Escaped => {
                false
            }
        }
    }
}
