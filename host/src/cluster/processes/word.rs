//! Messages between hosts about processes: a head in JSON with its length before it, and the bytes of a plugin behind it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The bytes of the length of a head.
const LENGTH_BYTES: usize = 4;
/// The most numbers of processes in one message.
pub(super) const NUMBERS_MAX: usize = 2048;

/// A message: its sender and what it says.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ProcessHead {
    /// The number of the host that sends it.
    pub(super) from: u64,
    /// What it says.
    pub(super) word: ProcessWord,
}

/// What a host says to others about processes.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum ProcessWord {
    /// To all: the plugins that can have processes on the sender, each with its free places.
    Offer {
        /// Its `NAME.NUMBER`, for people.
        host: String,
        /// The milliseconds until the next one; 0 if the host leaves.
        again_in_ms: u64,
        /// Free places, by plugin.
        free: BTreeMap<String, u32>,
    },
    /// Wants a process with this number; its argument follows.
    Spawn {
        /// Its number.
        number: u64,
        /// The plugin of its parent.
        parent: String,
        /// Its plugin.
        plugin: String,
        /// The name by which the plugin knows what to run.
        name: String,
    },
    /// A message for a process follows.
    Notify {
        /// The process.
        number: u64,
        /// The run of the sender's sequence numbers.
        run: u64,
        /// The sequence number of the message.
        place: u64,
    },
    /// These processes, whose parents are on the receiver, are on the sender.
    Alive(Vec<u64>),
    /// The sender has the parents of these.
    Known(Vec<u64>),
    /// These are not wanted any more.
    Kill(Vec<u64>),
    /// A process has ended.
    Exited {
        /// The process.
        number: u64,
        /// Why, by its name in the contract.
        reason: String,
    },
    /// The end of this process was heard.
    Heard(u64),
}

/// Writes a message.
pub(super) fn write(from: u64, word: ProcessWord, payload: &[u8]) -> Vec<u8> {
    // A head has texts and numbers only, which are always written.
    let head = serde_json::to_vec(&ProcessHead { from, word }).unwrap_or_default();
    let length = u32::try_from(head.len()).unwrap_or(u32::MAX).to_be_bytes();
    [&length[..], &head, payload].concat()
}

/// Reads a message. None if it is not one: other programs may publish on the subject.
pub(super) fn read(bytes: &[u8]) -> Option<(ProcessHead, &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<LENGTH_BYTES>()?;
    let (head, payload) = rest.split_at_checked(u32::from_be_bytes(*length) as usize)?;
    Some((serde_json::from_slice(head).ok()?, payload))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn every_word() -> Vec<ProcessWord> {
        let text = |text: &str| text.to_owned();
        vec![
            ProcessWord::Offer {
                host: text("web.0f"),
                again_in_ms: 5000,
                free: BTreeMap::from([(text("worker"), 7)]),
            },
            ProcessWord::Spawn {
                number: u64::MAX,
                parent: text("p"),
                plugin: text("q"),
                name: text("a.b \"*\" > \u{0}"),
            },
            ProcessWord::Notify { number: 1, run: 2, place: 3 },
            ProcessWord::Alive(vec![u64::MAX; NUMBERS_MAX]),
            ProcessWord::Known(vec![]),
            ProcessWord::Kill(vec![1]),
            ProcessWord::Exited { number: 4, reason: text("killed") },
            ProcessWord::Heard(5),
        ]
    }

    #[test]
    fn what_is_written_is_read_and_the_payload_is_any_bytes() {
        for payload in [&b""[..], b"\0{}\xff", &[0xff; 1000]] {
            for (word, same) in every_word().into_iter().zip(every_word()) {
                let bytes = write(7, word, payload);
                assert_eq!(read(&bytes), Some((ProcessHead { from: 7, word: same }, payload)));
            }
        }
    }

    #[test]
    fn what_is_cut_or_is_none_is_not_read() {
        let whole = write(7, ProcessWord::Heard(5), b"");
        for length in 0..whole.len() {
            assert_eq!(read(&whole[..length]), None, "{length} bytes");
        }
        for wrong in [&b"\0\0\0\x02{}"[..], b"\xff\xff\xff\xff{}", b"hello", b"\0\0\0\0"] {
            assert_eq!(read(wrong), None, "{wrong:?}");
        }
        let unknown = br#"{"from":1,"word":{"dance":3}}"#;
        let length = u32::try_from(unknown.len()).unwrap().to_be_bytes();
        assert_eq!(read(&[&length[..], unknown].concat()), None);
    }
}
