//! `amqp://…` into settings.

use std::time::Duration;

use thiserror::Error;
use url::{Host, Url};

use crate::settings::{Credentials, FRAME_MIN, PORT, Settings, TLS_PORT};

/// The fault of a broker's URI. It never contains the URI, which may have a password.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum UriError {
    /// It is no URI at all.
    #[error("the broker's URI cannot be read: {0}; write amqp://user:password@host:5672/vhost")]
    Syntax(String),
    /// It begins with something else.
    #[error("the broker's URI begins with `{0}:`; write amqp:// or, for TLS, amqps://")]
    Scheme(String),
    /// A part is not UTF-8 once it is decoded.
    #[error("the {0} of the broker's URI is not percent-encoded UTF-8")]
    Encoding(&'static str),
    /// A virtual host with a slash that is not encoded.
    #[error("the virtual host of the broker's URI has a slash: write %2F for it")]
    Vhost,
    /// An unknown parameter behind the question mark.
    #[error("the broker's URI has the unknown parameter `{0}`")]
    Unknown(String),
    /// A parameter with a value that it cannot have.
    #[error("`{0}` of the broker's URI must be {1}")]
    Value(&'static str, &'static str),
}

impl Settings {
    /// From `amqp://user:password@host:port/vhost?heartbeat=30`, as RabbitMQ has it: what is left out has its
    /// default, each part may be percent-encoded, and `amqp://host/` names the virtual host with the empty name.
    /// The query may have `heartbeat`, `frame_max`, `channel_max`, `connection_timeout` (milliseconds) and
    /// `auth_mechanism` (`plain`, `external`).
    ///
    /// # Errors
    /// The fault of the URI. Its text never contains the password.
    pub fn from_uri(uri: &str) -> Result<Settings, UriError> {
        parse(uri)
    }
}

fn parse(text: &str) -> Result<Settings, UriError> {
    let uri = Url::parse(text).map_err(|error| UriError::Syntax(error.to_string()))?;
    let mut settings = Settings::default();
    (settings.tls, settings.port) = match uri.scheme() {
        "amqp" => (false, PORT),
        "amqps" => (true, TLS_PORT),
        other => return Err(UriError::Scheme(other.to_owned())),
    };
    if uri.cannot_be_a_base() {
        return Err(UriError::Syntax("there is no `//` before the host".to_owned()));
    }
    if let Some(host) = uri.host() {
        settings.host = match host {
            Host::Domain(name) => decode(name, "host")?,
            Host::Ipv4(address) => address.to_string(),
            Host::Ipv6(address) => address.to_string(),
        };
    }
    if let Some(port) = uri.port() {
        settings.port = port;
    }
    let password = uri.password();
    if !uri.username().is_empty() || password.is_some() {
        let user = decode(uri.username(), "user")?;
        settings.credentials =
            Credentials::plain(user, decode(password.unwrap_or(""), "password")?);
    }
    if let Some(vhost) = uri.path().strip_prefix('/') {
        if vhost.contains('/') {
            return Err(UriError::Vhost);
        }
        settings.vhost = decode(vhost, "virtual host")?;
    }
    for (name, value) in uri.query_pairs() {
        parameter(&mut settings, &name, &value)?;
    }
    Ok(settings)
}

fn parameter(settings: &mut Settings, name: &str, value: &str) -> Result<(), UriError> {
    match name {
        "heartbeat" => {
            let wrong = UriError::Value("heartbeat", "seconds from 0 to 65535");
            settings.heartbeat = value.parse().map_err(|_| wrong)?;
        }
        "frame_max" => {
            let bytes = value.parse().ok().filter(|bytes| FRAME_MIN <= *bytes);
            settings.frame_max =
                bytes.ok_or(UriError::Value("frame_max", "bytes, at least 4096"))?;
        }
        "channel_max" => {
            let count = value.parse().ok().filter(|count| 0 < *count);
            settings.channel_max =
                count.ok_or(UriError::Value("channel_max", "a number from 1 to 65535"))?;
        }
        "connection_timeout" => {
            let time = value.parse().ok().filter(|milliseconds| 0 < *milliseconds);
            let time =
                time.ok_or(UriError::Value("connection_timeout", "milliseconds, at least 1"));
            settings.connection_timeout = Duration::from_millis(time?);
        }
        "auth_mechanism" => match value.to_ascii_lowercase().as_str() {
            "plain" => {}
            "external" => settings.credentials = Credentials::External,
            _ => return Err(UriError::Value("auth_mechanism", "plain or external")),
        },
        other => return Err(UriError::Unknown(other.to_owned())),
    }
    Ok(())
}

