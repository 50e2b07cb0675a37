//! Cookies as the IETF's working group http-state has tested browsers: what a server sets, and what comes back.

use std::time::{Duration, SystemTime};

use sandloop_http::cookies::{Jar, RequestScope};
use sandloop_testkit::{Noise, fuzz::rounds};

/// The group's tests are of this time: what expires in 2007 is over, what expires in 2019 is not.
const NOW: Duration = Duration::from_secs(1_280_000_000);

const HOST: &str = "home.example.org";

/// A browser that was at `from` and goes to `to`.
fn browse(from: (&str, &str), fields: &[&str], to: (&str, &str)) -> String {
    let now = SystemTime::UNIX_EPOCH + NOW;
    let mut jar = Jar::new();
    let at = |(host, path)| RequestScope { host, path, is_tls: false };
    for field in fields {
        jar.store(field, at(from), now);
    }
    jar.header(at(to), now).unwrap_or_default()
}

#[track_caller]
fn check(fields: &[&str], cookie: &str) {
    let (from, to) = ("/cookie-parser", "/cookie-parser-result");
    assert_eq!(browse((HOST, from), fields, (HOST, to)), cookie, "{fields:?}");
}

#[test]
fn parser() {
    check(&["foo=bar"], "foo=bar");
    check(&["foo=bar; Expires=Fri, 07 Aug 2019 08:04:19 GMT"], "foo=bar");
    let two = [
        "foo=bar; Expires=Fri, 07 Aug 2007 08:04:19 GMT",
        "foo2=bar2; Expires=Fri, 07 Aug 2017 08:04:19 GMT",
    ];
    check(&two, "foo2=bar2");
    check(&["foo"], "");
    check(&["foo=bar; max-age=10000;"], "foo=bar");
    check(&["foo=bar; max-age=0;"], "");
    check(&["foo=bar; version=1;"], "foo=bar");
    check(&["foo=bar; version=1000;"], "foo=bar");
    check(&["foo=bar; customvalue=1000;"], "foo=bar");
    check(&["foo=bar; secure;"], "");
    check(&["foo=bar; customvalue=\"1000 or more\";"], "foo=bar");
    check(&["foo=bar; customvalue=\"no trailing semicolon\""], "foo=bar");
    check(&["foo=bar", "foo=qux"], "foo=qux");
    check(&["foo1=bar", "foo2=qux"], "foo1=bar; foo2=qux");
    check(&["a=b", "z=y"], "a=b; z=y");
    check(&["=bar"], "");
    check(&["foo=bar; domain=.example.org"], "foo=bar");
    check(&["foo=bar; httponly"], "foo=bar");
    check(&["  foo  =  bar  ; ttt"], "foo=bar");
    check(&[""], "");
    check(&[";"], "");
    check(&["=;"], "");
}

#[test]
fn attributes() {
    check(&["foo=bar; Secure"], "");
    check(&["foo=bar; seCURe"], "");
    check(&["foo=bar; \"Secure\""], "foo=bar");
    check(&["foo=bar; Secure="], "");
    check(&["foo=bar; Secure=aaaa"], "");
    check(&["foo=bar; Secure qux"], "foo=bar");
    check(&["foo=bar; Secure =aaaaa"], "");
    check(&["foo=bar; Secure= aaaaa"], "");
    check(&["foo=bar; Secure; qux"], "");
    check(&["foo=bar; Secure;qux"], "");
    check(&["foo=bar; Secure    ; qux"], "");
    check(&["foo=bar;                Secure"], "");
    check(&["foo=bar;       Secure     ;"], "");
    check(&["foo=bar; Path"], "foo=bar");
    check(&["foo=bar; Path="], "foo=bar");
    check(&["foo=bar; Path=/"], "foo=bar");
    check(&["foo=bar; Path=/qux"], "");
    check(&["foo=bar; Path    =/qux"], "");
    check(&["foo=bar; Path=    /qux"], "");
    check(&["foo=bar; Path=/qux      ; taz"], "");
    check(&["foo=bar; Path=/qux; Path=/"], "foo=bar");
    check(&["foo=bar; Path=/; Path=/qux"], "");
    check(&["foo=bar; Path=/qux; Path="], "foo=bar");
    check(&["foo=bar; Path=qux"], "foo=bar");
}

