//! Why a head is not written.

use std::fmt;

use http::StatusCode;

use crate::headers::FieldError;

/// Why the head of an answer was not written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HeadError {
    /// One of the fields.
    Field(FieldError),
    /// An interim status in the place of a final one: the client would take the next answer for this one.
    Interim(StatusCode),
    /// A final status in the place of an interim one: the client would take the answer for that to another request.
    Final(StatusCode),
}

impl fmt::Display for HeadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            HeadError::Field(error) => error.fmt(f),
            HeadError::Interim(status) => write!(
                f,
                "{} is an interim status, which another answer follows: choose one from 200 on",
                status.as_u16()
            ),
            HeadError::Final(status) => write!(
                f,
                "{} is no interim status, which the answer follows: those are 100 and 102 to 199",
                status.as_u16()
            ),
        }
    }
}

impl std::error::Error for HeadError {}

impl From<FieldError> for HeadError {
    fn from(error: FieldError) -> HeadError {
        HeadError::Field(error)
    }
}
