//! The live page: one file without external resources.

use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hyper::header::CONTENT_SECURITY_POLICY;
use sha2::{Digest, Sha256};

use crate::run::admin::reply::Reply;

const PAGE: &str = include_str!("page.html");

/// The content security policy: only its own script and style, requests to this listener, no frames.
static POLICY: LazyLock<String> = LazyLock::new(|| {
    format!(
        "default-src 'none'; script-src '{}'; style-src '{}'; connect-src 'self'; img-src data:; base-uri 'none'; \
         form-action 'none'; frame-ancestors 'none'",
        hash_of("script"),
        hash_of("style"),
    )
});

pub(super) fn reply() -> Reply {
    let mut reply = Reply::new("text/html; charset=utf-8", PAGE);
    reply.headers.push((CONTENT_SECURITY_POLICY, POLICY.clone()));
    reply
}

/// The hash of the content of an element, as the policy names it.
fn hash_of(tag: &str) -> String {
    let begin = format!("<{tag}>");
    let inside =
        PAGE.split_once(&begin).and_then(|(_, rest)| rest.split_once(&format!("</{tag}>")));
    let inside = inside.map_or("", |(inside, _)| inside);
    format!("sha256-{}", STANDARD.encode(Sha256::digest(inside)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_is_whole_and_takes_nothing_from_elsewhere() {
        for tag in ["script", "style"] {
            assert_eq!(PAGE.matches(&format!("<{tag}>")).count(), 1, "{tag}");
            assert_eq!(PAGE.matches(&format!("<{tag}")).count(), 1, "{tag}");
        }
        for foreign in ["http://", "https://", "src=", "@import", "innerHTML", "outerHTML", "eval("]
        {
            assert!(!PAGE.contains(foreign), "{foreign}");
        }
        assert!(
            !POLICY.contains("unsafe") && POLICY.matches("sha256-").count() == 2,
            "{}",
            *POLICY
        );
    }
}