#[test]
fn values() {
    check(&["foo=  bar"], "foo=bar");
    check(&["foo=\"bar\""], "foo=\"bar\"");
    check(&["foo=\"  bar \""], "foo=\"  bar \"");
    check(&["foo=\"bar;baz\""], "foo=\"bar");
    check(&["foo=\"bar=baz\""], "foo=\"bar=baz\"");
    check(&["\tfoo\t=\tbar\t \t;\tttt"], "foo=bar");
    check(&["foo=bar, baz=qux"], "foo=bar, baz=qux");
    check(&["foo=\"bar, baz=qux\""], "foo=\"bar, baz=qux\"");
    check(&["foo=bar; b,az=qux"], "foo=bar");
    check(&["foo=bar; baz=q,ux"], "foo=bar");
    check(&["foo=bar; Max-Age=50,399"], "foo=bar");
    check(&["foo=bar; Expires=Fri, 07 Aug 2019 08:04:19 GMT"], "foo=bar");
    check(&["foo=bar; Expires=Fri 07 Aug 2019 08:04:19 GMT, baz=qux"], "foo=bar");
    check(&["foo=bar=baz"], "foo=bar=baz");
    check(&["foo="], "foo=");
    check(&["foo=\u{6625}\u{8282}"], "foo=\u{6625}\u{8282}");
    check(&["\u{6625}\u{8282}=foo"], "\u{6625}\u{8282}=foo");
    check(&["foo=\"\u{6625}\u{8282}\""], "foo=\"\u{6625}\u{8282}\"");
}

#[test]
fn chromium() {
    check(&["a=b"], "a=b");
    check(&["aBc=\"zzz \"   ;"], "aBc=\"zzz \"");
    check(&["aBc=\"zzz \" ;"], "aBc=\"zzz \"");
    check(&["aBc=\"zz;pp\" ; ;"], "aBc=\"zz");
    check(&["aBc=\"zz ;"], "aBc=\"zz");
    check(&["aBc=\"zzz \"   \"ppp\"  ;"], "aBc=\"zzz \"   \"ppp\"");
    check(&["aBc=\"zzz \"   \"ppp\" ;"], "aBc=\"zzz \"   \"ppp\"");
    check(&["aBc=A\"B ;"], "aBc=A\"B");
    check(&["BLAHHH; path=/;"], "");
    check(&["aBc=\"BLA\\\"HHH\"; path=/;"], "aBc=\"BLA\\\"HHH\"");
    check(&["a=\"B"], "a=\"B");
    check(&["=ABC"], "");
    check(&["ABC=;  path = /"], "ABC=");
    check(&["  A  = BC  ;foo;;;   bar"], "A=BC");
    check(&["  A=== BC  ;foo;;;   bar"], "A=== BC");
    check(
        &["foo=\"zohNumRKgI0oxyhSsV3Z7D\"; expires=Sun, 18-Apr-2027 21:06:29 GMT ; path=/  ;  "],
        "foo=\"zohNumRKgI0oxyhSsV3Z7D\"",
    );
}

#[test]
fn names() {
    check(&["a=bar"], "a=bar");
    check(&["1=bar"], "1=bar");
    for name in [
        "$", "!a", "@a", "#a", "$a", "%a", "^a", "&a", "*a", "(a", ")a", "-a", "_a", "+",
        "\"foo\"", "\"foo", "foo bar", "foo,bar", "foo\"bar",
    ] {
        check(&[&format!("{name}=bar")], &format!("{name}=bar"));
    }
    check(&["foo;bar=baz"], "");
    check(&["foo=bar;baz"], "foo=bar");
    check(&["foo=bar;;;;"], "foo=bar");
    check(&["$Version=1; foo=bar"], "$Version=1");
}

#[test]
fn order() {
    let fields = [
        "key=val0;",
        "key=val1; path=/cookie-parser-result",
        "key=val2; path=/",
        "key=val3; path=/bar",
        "key=val4; domain=.example.org",
        "key=val5; domain=.example.org; path=/cookie-parser-result/foo",
    ];
    check(&fields, "key=val1; key=val2; key=val4");
}

