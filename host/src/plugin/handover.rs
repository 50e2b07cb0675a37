//! State that did not get from one version of a plugin to the next: why, and what to do about it.

use std::fmt::{self, Display, Formatter};
use std::time::Duration;

use crate::clock::Moment;
use crate::log::text::GuestText;
use crate::plugin::Plugin;
use crate::plugin::subject::plugin_line;

/// How long after its reload a version may go back to the one before, which then gets the state that it has saved.
pub(crate) const PROBATION: Duration = Duration::from_secs(60);

/// Why a version of a plugin begins without the state of the one before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StateLoss<'a> {
    /// It has saved more bytes than a message may have.
    TooLarge(usize),
    /// Its tenant has no room for this number of bytes.
    NoRoom(usize),
    /// Its instance has ended before it has saved.
    NotSaved,
    /// The next instance has ended in the middle of taking it.
    NotRestored,
    /// The next version has said that it cannot take it.
    Refused(&'a GuestText),
    /// The next version has not the export.
    NotTaken,
    /// The version before has not the export.
    NotGiven,
    /// No instance of the next version begins on this reactor.
    NobodyHere,
}

impl StateLoss<'_> {
    fn remedy(self) -> &'static str {
        match self {
            StateLoss::TooLarge(_) => {
                "save less, or write a larger message = … under [plugins.<name>.limits] before the reload"
            }
            StateLoss::NoRoom(_) => {
                "save less, or write a larger messages = … under [tenants.<name>.limits]"
            }
            StateLoss::NotSaved => {
                "see how it has ended in the lines before; it has its state no more"
            }
            StateLoss::NotRestored => {
                "have restore return an error where it cannot take a state; the lines before say how it has ended"
            }
            StateLoss::Refused(_) => {
                "reload to a version that takes what the one before saves; here the plugin begins anew"
            }
            StateLoss::NotTaken | StateLoss::NotGiven => {
                "export handover-handler in both versions; here the plugin begins anew"
            }
            StateLoss::NobodyHere => {
                "keep isolation = \"plugin\" and a listener, or hand over by a channel or a file"
            }
        }
    }
}

impl Display for StateLoss<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            StateLoss::TooLarge(bytes) => {
                write!(
                    f,
                    "the version before has saved {bytes} bytes, which limits.message does not allow"
                )
            }
            StateLoss::NoRoom(bytes) => {
                write!(
                    f,
                    "the version before has saved {bytes} bytes, for which its tenant's messages have no room"
                )
            }
            StateLoss::NotSaved => f.write_str("the version before has ended before it had saved"),
            StateLoss::NotRestored => f.write_str("the next version has ended in restore"),
            StateLoss::Refused(_) => f.write_str("the next version does not take it"),
            StateLoss::NotTaken => f.write_str(
                "the version before hands over its state, and the next one has no handover-handler",
            ),
            StateLoss::NotGiven => f.write_str(
                "the next version takes a state, and the one before has no handover-handler",
            ),
            StateLoss::NobodyHere => {
                f.write_str("no instance of the next version begins on this reactor")
            }
        }
    }
}

impl Plugin {
    /// This version begins without the state of the one before.
    pub fn begins_anew(&self, now: Moment, loss: StateLoss<'_>) {
        let reason = match loss {
            StateLoss::Refused(reason) => Some(reason),
            _ => None,
        };
        self.tell(now, || {
            plugin_line!(
                warn,
                self,
                cause = loss.to_string(),
                reason = reason.map(debug),
                remedy = loss.remedy(),
                "no state is handed over"
            );
        });
    }
}
