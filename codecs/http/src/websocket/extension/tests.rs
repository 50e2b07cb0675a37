//! Offers and answers, as RFC 7692 has them.

use super::*;

const KEEP: Deflate = Deflate { keep_own_context: true, keep_peers_context: true, threshold: 0 };
const FORGET: Deflate =
    Deflate { keep_own_context: false, keep_peers_context: false, threshold: 0 };

fn headers(values: &[&str]) -> Headers {
    let mut headers = Headers::new();
    for value in values {
        headers.append(FIELD, value).unwrap();
    }
    headers
}

#[test]
fn a_server_takes_the_first_offer_that_it_can_do() {
    let check = |offers: &[&str], keep: Option<&str>| {
        let answer = accept_deflate(&headers(offers), &KEEP).map(|(answer, _)| answer);
        assert_eq!(answer.as_deref(), keep, "{offers:?}");
    };
    let plain = Some("permessage-deflate");
    check(&["permessage-deflate"], plain);
    check(&["Permessage-Deflate"], plain);
    check(&["permessage-deflate; client_max_window_bits"], plain);
    check(&["permessage-deflate; client_max_window_bits=10"], plain);
    check(&["permessage-deflate;client_max_window_bits=\"10\""], plain);
    check(&["x-webkit-deflate-frame, permessage-deflate"], plain);
    check(&["foo; bar=\"a, b; c\"", "permessage-deflate"], plain);
    check(&["permessage-deflate; server_max_window_bits=10, permessage-deflate"], plain);
    let window = Some("permessage-deflate; server_max_window_bits=15");
    check(&["permessage-deflate; server_max_window_bits=15"], window);
    let server = Some("permessage-deflate; server_no_context_takeover");
    check(&["permessage-deflate; server_no_context_takeover"], server);
    let client = Some("permessage-deflate; client_no_context_takeover");
    check(&["permessage-deflate ; client_no_context_takeover"], client);
    for none in [
        "",
        "permessage-foo",
        "permessage-deflate; server_max_window_bits",
        "permessage-deflate; server_max_window_bits=10",
        "permessage-deflate; server_max_window_bits=7",
        "permessage-deflate; server_max_window_bits=16",
        "permessage-deflate; server_max_window_bits=015",
        "permessage-deflate; server_max_window_bits=+15",
        "permessage-deflate; client_max_window_bits=",
        "permessage-deflate; client_max_window_bits=99999",
        "permessage-deflate; server_no_context_takeover=1",
        "permessage-deflate; server_no_context_takeover; server_no_context_takeover",
        "permessage-deflate; client_max_window_bits; client_max_window_bits=9",
        "permessage-deflate; unknown",
        "permessage-deflate;",
        ", permessage-deflate",
        "permessage-deflate; client_max_window_bits=\"9",
        "permessage deflate",
    ] {
        check(&[none], None);
    }
    check(&[], None);
    let both = "permessage-deflate; server_no_context_takeover; client_no_context_takeover";
    let (answer, agreed) = accept_deflate(&headers(&["permessage-deflate"]), &FORGET).unwrap();
    assert_eq!(answer, both);
    assert!(!agreed.own_context && !agreed.peers_context);
}

#[test]
fn a_client_takes_only_what_it_has_offered() {
    let check =
        |answer: &[&str], offered: Option<&Deflate>, expected: Result<Option<(bool, bool)>, ()>| {
            let agreed = agreed_deflate(&headers(answer), offered);
            let agreed = agreed
                .map(|agreed| agreed.map(|agreed| (agreed.own_context, agreed.peers_context)))
                .map_err(|_| ());
            assert_eq!(agreed, expected, "{answer:?} to {offered:?}");
        };
    check(&[], None, Ok(None));
    check(&[], Some(&KEEP), Ok(None));
    check(&["permessage-deflate"], None, Err(()));
    check(&["permessage-deflate"], Some(&KEEP), Ok(Some((true, true))));
    check(&["permessage-deflate"], Some(&FORGET), Err(()));
    let forgets = "permessage-deflate; server_no_context_takeover";
    check(&[forgets], Some(&FORGET), Ok(Some((false, false))));
    check(&[forgets], Some(&KEEP), Ok(Some((true, false))));
    let both = "permessage-deflate; client_no_context_takeover; server_no_context_takeover";
    check(&[both], Some(&KEEP), Ok(Some((false, false))));
    // A server that sends with a smaller window is understood all the same.
    check(&["permessage-deflate; server_max_window_bits=9"], Some(&KEEP), Ok(Some((true, true))));
    for wrong in [
        "permessage-deflate; client_max_window_bits=15",
        "permessage-deflate; client_max_window_bits",
        "permessage-deflate; server_max_window_bits=16",
        "permessage-deflate; unknown",
        "permessage-foo",
        "permessage-deflate, permessage-deflate",
        "permessage-deflate, foo",
        "",
    ] {
        check(&[wrong], Some(&KEEP), Err(()));
    }
    check(&["permessage-deflate", "permessage-deflate"], Some(&KEEP), Err(()));
    assert_eq!(offer_deflate(&KEEP), "permessage-deflate");
    assert_eq!(
        offer_deflate(&FORGET),
        "permessage-deflate; client_no_context_takeover; server_no_context_takeover"
    );
}
