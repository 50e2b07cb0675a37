//! Dates of cookies, as RFC 6265 5.1.1 has them understood: whatever has a time, a day, a month and a year in it.
//!
//! Dates of HTTP are read by [`date`](crate::date), which is strict. Cookies are older than that, and servers write
//! their dates in every form: a server that deletes a cookie must be understood, whatever day of the week it says.

use std::time::{Duration, SystemTime};

/// The moment that a cookie's date means, if it has a time, a day of the month, a month and a year that exist. A date
/// before 1970 is 1970: it is over in any case.
pub(super) fn parse(text: &str) -> Option<SystemTime> {
    let mut found = Found::default();
    let tokens = text.as_bytes().split(|byte| is_delimiter(*byte));
    tokens.filter(|token| !token.is_empty()).for_each(|token| found.take(token));
    let Found { time, day, month, year } = found;
    let (hour, minute, second) = time?;
    let year = match year? {
        short @ 70..=99 => short + 1900,
        short @ 0..=69 => short + 2000,
        long => long,
    };
    let (day, month) = (day?, month?);
    let exists = (1..=days_of(month, year)).contains(&day);
    if !exists || year < 1601 || 23 < hour || 59 < minute || 59 < second {
        return None;
    }
    let days = days_since_1970(year, month, day);
    let seconds = days * 86_400 + i64::from(hour * 3600 + minute * 60 + second);
    let since = Duration::from_secs(u64::try_from(seconds).unwrap_or(0));
    SystemTime::UNIX_EPOCH.checked_add(since)
}

/// The parts found; the first of each kind counts.
#[derive(Default)]
struct Found {
    time: Option<(u32, u32, u32)>,
    day: Option<u32>,
    /// From 1.
    month: Option<u32>,
    year: Option<u32>,
}

impl Found {
    /// A token is the first thing that is not found yet and that it can be.
    fn take(&mut self, token: &[u8]) {
        if self.time.is_none()
            && let Some(time) = time(token)
        {
            self.time = Some(time);
        } else if self.day.is_none()
            && let Some(day) = number(token, 1..=2)
        {
            self.day = Some(day);
        } else if self.month.is_none()
            && let Some(month) = month(token)
        {
            self.month = Some(month);
        } else if self.year.is_none()
            && let Some(year) = number(token, 2..=4)
        {
            self.year = Some(year);
        }
    }
}

fn is_delimiter(byte: u8) -> bool {
    matches!(byte, b'\t' | b' '..=b'/' | b';'..=b'@' | b'['..=b'`' | b'{'..=b'~')
}

/// `1:02:03`, and what is no digit after it.
fn time(token: &[u8]) -> Option<(u32, u32, u32)> {
    let mut fields = token.splitn(3, |byte| *byte == b':');
    let mut whole = || {
        let field = fields.next()?;
        let is_short = field.iter().all(u8::is_ascii_digit);
        number(field, 1..=2).filter(|_| is_short)
    };
    let (hour, minute) = (whole()?, whole()?);
    Some((hour, minute, number(fields.next()?, 1..=2)?))
}

/// The number at the beginning of a token, if the count of its digits is in `digits`.
fn number(token: &[u8], digits: std::ops::RangeInclusive<usize>) -> Option<u32> {
    let count = token.iter().take_while(|byte| byte.is_ascii_digit()).count();
    if !digits.contains(&count) {
        return None;
    }
    std::str::from_utf8(&token[..count]).ok()?.parse().ok()
}

/// The month of which a token has the first three letters.
fn month(token: &[u8]) -> Option<u32> {
    const MONTHS: [&[u8; 3]; 12] = [
        b"jan", b"feb", b"mar", b"apr", b"may", b"jun", b"jul", b"aug", b"sep", b"oct", b"nov",
        b"dec",
    ];
    let name = token.first_chunk::<3>()?;
    let index = MONTHS.iter().position(|month| month.eq_ignore_ascii_case(name))?;
    u32::try_from(index + 1).ok()
}

