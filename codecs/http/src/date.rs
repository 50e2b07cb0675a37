//! Times as HTTP writes them. The time itself comes from the caller.

use std::time::{Duration, SystemTime};

/// Seconds from 1970 to the year 10000, which has no form.
const END: u64 = 253_402_300_800;

/// `Sun, 06 Nov 1994 08:49:37 GMT`. A time before 1970 or after 9999 is written as the nearest there is.
#[must_use]
pub fn format(time: SystemTime) -> String {
    let seconds = time.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let time = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds.min(END - 1));
    httpdate::fmt_http_date(time)
}

/// Reads that form and the two older ones.
#[must_use]
pub fn parse(text: &str) -> Option<SystemTime> {
    // Netscape's cookies have hyphens, which the library knows only with short years.
    httpdate::parse_http_date(text)
        .ok()
        .or_else(|| httpdate::parse_http_date(&text.replace('-', " ")).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_and_read() {
        let check = |seconds: u64, text: &str| {
            let time = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
            assert_eq!(format(time), text);
            assert_eq!(parse(text), Some(time));
        };
        check(0, "Thu, 01 Jan 1970 00:00:00 GMT");
        check(784_111_777, "Sun, 06 Nov 1994 08:49:37 GMT");
        check(END - 1, "Fri, 31 Dec 9999 23:59:59 GMT");
        let beyond = SystemTime::UNIX_EPOCH + Duration::from_secs(END + 5);
        assert_eq!(format(beyond), "Fri, 31 Dec 9999 23:59:59 GMT");
        let before = SystemTime::UNIX_EPOCH - Duration::from_secs(5);
        assert_eq!(format(before), "Thu, 01 Jan 1970 00:00:00 GMT");
    }

    #[test]
    fn older_forms_are_read() {
        let time = Some(SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777));
        for text in [
            "Sunday, 06-Nov-94 08:49:37 GMT",
            "Sun Nov  6 08:49:37 1994",
            "Sun, 06-Nov-1994 08:49:37 GMT",
        ] {
            assert_eq!(parse(text), time, "{text}");
        }
        for text in ["", "now", "Sun, 06 Nov 1994", "Sun, 32 Nov 1994 08:49:37 GMT"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
