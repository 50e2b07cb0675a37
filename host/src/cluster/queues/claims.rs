//! Claims of items: a record for each item, on its own subject in a stream of the tenant, which is written only upon the record
//! that the writer has seen last.
//!
//! JetStream alone may deliver an item to two hosts: its servers replicate deliveries with a delay, so that a new leader may
//! deliver an item again. Records are written by a majority, each with the number of the one that it replaces, so that of two
//! hosts that want the same item one is refused. Servers of a
//! cluster of 2.9 may accept two records that replace the same one and come at the same moment: the first of them counts.

use std::time::Duration;

use async_nats::HeaderMap;
use async_nats::header::NATS_EXPECTED_LAST_SUBJECT_SEQUENCE;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use crate::clock::monotonic;
use crate::cluster::queues::desk::Desk;
use crate::cluster::queues::jetstream::{JetFault, NO_MESSAGE, NO_STREAM, WRONG_LAST};

/// The pause after a fault.
const TRY_AGAIN_AFTER: Duration = Duration::from_millis(200);

/// The content of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
enum ClaimRecord {
    /// A host has the item.
    Held { deliveries: u32, holder: String },
    /// No host has it. `deliveries` handlers were lost with it.
    Free { deliveries: u32 },
}

/// The right to an item, for as long as it is renewed.
#[derive(Debug)]
pub(super) struct ItemClaim {
    item: u64,
    /// The number of its record.
    record: u64,
    /// Its holder: this host, with a new number for each claim.
    holder: String,
    /// Which handler of the item this would be, from 1.
    pub(super) deliveries: u32,
    /// When it ends, unless it is renewed.
    pub(super) until: Duration,
}

/// The result of claiming.
pub(super) enum Claiming {
    Mine(ItemClaim),
    /// Another host has the item, and is alive.
    Elsewhere,
    /// The item was handled meanwhile.
    Gone,
}

impl Desk {
    /// Claims an item. If another host has it, calls `wait`, and waits for a lease to see whether that host is alive.
    pub(super) async fn claim(&self, item: u64, mut wait: impl FnMut()) -> Claiming {
        let holder = format!("{}.{}", self.origin, self.number());
        let (mut expected, mut deliveries, mut is_first) = (0, 1, true);
        // A record of this claim is not older than this.
        let since = monotonic();
        // The number of the first record of another holder.
        let mut seen: Option<u64> = None;
        loop {
            let begun = monotonic();
            let held = ClaimRecord::Held { deliveries, holder: holder.clone() };
            let written = self.write(item, expected, &held).await;
            let mine = |record, deliveries, begun: Duration| {
                let (until, holder) = (begun + self.streams.lease, holder.clone());
                Claiming::Mine(ItemClaim { item, record, holder, deliveries, until })
            };
            match written {
                Ok(record) if is_first || self.has_item(item).await => {
                    return mine(record, deliveries, begun);
                }
                Ok(_) => return Claiming::Gone,
                Err(fault) if fault.is(WRONG_LAST) => {}
                Err(_) => tokio::time::sleep(TRY_AGAIN_AFTER).await,
            }
            is_first = false;
            match self.read(item).await {
                Ok(None) => (expected, deliveries) = (0, 1),
                Ok(Some((record, ClaimRecord::Free { deliveries: before }))) => {
                    (expected, deliveries) = (record, before + 1);
                }
                // The record was written, but the answer was lost.
                Ok(Some((record, ClaimRecord::Held { holder: known, deliveries })))
                    if known == holder && self.counts(item, expected, record).await =>
                {
                    return mine(record, deliveries, since);
                }
                Ok(Some((record, ClaimRecord::Held { deliveries: before, .. }))) => match seen {
                    None => {
                        seen = Some(record);
                        wait();
                        tokio::time::sleep(self.streams.lease).await;
                        (expected, deliveries) = (record, before + 1);
                        if !self.is_last(item, record).await {
                            return Claiming::Elsewhere;
                        }
                    }
                    Some(_) => return Claiming::Elsewhere,
                },
                Err(_) => tokio::time::sleep(TRY_AGAIN_AFTER).await,
            }
        }
    }

    /// Renews a claim; false if another host has the item now.
    pub(super) async fn renew(&self, claim: &mut ItemClaim) -> bool {
        let begun = monotonic();
        let held = ClaimRecord::Held { deliveries: claim.deliveries, holder: claim.holder.clone() };
        match self.write(claim.item, claim.record, &held).await {
            Ok(record) => claim.record = record,
            Err(fault) if fault.is(WRONG_LAST) => match self.read(claim.item).await {
                // The previous record was written, but the answer was lost.
                Ok(Some((record, known)))
                    if known == held && self.counts(claim.item, claim.record, record).await =>
                {
                    claim.record = record;
                    return true;
                }
                Ok(_) => return false,
                Err(_) => return true,
            },
            // An unconfirmed record does not extend the claim.
            Err(_) => return true,
        }
        claim.until = begun + self.streams.lease;
        true
    }

