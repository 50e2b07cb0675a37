//! A command: its names in order, its words and its values.

use std::str::FromStr;

use sandloop::amqp::{Properties, Table, Value};

/// What stands behind the name of a command.
pub struct Words<'a>(Vec<&'a str>);

impl<'a> Words<'a> {
    pub fn of(words: impl Iterator<Item = &'a str>) -> Words<'a> {
        Words(words.collect())
    }

    /// The name with this number.
    pub fn name(&self, number: usize) -> &'a str {
        self.0.get(number).copied().expect("a name more")
    }

    /// Whether the word is there.
    pub fn has(&self, word: &str) -> bool {
        self.0.contains(&word)
    }

    /// The value of a key; `_` stands for a space.
    pub fn get(&self, key: &str) -> Option<String> {
        let values = self.0.iter().filter_map(|word| word.split_once('='));
        values.into_iter().find(|(name, _)| *name == key).map(|(_, value)| value.replace('_', " "))
    }

    /// The value of a key, or nothing.
    pub fn text(&self, key: &str) -> String {
        self.get(key).unwrap_or_default()
    }

    pub fn number<T: FromStr<Err: std::fmt::Debug>>(&self, key: &str) -> Option<T> {
        self.get(key).map(|value| value.parse().expect("a number"))
    }

    /// Every `KEY:NAME=VALUE`, numbers as numbers.
    pub fn table(&self, key: &str) -> Table {
        let pairs = self.0.iter().filter_map(|word| {
            let (name, value) = word.strip_prefix(key)?.strip_prefix(':')?.split_once('=')?;
            let value = match value.parse::<i32>() {
                Ok(number) => Value::from(number),
                Err(_) => Value::from(value.replace('_', " ")),
            };
            Some((name.to_owned(), value))
        });
        pairs.collect()
    }

    pub fn properties(&self) -> Properties {
        let headers = self.table("header");
        Properties {
            content_type: self.get("content_type"),
            content_encoding: self.get("content_encoding"),
            headers: (!headers.is_empty()).then_some(headers),
            delivery_mode: self.number("delivery_mode"),
            priority: self.number("priority"),
            correlation_id: self.get("correlation_id"),
            reply_to: self.get("reply_to"),
            expiration: self.get("expiration"),
            message_id: self.get("message_id"),
            timestamp: self.number("timestamp"),
            kind: self.get("type"),
            user_id: self.get("user_id"),
            app_id: self.get("app_id"),
        }
    }
}
