//! The query string of routes with pages.

use crate::run::admin::reply::Refusal;

/// The most rows of one page.
const ROWS_MAX: usize = 100;

/// The requested page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PageQuery {
    pub(super) reactor: usize,
    /// The first slot of the page.
    pub(super) slot: u32,
    /// The most rows.
    pub(super) limit: usize,
    /// Only rows of this plugin.
    plugin: Option<String>,
}

impl PageQuery {
    /// Parses the query string, for a host with `reactors` reactors.
    pub(super) fn read(query: Option<&str>, reactors: usize) -> Result<PageQuery, Refusal> {
        let mut page = PageQuery { reactor: 0, slot: 0, limit: ROWS_MAX, plugin: None };
        for part in query.unwrap_or_default().split('&').filter(|part| !part.is_empty()) {
            let (key, value) = part.split_once('=').unwrap_or((part, ""));
            match key {
                "after" => {
                    let place = value.split_once('.');
                    let place = place.and_then(|(reactor, slot)| {
                        Some((reactor.parse().ok()?, slot.parse().ok()?))
                    });
                    let place = place.filter(|(reactor, _)| *reactor < reactors);
                    (page.reactor, page.slot) =
                        place.ok_or_else(|| bad("after is the next of an earlier page"))?;
                }
                "limit" => {
                    let limit = value.parse().ok().filter(|limit| (1..=ROWS_MAX).contains(limit));
                    page.limit = limit.ok_or_else(|| bad("limit is a number from 1 to 100"))?;
                }
                "plugin" if !value.is_empty() => page.plugin = Some(value.to_owned()),
                _ => return Err(bad("write after, limit or plugin, each with a value")),
            }
        }
        Ok(page)
    }

    /// Whether rows of a plugin are wanted.
    pub(super) fn wants(&self, plugin: &str) -> bool {
        self.plugin.as_deref().is_none_or(|wanted| wanted == plugin)
    }

    /// The value of `after` for the next page, which begins with `slot` or with the next reactor.
    pub(super) fn next(&self, slot: Option<u32>, reactors: usize) -> Option<String> {
        match slot {
            Some(slot) => Some(format!("{}.{slot}", self.reactor)),
            None if self.reactor + 1 < reactors => Some(format!("{}.0", self.reactor + 1)),
            None => None,
        }
    }
}

/// Refuses any query string, for routes without one.
pub(super) fn none(query: Option<&str>) -> Result<(), Refusal> {
    match query {
        None | Some("") => Ok(()),
        Some(_) => Err(bad("this path takes nothing behind a ?")),
    }
}

fn bad(what: &str) -> Refusal {
    Refusal::Query(what.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_lead_through_all_reactors() {
        let page = PageQuery::read(None, 2).expect("good");
        assert_eq!((page.reactor, page.slot, page.limit), (0, 0, 100));
        assert_eq!(page.next(Some(7), 2).as_deref(), Some("0.7"));
        assert_eq!(page.next(None, 2).as_deref(), Some("1.0"));
        let page = PageQuery::read(Some("after=1.300&limit=5&plugin=echo"), 2).expect("good");
        assert_eq!((page.reactor, page.slot, page.limit, page.next(None, 2)), (1, 300, 5, None));
        assert!(page.wants("echo") && !page.wants("other"));
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        for wrong in [
            "x=1",
            "after=",
            "after=1",
            "after=2.0",
            "after=0.x",
            "after=-1.0",
            "limit=0",
            "limit=101",
            "limit=",
            "plugin=",
            "limit=1&y",
        ] {
            assert!(matches!(PageQuery::read(Some(wrong), 2), Err(Refusal::Query(_))), "{wrong}");
        }
        assert!(none(Some("x")).is_err() && none(None).is_ok());
    }
}