    /// Releases a claim after `deliveries` handlers were lost.
    pub(super) async fn release(&self, mut claim: ItemClaim, deliveries: u32) {
        let free = ClaimRecord::Free { deliveries };
        while monotonic() < claim.until {
            match self.write(claim.item, claim.record, &free).await {
                Ok(_) => return,
                Err(fault) if fault.is(WRONG_LAST) => match self.read(claim.item).await {
                    Ok(Some((record, ClaimRecord::Held { holder, .. })))
                        if holder == claim.holder =>
                    {
                        claim.record = record;
                    }
                    Ok(_) => return,
                    Err(_) => tokio::time::sleep(TRY_AGAIN_AFTER).await,
                },
                Err(_) => tokio::time::sleep(TRY_AGAIN_AFTER).await,
            }
        }
    }

    /// Whether the stream still has an item; true if that is unknown.
    pub(super) async fn has_item(&self, item: u64) -> bool {
        let function = format!("STREAM.MSG.GET.{}", self.streams.items());
        let got = self.jet.call(&function, &json!({ "seq": item })).await;
        !got.is_err_and(|fault| fault.is(NO_MESSAGE) || fault.is(NO_STREAM))
    }

    /// Whether a record is the last one of an item.
    async fn is_last(&self, item: u64, record: u64) -> bool {
        loop {
            match self.read(item).await {
                Ok(last) => return last.is_none_or(|(last, _)| last == record),
                Err(_) => tokio::time::sleep(TRY_AGAIN_AFTER).await,
            }
        }
    }

    async fn write(&self, item: u64, expected: u64, record: &ClaimRecord) -> Result<u64, JetFault> {
        let mut headers = HeaderMap::new();
        headers.insert(NATS_EXPECTED_LAST_SUBJECT_SEQUENCE, expected.to_string());
        let subject = self.streams.claim_subject(item);
        let mut written = self.jet.store(subject, headers, record.to_text().into()).await;
        if let Ok(record) = written
            && expected != 0
        {
            written = self.check_first(item, expected, record).await;
        }
        if let Err(fault) = &written
            && !fault.is(WRONG_LAST)
        {
            self.note_fault(fault);
        }
        written
    }

    /// Whether a record of this host, which is the last one, is also the first that replaces `expected`; where that is not known it
    /// is not.
    async fn counts(&self, item: u64, expected: u64, record: u64) -> bool {
        expected == 0 || self.check_first(item, expected, record).await.is_ok()
    }

    /// Looks whether a record is the first one of its item after `expected`. The first record of an item needs no such look: servers
    /// check that there is none when they apply it.
    ///
    /// # Errors
    /// `WRONG_LAST` if it is not.
    async fn check_first(&self, item: u64, expected: u64, record: u64) -> Result<u64, JetFault> {
        let function = format!("STREAM.MSG.GET.{}", self.streams.claims());
        let subject = self.streams.claim_subject(item);
        let wanted = json!({ "seq": expected + 1, "next_by_subj": subject });
        let answer = self.jet.call(&function, &wanted).await?;
        if answer["message"]["seq"].as_u64() == Some(record) {
            return Ok(record);
        }
        let cause = "another record was accepted at the same moment".to_owned();
        Err(JetFault::Refused { code: WRONG_LAST, cause })
    }

    async fn read(&self, item: u64) -> Result<Option<(u64, ClaimRecord)>, JetFault> {
        let function = format!("STREAM.MSG.GET.{}", self.streams.claims());
        let wanted = json!({ "last_by_subj": self.streams.claim_subject(item) });
        let answer = match self.jet.call(&function, &wanted).await {
            Ok(answer) => answer,
            Err(fault) if fault.is(NO_MESSAGE) => return Ok(None),
            Err(fault) => return Err(fault),
        };
        let message = &answer["message"];
        let record = message["seq"].as_u64();
        let text = message["data"].as_str().and_then(|data| STANDARD.decode(data).ok());
        let text = text.and_then(|text| String::from_utf8(text).ok());
        let known = record.zip(text.and_then(|text| ClaimRecord::parse(&text)));
        known.map(Some).ok_or_else(|| JetFault::Broken(answer.to_string()))
    }
}

impl ClaimRecord {
    fn to_text(&self) -> String {
        match self {
            ClaimRecord::Held { deliveries, holder } => format!("held {deliveries} {holder}"),
            ClaimRecord::Free { deliveries } => format!("free {deliveries}"),
        }
    }

    fn parse(text: &str) -> Option<ClaimRecord> {
        let mut words = text.split(' ');
        let (state, deliveries) = (words.next()?, words.next()?.parse().ok()?);
        match (state, words.next(), words.next()) {
            ("held", Some(holder), None) => {
                Some(ClaimRecord::Held { deliveries, holder: holder.to_owned() })
            }
            ("free", None, None) => Some(ClaimRecord::Free { deliveries }),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_read_as_it_was_written() {
        let held = ClaimRecord::Held { deliveries: 3, holder: "h.0123.7".to_owned() };
        for record in [held, ClaimRecord::Free { deliveries: 0 }] {
            assert_eq!(ClaimRecord::parse(&record.to_text()), Some(record));
        }
        for other in ["", "held", "held 1", "held x h", "held 1 h h", "free", "free 1 h", "gone 1"]
        {
            assert_eq!(ClaimRecord::parse(other), None, "{other:?}");
        }
    }
}
