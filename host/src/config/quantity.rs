//! An amount in the file, whose unit is not known yet.

use std::fmt;

use serde::de::{self, Deserialize, Deserializer};

use super::error::Problem;
use super::options::from_environment;

/// A number, or a text with a number and its unit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Quantity {
    /// Without quotes; a number out of range is the nearest one in range.
    Number(i64),
    /// In quotes.
    Text(String),
    /// `{ env = "NAME" }`.
    Variable(String),
}

impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Quantity::Number(number) => write!(f, "{number}"),
            Quantity::Text(text) => write!(f, "{text:?}"),
            // Its value may be a secret, if the name is mistaken.
            Quantity::Variable(name) => write!(f, "the environment variable {name:?}"),
        }
    }
}

impl Quantity {
    /// The value of the variable; none if the amount is not a variable.
    pub(crate) fn of_variable(&self) -> Result<Option<Quantity>, Problem> {
        let Quantity::Variable(name) = self else { return Ok(None) };
        let text = from_environment(name, "set it before the start, or write the value itself")?;
        Ok(Some(match text.trim().parse() {
            Ok(number) => Quantity::Number(number),
            Err(_) => Quantity::Text(text),
        }))
    }
}

impl<'de> Deserialize<'de> for Quantity {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Quantity, D::Error> {
        deserializer.deserialize_any(QuantityVisitor)
    }
}

struct QuantityVisitor;

impl<'de> de::Visitor<'de> for QuantityVisitor {
    type Value = Quantity;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number, text with a number and its unit, or { env = \"NAME\" }")
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

    fn visit_map<A: de::MapAccess<'de>>(self, mut map: A) -> Result<Quantity, A::Error> {
        // The caller replaces the message.
        let other = || de::Error::custom("a table that is not { env = \"NAME\" }");
        match map.next_entry::<String, toml::Value>()? {
            Some((key, toml::Value::String(name)))
                if key == "env" && map.next_key::<String>()?.is_none() =>
            {
                Ok(Quantity::Variable(name))
            }
            _ => Err(other()),
        }
    }
}