#[test]
fn paths() {
    let from = (HOST, "/cookie-parser-result/foo/baz");
    for (field, path, comes) in [
        ("a=b; path=/", "/anywhere", true),
        ("a=b", "/cookie-parser-result/foo", true),
        ("a=b", "/cookie-parser-result/foo/", true),
        ("a=b", "/cookie-parser-result/foo/qux", true),
        ("a=b", "/cookie-parser-result/fo", false),
        ("a=b", "/cookie-parser-result/foobar", false),
        ("a=b", "/cookie-parser-result", false),
        ("a=b; path=/cookie-parser-result/foo/", "/cookie-parser-result/foo", false),
        ("a=b; path=/cookie-parser-result/foo/", "/cookie-parser-result/foo/x", true),
        ("a=b; path=/CoOkIe", "/cookie", false),
        ("a=b; path=//", "//x", true),
        ("a=b; path=\"/\"", "/cookie-parser-result/foo/x", true),
    ] {
        let came = browse(from, &[field], (HOST, path));
        assert_eq!(came == "a=b", comes, "{field} {path}");
    }
}

#[test]
fn domains() {
    for (from, field, to, comes) in [
        ("home.example.org", "a=b", "home.example.org", true),
        ("home.example.org", "a=b", "sub.home.example.org", false),
        ("home.example.org", "a=b", "example.org", false),
        ("home.example.org", "a=b; domain=example.org", "home.example.org", true),
        ("home.example.org", "a=b; domain=.example.org", "other.example.org", true),
        ("home.example.org", "a=b; domain=EXAMPLE.org", "other.example.org", true),
        ("home.example.org", "a=b; domain=home.example.org", "sub.home.example.org", true),
        ("home.example.org", "a=b; domain=sub.home.example.org", "sub.home.example.org", false),
        ("home.example.org", "a=b; domain=other.example.org", "other.example.org", false),
        ("home.example.org", "a=b; domain=.org", "home.example.org", false),
        ("home.example.org", "a=b; domain=org", "home.example.org", false),
        ("home.example.org", "a=b; domain=ample.org", "home.example.org", false),
        ("home.example.org", "a=b; domain=", "home.example.org", true),
        ("home.example.org", "a=b; domain=", "sub.home.example.org", false),
        ("home.example.org", "a=b; domain = .example.org ; x", "other.example.org", true),
        ("home.example.org", "a=b; domain=x.y; domain=example.org", "other.example.org", true),
        ("HOME.example.org", "a=b", "home.EXAMPLE.org", true),
        ("1.2.3.4", "a=b; domain=3.4", "1.2.3.4", false),
        ("1.2.3.4", "a=b", "1.2.3.4", true),
    ] {
        let came = browse((from, "/"), &[field], (to, "/"));
        assert_eq!(came == "a=b", comes, "{from} {field} {to}");
    }
}

