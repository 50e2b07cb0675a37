//! Sizes and durations in the form of the file: `"16MiB"`, `"150ms"`.

const SIZES: [(&str, u64); 4] = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("B", 1)];

/// The microseconds of each unit of time.
const TIMES: [(&str, u64); 5] =
    [("h", 3_600_000_000), ("m", 60_000_000), ("s", 1_000_000), ("ms", 1_000), ("us", 1)];

/// Parses bytes in a text such as `16MiB`.
pub(crate) fn parse_size(text: &str) -> Option<u64> {
    parse(text, &SIZES)
}

/// Parses microseconds in a text such as `150ms`.
pub(crate) fn parse_micros(text: &str) -> Option<u64> {
    parse(text, &TIMES)
}

/// A size in the largest unit without a remainder.
pub(crate) fn size(bytes: u64) -> String {
    format(bytes, &SIZES)
}

/// Microseconds in the largest unit without a remainder.
pub(crate) fn micros(micros: u64) -> String {
    if micros == 0 { "0s".to_owned() } else { format(micros, &TIMES) }
}

/// Parses a whole number and one of `units`, with or without a space. An overflow is the largest number, which the range check
/// that follows refuses.
fn parse(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let text = text.trim();
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let (_, factor) = units.iter().find(|(name, _)| *name == unit.trim_start())?;
    if number.is_empty() {
        return None;
    }
    Some(number.parse::<u64>().unwrap_or(u64::MAX).saturating_mul(*factor))
}

fn format(amount: u64, units: &[(&str, u64)]) -> String {
    let exact = |(_, factor): &&(&str, u64)| amount != 0 && amount.is_multiple_of(*factor);
    let Some((name, factor)) = units.iter().find(exact) else {
        return amount.to_string();
    };
    format!("{}{name}", amount / factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        for (text, bytes) in [
            ("0B", Some(0)),
            ("512B", Some(512)),
            ("64KiB", Some(65_536)),
            (" 16 MiB ", Some(16 << 20)),
            ("4GiB", Some(4 << 30)),
            ("99999999999999999999GiB", Some(u64::MAX)),
            ("", None),
            ("16", None),
            ("MiB", None),
            ("16MB", None),
            ("16mib", None),
            ("1.5GiB", None),
            ("-1KiB", None),
        ] {
            assert_eq!(parse_size(text), bytes, "{text:?}");
        }
    }

    #[test]
    fn durations() {
        for (text, micros) in [
            ("100us", Some(100)),
            ("150ms", Some(150_000)),
            ("20s", Some(20_000_000)),
            ("1m", Some(60_000_000)),
            ("2 h", Some(7_200_000_000)),
            ("0s", Some(0)),
            ("20", None),
            ("1.5s", None),
            ("20sec", None),
            ("s", None),
        ] {
            assert_eq!(parse_micros(text), micros, "{text:?}");
        }
    }

    #[test]
    fn shown_in_the_largest_exact_unit() {
        for (bytes, text) in [(0, "0"), (1, "1B"), (65_536, "64KiB"), (65_537, "65537B")] {
            assert_eq!(size(bytes), text);
        }
        for (time, text) in [(0, "0s"), (1, "1ms"), (90_000, "90s"), (120_000, "2m")] {
            assert_eq!(micros(time * 1000), text);
        }
    }
}