fn decode(text: &str, what: &'static str) -> Result<String, UriError> {
    let decoded = percent_encoding::percent_decode_str(text).decode_utf8();
    decoded.map(std::borrow::Cow::into_owned).map_err(|_| UriError::Encoding(what))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_part_of_a_uri_counts() {
        let check = |uri: &str, host: &str, port: u16, vhost: &str, user: &str, password: &str| {
            let settings = parse(uri).unwrap_or_else(|error| panic!("{uri}: {error}"));
            assert_eq!((settings.host.as_str(), settings.port), (host, port), "{uri}");
            assert_eq!(settings.vhost, vhost, "{uri}");
            assert_eq!(settings.credentials, Credentials::plain(user, password), "{uri}");
        };
        // The table of RabbitMQ's specification of its URIs; a user without a host is no URL.
        check("amqp://user:pass@host:10000/vhost", "host", 10000, "vhost", "user", "pass");
        check(
            "amqp://user%61:%61pass@ho%61st:10000/v%2fhost",
            "hoast",
            10000,
            "v/host",
            "usera",
            "apass",
        );
        check("amqp://", "127.0.0.1", 5672, "/", "guest", "guest");
        check("amqp://user@host", "host", 5672, "/", "user", "");
        check("amqp://host", "host", 5672, "/", "guest", "guest");
        check("amqp://host:10000", "host", 10000, "/", "guest", "guest");
        check("amqp:///vhost", "127.0.0.1", 5672, "vhost", "guest", "guest");
        check("amqp://host/", "host", 5672, "", "guest", "guest");
        check("amqp://host/%2f", "host", 5672, "/", "guest", "guest");
        check("amqp://[::1]", "::1", 5672, "/", "guest", "guest");
        check("amqp://127.0.0.1:1", "127.0.0.1", 1, "/", "guest", "guest");
        check("amqps://host", "host", 5671, "/", "guest", "guest");
    }

    #[test]
    fn parameters_count_too() {
        let uri = "amqps://h?heartbeat=5&frame_max=4096&channel_max=7&connection_timeout=1500\
                   &auth_mechanism=EXTERNAL";
        let expected = Settings {
            host: "h".to_owned(),
            port: 5671,
            tls: true,
            heartbeat: 5,
            frame_max: 4096,
            channel_max: 7,
            connection_timeout: Duration::from_millis(1500),
            credentials: Credentials::External,
            ..Settings::default()
        };
        assert_eq!(parse(uri).unwrap(), expected);
    }

    #[test]
    fn what_is_wrong_is_said_without_the_password() {
        let check = |uri: &str, words: &str| {
            assert_eq!(parse(uri).unwrap_err().to_string(), words, "{uri}");
        };
        check(
            "http://h",
            "the broker's URI begins with `http:`; write amqp:// or, for TLS, amqps://",
        );
        check(
            "amqp:h",
            "the broker's URI cannot be read: there is no `//` before the host; write amqp://user:password@host:5672/vhost",
        );
        check(
            "amqp://u:secret@h:99999",
            "the broker's URI cannot be read: invalid port number; write amqp://user:password@host:5672/vhost",
        );
        check("amqp://u:%ff@h", "the password of the broker's URI is not percent-encoded UTF-8");
        check("amqp://h/a/b", "the virtual host of the broker's URI has a slash: write %2F for it");
        check("amqp://h?vhost=a", "the broker's URI has the unknown parameter `vhost`");
        check(
            "amqp://h?heartbeat=x",
            "`heartbeat` of the broker's URI must be seconds from 0 to 65535",
        );
        check(
            "amqp://h?frame_max=1",
            "`frame_max` of the broker's URI must be bytes, at least 4096",
        );
    }
}