/// Dates as servers of the world have written them, and whether they are over.
#[test]
fn dates() {
    for (date, is_over) in [
        ("Mon, 10-Dec-2007 17:02:24 GMT", true),
        ("Wed, 09 Dec 2009 16:27:23 GMT", true),
        ("Thursday, 01-Jan-1970 00:00:00 GMT", true),
        ("Mon Dec 10 16:32:30 2007 GMT", true),
        ("Wednesday, 01-Jan-10 00:00:00 GMT", true),
        (", 10-Dec-2007 20:35:03 GMT", true),
        ("Wed, 1 Jan 2003 00:00:00 GMT", true),
        ("Wednesday, 1-Jan-2003 00:00:00 GMT", true),
        (", 1-Jan-2003 00:00:00 GMT", true),
        (" 1-Jan-2003 00:00:00 GMT", true),
        ("Wed,18-Apr-07 22:50:12 GMT", true),
        ("WillyWonka  , 18-Apr-07 22:50:12 GMT", true),
        ("WillyWonka  , 18-apr-07 22:50:12", true),
        ("Mon, 18-Apr-1977 22:50:13 GMT", true),
        ("Mon, 18-Apr-77 22:50:13 GMT", true),
        ("Sat, 15-Apr-17 21:01:22 GMT", false),
        ("\"Sat, 15-Apr-17\"21:01:22\"GMT\"", false),
        ("Partyday, 18- April-07 22:50:12", true),
        ("Partyday, 18 - Apri-07 22:50:12", true),
        ("Wednes, 1-Januar-2003 00:00:00 GMT", true),
        ("Sat, 15-Apr-17 21:01:22", false),
        ("Sat, 15-Apr-2017 21:01:22 GMT-2", false),
        ("Thu, 1 Jan 1970 00:00:00 GMT", true),
        ("Thu, 01-Jan-70 00:00:01 GMT", true),
        ("Thu, 01 Jan 1970 00:00:00 UTC", true),
        ("Thu, 01 Jan 1970 00:00:00 +0000", true),
        ("01 Jan 1970 00:00:00", true),
        ("Thu Jan 01 1970 00:00:00 GMT", true),
        ("Thu, 01 Jan 1970 0:00:00 GMT", true),
        ("Fri, 01 Jan 1970 00:00:00 GMT", true),
        ("Fri, 07 Aug 2007 08:04:19 GMT", true),
        ("Tue, 07 Aug 2007 8:4:9 GMT", true),
        ("Tue, 07 Aug 2007 08:04:9", true),
        ("Fri, 31 Dec 9999 23:59:59 GMT", false),
        ("Mon, 18 Jan 2038 22:14:07 GMT", false),
        ("Tue, 01 Jan 2069 00:00:00 GMT", false),
        ("Mon, 01-Jan-1601 00:00:00 GMT", true),
        // What is no date changes nothing.
        ("Wed, 09 Dec 2009", false),
        ("Wed, 32 Dec 2009 16:27:23 GMT", false),
        ("Wed, 31 Nov 2009 16:27:23 GMT", false),
        ("Wed, 09 Dec 2009 24:27:23 GMT", false),
        ("Wed, 09 Dec 1600 16:27:23 GMT", false),
        ("0", false),
        ("-1", false),
        ("", false),
    ] {
        // A log-out: the cookie was there.
        let field = format!("foo=bar; expires={date}");
        let came = browse((HOST, "/"), &["foo=was", &field], (HOST, "/"));
        assert_eq!(came, if is_over { "" } else { "foo=bar" }, "{date:?}");
    }
}

/// What Max-Age says counts, wherever it stands.
#[test]
fn ages_before_dates() {
    let past = "expires=Thu, 01 Jan 1970 00:00:00 GMT";
    check(&[&format!("foo=bar; max-age=5; {past}")], "foo=bar");
    check(&[&format!("foo=bar; {past}; max-age=5")], "foo=bar");
    check(&[&format!("foo=bar; {past}; max-age=+5")], "");
    check(&["foo=bar; expires=Fri, 31 Dec 9999 23:59:59 GMT; max-age=0"], "");
    check(&["foo=bar; expires=Fri, 31 Dec 9999 23:59:59 GMT; max-age=-1"], "");
}

/// Whatever a server sets, a jar has a bound and what comes back can be sent.
#[test]
fn nothing_is_a_panic_or_breaks_a_request() {
    const WORDS: &[&[u8]] = &[
        b"=",
        b";",
        b"\"",
        b" ",
        b"\t",
        b"max-age=",
        b"expires=",
        b"path=/",
        b"domain=",
        b"secure",
        b"99999999999999999999",
        b"Jan",
        b"1970",
        b"00:00:00",
        b"\xc3\xa9",
        b",",
    ];
    let fields = [
        "foo=\"bar\"; Expires=Fri, 07 Aug 2019 08:04:19 GMT; Path=/; Domain=example.org",
        "a=b; max-age=50; secure; httponly; samesite=lax",
    ];
    rounds(3_000, |noise: &mut Noise| {
        let mut set: Vec<String> = Vec::new();
        for field in fields {
            let mut bytes = field.as_bytes().to_vec();
            noise.mutate(&mut bytes, WORDS, &[fields[0].into(), fields[1].into()]);
            set.push(String::from_utf8_lossy(&bytes).into_owned());
        }
        let set: Vec<&str> = set.iter().map(String::as_str).collect();
        let came = browse((HOST, "/x"), &set, (HOST, "/x"));
        assert!(!came.contains(';') || came.matches("; ").count() <= 1, "{set:?} {came}");
        for pair in came.split("; ").filter(|pair| !pair.is_empty()) {
            let is_own = |field: &&str| {
                let trim = |text: &str| text.trim_matches([' ', '\t']).to_owned();
                let (name, value) = pair.split_once('=').unwrap();
                let first = field.split(';').next().unwrap_or_default();
                first.split_once('=').is_some_and(|(n, v)| trim(n) == name && trim(v) == value)
            };
            assert!(set.iter().any(is_own), "{set:?} {came}");
        }
    });
}