fn days_of(month: u32, year: u32) -> u32 {
    let is_leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    match month {
        2 if is_leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days from the first of January 1970, in the Gregorian calendar.
fn days_since_1970(year: u32, month: u32, day: u32) -> i64 {
    // The year begins with March, so that the leap day is its last.
    let year = i64::from(year) - i64::from(month <= 2);
    let month = i64::from((month + 9) % 12);
    let day_of_year = (153 * month + 2) / 5 + i64::from(day) - 1;
    let days = 365 * year + year / 4 - year / 100 + year / 400 + day_of_year;
    days - 719_468
}

#[cfg(test)]
mod tests {
    use sandloop_testkit::{Noise, fuzz::rounds};

    use super::*;

    fn seconds(text: &str) -> Option<u64> {
        let time = parse(text)?;
        Some(time.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs())
    }

    #[test]
    fn every_form_of_a_date_is_understood() {
        const TIME: u64 = 784_111_777;
        for text in [
            "Sun, 06 Nov 1994 08:49:37 GMT",
            "Sunday, 06-Nov-94 08:49:37 GMT",
            "Sun Nov  6 08:49:37 1994",
            "Sun, 06-Nov-1994 08:49:37 GMT",
            "Sun, 6 Nov 1994 8:49:37 GMT",
            "Tue, 06 Nov 1994 08:49:37 GMT",
            "06 Nov 1994 08:49:37",
            "1994 Nov 6 08:49:37",
            "08:49:37 6 nov 94",
            "6 NOVEMBER 1994 08:49:37 UTC",
            "Sun, 06 Nov 1994 08:49:37 +0000",
            "Sun, 06 Nov 1994 08:49:37 PST",
            "6th Nov 1994 08:49:37.123",
            "Nov/6/1994 08:49:37",
            "6;Nov;1994;08:49:37",
            "08:49:37 06Nov Nov 1994x",
            ",,,06-Nov-94,,,08:49:37",
            "Sun, 06 Nov 1994 08:49:37 GMT; 07 Dec 1995 09:50:38",
        ] {
            assert_eq!(seconds(text), Some(TIME), "{text}");
        }
    }

    #[test]
    fn what_is_no_date_is_none() {
        for text in [
            "",
            "now",
            "Sun, 06 Nov 1994",
            "Nov 1994 08:49:37",
            "06 1994 08:49:37",
            "06 Nov 08:49:37",
            "06 Nov 1994 08:49",
            "06 Nov 1994 08:49:",
            "06 Nov 1994 :49:37",
            "06 Nov 1994 008:49:37",
            "06 Nov 1994 08:49:370",
            "06 Nov 1994 24:00:00",
            "06 Nov 1994 08:60:00",
            "06 Nov 1994 08:49:60",
            "00 Nov 1994 08:49:37",
            "31 Nov 1994 08:49:37",
            "29 Feb 1900 08:49:37",
            "30 Feb 2000 08:49:37",
            "32 Jan 1994 08:49:37",
            "006 Nov 1994 08:49:37",
            "06 Nov 1600 08:49:37",
            "06 Nov 19940 08:49:37",
            "06 Nov 199 08:49:37",
            "06 No 1994 08:49:37",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    #[test]
    fn years_of_two_digits_are_near() {
        let check = |text: &str, seconds_there: u64| {
            assert_eq!(seconds(&format!("01 Jan {text} 00:00:00")), Some(seconds_there), "{text}");
        };
        check("70", 0);
        check("99", 915_148_800);
        check("00", 946_684_800);
        check("69", 3_124_224_000);
        check("1970", 0);
        // It is over in any case.
        check("1969", 0);
        check("1601", 0);
        check("9999", 253_370_764_800);
    }

    /// What HTTP's own dates mean, both understand.
    #[test]
    fn a_date_of_http_means_the_same() {
        rounds(2_000, |noise: &mut Noise| {
            let since = Duration::from_secs(noise.below(253_402_300_800) as u64);
            let time = SystemTime::UNIX_EPOCH + since;
            assert_eq!(parse(&crate::date::format(time)), Some(time));
        });
    }

    #[test]
    fn nothing_is_a_panic() {
        const WORDS: &[&[u8]] =
            &[b"Nov", b"1994", b"08:49:37", b"06", b":", b"99", b"\xc3\xa9", b" ", b"9999999999"];
        rounds(2_000, |noise: &mut Noise| {
            let mut text = b"Sun, 06 Nov 1994 08:49:37 GMT".to_vec();
            noise.mutate(&mut text, WORDS, &[b"Thu Jan 01 70 00:00:00".to_vec()]);
            let _ = parse(&String::from_utf8_lossy(&text));
        });
    }
}
