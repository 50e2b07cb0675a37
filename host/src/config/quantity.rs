//! An amount as the file has it, before anything is known of its unit.

use std::fmt;

use serde::de::{self, Deserialize, Deserializer};

/// A number, or text that says a number with its unit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Quantity {
    /// Written without quotes; what does not fit is as much as fits.
    Number(i64),
    /// Written in quotes.
    Text(String),
}

impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Quantity::Number(number) => write!(f, "{number}"),
            Quantity::Text(text) => write!(f, "{text:?}"),
        }
    }
}

impl<'de> Deserialize<'de> for Quantity {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Quantity, D::Error> {
        deserializer.deserialize_any(QuantityVisitor)
    }
}

struct QuantityVisitor;

impl de::Visitor<'_> for QuantityVisitor {
    type Value = Quantity;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number, or text with a number and its unit")
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<Quantity, E> {
        Ok(Quantity::Number(number))
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<Quantity, E> {
        Ok(Quantity::Number(i64::try_from(number).unwrap_or(i64::MAX)))
    }

    fn visit_i128<E: de::Error>(self, number: i128) -> Result<Quantity, E> {
        let most = if number < 0 { i64::MIN } else { i64::MAX };
        Ok(Quantity::Number(i64::try_from(number).unwrap_or(most)))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Quantity, E> {
        Ok(Quantity::Text(text.to_owned()))
    }
}
