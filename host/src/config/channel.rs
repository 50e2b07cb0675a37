//! `allow.channels`: channels and queues of other tenants that a plugin may use.

use super::error::Problem;
use super::names::is_name;

/// A rule of `allow.channels`: `othertenant/news`, `othertenant/room-*`, `othertenant/*`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChannelRule {
    /// The tenant.
    pub tenant: String,
    /// The name, or the prefix of names.
    pub name: String,
    /// Whether `name` is a prefix: the rule ends with `*`.
    pub is_start: bool,
}

impl ChannelRule {
    /// Whether this rule lists the channel or queue `name` of `tenant`.
    pub fn matches(&self, tenant: &str, name: &str) -> bool {
        let named = if self.is_start { name.starts_with(&self.name) } else { name == self.name };
        tenant == self.tenant && named
    }

    /// Parses a rule. The name follows the first slash, and may contain more of them.
    pub(crate) fn parse(text: &str) -> Result<ChannelRule, Problem> {
        let Some((tenant, name)) = text.split_once('/').filter(|(tenant, _)| !tenant.is_empty())
        else {
            return Err(Problem::new(
                format!("{text:?} names no tenant"),
                format!("write the tenant and a slash before it, as in \"other/{}\"", rest(text)),
            ));
        };
        if name.is_empty() {
            return Err(Problem::new(
                format!("{text:?} names no channel"),
                format!("write \"{text}news\", or \"{text}*\" for every channel and queue"),
            ));
        }
        let start = name.strip_suffix('*');
        let (name, is_start) = (start.unwrap_or(name), start.is_some());
        if name.contains('*') {
            return Err(Problem::new(
                format!("{text:?} has a * that is not at its end"),
                r#"write one name, or the start of some with a * at the end, as in "other/room-*""#,
            ));
        }
        if !(is_name(name) || is_start && name.is_empty()) {
            return Err(Problem::new(
                format!("{name:?} is not the name of a channel or a queue"),
                "write 1 to 255 bytes without control characters after the slash",
            ));
        }
        Ok(ChannelRule { tenant: tenant.to_owned(), name: name.to_owned(), is_start })
    }
}

/// The text after the slash in the remedy.
fn rest(text: &str) -> &str {
    match text.trim_start_matches('/') {
        "" => "news",
        rest => rest,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, tenant: &str, name: &str, expected: bool) {
        let rule = ChannelRule::parse(text).unwrap_or_else(|problem| panic!("{text:?}: {problem}"));
        assert_eq!(rule.matches(tenant, name), expected, "{text:?} and {name:?} of {tenant:?}");
    }

    #[test]
    fn names_and_starts_of_names() {
        check("a/news", "a", "news", true);
        check("a/news", "a", "news2", false);
        check("a/news", "b", "news", false);
        check("a/*", "a", "news", true);
        check("a/*", "ab", "news", false);
        check("a/room-*", "a", "room-1", true);
        check("a/room-*", "a", "room", false);
        check("a/b/c", "a", "b/c", true);
        check("a/b/*", "a", "b/c/d", true);
        check("a/b/*", "a", "bc", false);
    }

    #[track_caller]
    fn check_refused(text: &str, expected: &str) {
        let problem = ChannelRule::parse(text).expect_err(text).to_string();
        assert_eq!(problem, expected, "{text:?}");
    }

    #[test]
    fn refused() {
        let stars = r#"has a * that is not at its end; write one name, or the start of some with a * at the end, as in "other/room-*""#;
        check_refused(
            "news",
            r#""news" names no tenant; write the tenant and a slash before it, as in "other/news""#,
        );
        check_refused(
            "/news",
            r#""/news" names no tenant; write the tenant and a slash before it, as in "other/news""#,
        );
        check_refused(
            "a/",
            r#""a/" names no channel; write "a/news", or "a/*" for every channel and queue"#,
        );
        check_refused("a/*/b", &format!("\"a/*/b\" {stars}"));
        check_refused("a/**", &format!("\"a/**\" {stars}"));
        check_refused(
            "a/b\n",
            r#""b\n" is not the name of a channel or a queue; write 1 to 255 bytes without control characters after the slash"#,
        );
    }
}
