//! The corpus of the IETF's working group http-state, as the package `tough-cookie` 2.0.0 has it: what servers set, and
//! what a client with a jar sends back.

use std::fs;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use serde_json::Value;

use crate::origin::World;
use crate::outcome::Outcome;
use crate::tools;

const HOST: &str = "http://home.example.org";

/// Runs the cases of the parser and the dates.
pub fn browse() -> Vec<Outcome> {
    let world = World::start(&[("cookies", "yes")]);
    let mut outcomes: Vec<_> =
        read("parser.json").iter().map(|case| parser_case(&world, case)).collect();
    for file in ["dates/examples.json", "dates/bsd-examples.json"] {
        outcomes.extend(read(file).iter().map(|case| date_case(&world, file, case)));
    }
    outcomes
}

fn read(file: &str) -> Vec<Value> {
    let path = tools("node_modules/tough-cookie/test/ietf_data").join(file);
    let text = fs::read_to_string(&path).unwrap_or_else(|error| {
        panic!("{}: {error}; run `cargo xtask conformance`", path.display())
    });
    let cases: Value = serde_json::from_str(&text).expect("the corpus is JSON");
    cases.as_array().expect("a list of cases").clone()
}

/// Cookies that are set, and those that come back to `sent-to`.
fn parser_case(world: &World, case: &Value) -> Outcome {
    let name = text(&case["test"]);
    let received: Vec<String> = list(&case["received"]).map(|field| later(text(field))).collect();
    let sent = list(&case["sent"])
        .map(|cookie| format!("{}={}", text(&cookie["name"]), text(&cookie["value"])));
    let to = match case["sent-to"].as_str() {
        Some(path) if path.starts_with('/') => format!("{HOST}{path}"),
        Some(uri) => uri.to_owned(),
        None => format!("{HOST}/cookie-parser-result?{name}"),
    };
    let from = format!("{HOST}/cookie-parser?{name}");
    let expected = sent.collect::<Vec<_>>().join("; ");
    Outcome::exact(name, &expected, &come_back(world, &from, received, &to))
}

/// The group's tests were written for a time before 2011: what they say is far away is moved away again.
fn later(field: &str) -> String {
    let Some((before, date)) = field.split_once("xpires=") else { return field.to_owned() };
    let years = 2011..2100;
    let date = years.fold(date.to_owned(), |date, year| {
        date.replace(&year.to_string(), &(year + 100).to_string())
    });
    format!("{before}xpires={date}")
}

/// A cookie that was there is set again with a date: it goes if the date is one, and over.
fn date_case(world: &World, file: &str, case: &Value) -> Outcome {
    let date = text(&case["test"]);
    let is_over = case["expected"].as_str().is_some_and(|date| {
        let now =
            SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO);
        seconds(date) <= now.as_secs() as i64
    });
    let set = vec!["foo=was".to_owned(), format!("foo=bar; Expires={date}")];
    let (from, to) = (format!("{HOST}/a"), format!("{HOST}/b"));
    let seen = come_back(world, &from, set, &to);
    let expected = if is_over { "" } else { "foo=bar" };
    Outcome::exact(format!("{file}: {date}"), expected, &seen)
}

/// Seconds of `Sat, 15 Apr 2017 21:01:22 GMT`, as the corpus writes what a date means, since 1970.
fn seconds(date: &str) -> i64 {
    const MONTHS: &str = "JanFebMarAprMayJunJulAugSepOctNovDec";
    let words: Vec<&str> = date.split([' ', ':']).collect();
    let [_, day, month, year, hour, minute, second, _] = words[..] else {
        panic!("{date:?} is no date of the corpus")
    };
    let number = |word: &str| word.parse::<i64>().expect("a number");
    let month = MONTHS.find(month).expect("a month") as i64 / 3;
    // Years begin in March, so that the leap day is the last.
    let (year, month) =
        if month < 2 { (number(year) - 1, month + 10) } else { (number(year), month - 2) };
    let days =
        year * 365 + year / 4 - year / 100 + year / 400 + (month * 153 + 2) / 5 + number(day) - 1;
    ((days - 719_468) * 24 + number(hour)) * 3600 + number(minute) * 60 + number(second)
}

/// A client without cookies is at `from`, which sets these; what it sends to `to`.
fn come_back(world: &World, from: &str, set: Vec<String>, to: &str) -> String {
    let cookies = Arc::new(Mutex::new(String::new()));
    let seen = cookies.clone();
    let mut fields = Some(set);
    world.answers(move |head| {
        if let Some(set) = fields.take() {
            let set: String = set.iter().map(|field| format!("\r\nSet-Cookie: {field}")).collect();
            return format!("HTTP/1.1 200 OK{set}\r\n\r\n");
        }
        let field = head.split("\r\n").find_map(|line| line.strip_prefix("Cookie: "));
        *seen.lock().expect("nobody panics with it") = field.unwrap_or_default().to_owned();
        "HTTP/1.1 200 OK\r\n\r\n".to_owned()
    });
    let mut client = world.client();
    for uri in [from, to] {
        client.send(format!("GET {uri}\n"));
        let line = client.line();
        if !line.starts_with("200 ") {
            return line;
        }
    }
    cookies.lock().expect("nobody panics with it").clone()
}

fn text(value: &Value) -> &str {
    value.as_str().expect("a text")
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().expect("a list").iter()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_is_so_many_seconds() {
        assert_eq!(seconds("Thu, 01 Jan 1970 00:00:00 GMT"), 0);
        assert_eq!(seconds("Tue, 29 Feb 2000 23:59:59 GMT"), 951_868_799);
        assert_eq!(seconds("Mon, 01 Jan 1601 00:00:00 GMT"), -11_644_473_600);
    }

    #[test]
    fn what_was_far_away_is_moved() {
        assert_eq!(
            later("a=2019; Expires=Fri, 07 Aug 2019 08:04:19 GMT"),
            "a=2019; Expires=Fri, 07 Aug 2119 08:04:19 GMT"
        );
        assert_eq!(
            later("a=b; expires=Fri, 07 Aug 2007 08:04:19 GMT"),
            "a=b; expires=Fri, 07 Aug 2007 08:04:19 GMT"
        );
    }
}
