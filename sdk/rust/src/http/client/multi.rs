//! Requests side by side, waited for together.

use std::{cell::RefCell, collections::BTreeMap, rc::Rc};

use super::{
    error::HttpError,
    transfer::{HttpResponse, HttpTransfer},
};
use crate::deferrable::{DefaultDeferrable, Deferrable};

/// Several requests: a [`Deferrable`] that succeeds when each has become a response or failed. Clones are the same one.
///
/// ```no_run
/// use sandloop::{Deferrable, http::{HttpClient, HttpMulti}};
///
/// let client = HttpClient::new();
/// let multi = HttpMulti::new();
/// multi.add("one", &client.request("127.0.0.1:8080", "/1"));
/// multi.add("two", &client.request("127.0.0.1:8080", "/2"));
/// multi.callback(|outcomes| println!("{} of {}", outcomes.responses.len(), outcomes.len()));
/// ```
#[derive(Clone, Debug, Default)]
pub struct HttpMulti {
    outcome: DefaultDeferrable<HttpOutcomes>,
    under_way: Rc<RefCell<UnderWay>>,
}

#[derive(Debug, Default)]
struct UnderWay {
    count: usize,
    outcomes: HttpOutcomes,
}

/// What became of several requests, by the names they were given.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HttpOutcomes {
    /// Those that were answered.
    pub responses: BTreeMap<String, HttpResponse>,
    /// Those that failed.
    pub errors: BTreeMap<String, HttpError>,
}

impl HttpOutcomes {
    /// The number of requests.
    #[must_use]
    pub fn len(&self) -> usize {
        self.responses.len() + self.errors.len()
    }

    /// Whether there was none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl HttpMulti {
    /// Without requests; it succeeds when the first ones that are added are over.
    #[must_use]
    pub fn new() -> HttpMulti {
        HttpMulti::default()
    }

    /// Waits for one more request. A later one with the same name takes the place of an earlier one.
    pub fn add(&self, name: impl Into<String>, transfer: &HttpTransfer) {
        self.under_way.borrow_mut().count += 1;
        let (name, failed) = (name.into(), self.clone());
        let (succeeded, same) = (self.clone(), name.clone());
        transfer.callback(move |response| {
            succeeded.note(|outcomes| {
                outcomes.responses.insert(same, response.clone());
            });
        });
        transfer.errback(move |error| {
            failed.note(|outcomes| {
                outcomes.errors.insert(name, error.clone());
            });
        });
    }

    fn note(&self, note: impl FnOnce(&mut HttpOutcomes)) {
        let all = {
            let under_way = &mut *self.under_way.borrow_mut();
            note(&mut under_way.outcomes);
            under_way.count -= 1;
            (under_way.count == 0).then(|| under_way.outcomes.clone())
        };
        if let Some(all) = all {
            self.outcome.succeed(all);
        }
    }
}

impl Deferrable for HttpMulti {
    type Value = HttpOutcomes;
    type Error = ();

    fn deferrable(&self) -> &DefaultDeferrable<HttpOutcomes> {
        &self.outcome
    }
}
