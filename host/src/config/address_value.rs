//! `listen.address` in its three forms: a text, a variable of the environment, and a text whose port is a variable.

use std::net::{IpAddr, SocketAddr};
use std::path::Path;

use toml::{Table, Value};

use super::address::ListenAddress;
use super::error::Problem;
use super::options::from_environment;

const FORMS: &str = r#"write "tcp://127.0.0.1:10000", { env = "NAME" } or { ip = "0.0.0.0", port = { env = "PORT" } }"#;

/// Parses the value of the key; relative paths are relative to `folder`.
pub(super) fn read(value: &Value, folder: &Path) -> Result<ListenAddress, Problem> {
    match value {
        Value::String(text) => ListenAddress::parse(text, folder),
        Value::Table(table) => match (table.len(), variable(value), table.get("ip")) {
            (1, Some(name), _) => from_variable(name, folder),
            (2, None, Some(ip)) => from_parts(ip, table).map(ListenAddress::Tcp),
            _ => Err(Problem::new("this table is not an address", FORMS)),
        },
        other => Err(Problem::new(format!("this is {}", kind(other)), FORMS)),
    }
}

/// The name in `{ env = "NAME" }`.
fn variable(value: &Value) -> Option<&str> {
    value.as_table()?.get("env")?.as_str()
}

fn from_variable(name: &str, folder: &Path) -> Result<ListenAddress, Problem> {
    let text = from_environment(name, r#"set it to an address, as in "tcp://127.0.0.1:10000""#)?;
    ListenAddress::parse(&text, folder).map_err(|Problem { cause, remedy }| {
        Problem::new(format!("in the environment variable {name:?}, {cause}"), remedy)
    })
}

fn from_parts(ip: &Value, table: &Table) -> Result<SocketAddr, Problem> {
    let ip = ip.as_str().and_then(|ip| ip.parse::<IpAddr>().ok()).ok_or_else(|| {
        Problem::new("the ip is not an IP address in quotes", r#"write it as in ip = "0.0.0.0""#)
    })?;
    let port = match table.get("port") {
        Some(Value::Integer(port)) => {
            u16::try_from(*port).map_err(|_| not_a_port(&port.to_string()))?
        }
        Some(value) => match (variable(value), value.as_table().map(Table::len)) {
            (Some(name), Some(1)) => port_of_variable(name)?,
            _ => {
                return Err(Problem::new(
                    "the port is neither a number nor { env = \"PORT\" }",
                    FORMS,
                ));
            }
        },
        None => return Err(Problem::new("there is no port", FORMS)),
    };
    match ListenAddress::parse(&format!("tcp://{}", SocketAddr::new(ip, port)), Path::new(""))? {
        ListenAddress::Tcp(address) => Ok(address),
        _ => Err(Problem::new("this table is not an address", FORMS)),
    }
}

fn port_of_variable(name: &str) -> Result<u16, Problem> {
    let text = from_environment(name, "set it to the number of a port")?;
    text.parse().map_err(|_| not_a_port(&format!("the environment variable {name:?}, {text:?},")))
}

fn not_a_port(what: &str) -> Problem {
    Problem::new(format!("{what} is not a port"), "give it a number from 0 to 65535")
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::String(_) => "text",
        Value::Integer(_) => "a whole number",
        Value::Float(_) => "a number with a fraction",
        Value::Boolean(_) => "a boolean",
        Value::Datetime(_) => "a date or a time",
        Value::Array(_) => "a list",
        Value::Table(_) => "a table",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Cargo sets these for every test.
    const NUMBER: &str = "CARGO_PKG_VERSION_MINOR";
    const WORD: &str = "CARGO_PKG_NAME";

    #[track_caller]
    fn check(toml: &str, expected: &str) {
        let table: Table = toml::from_str(&format!("address = {toml}")).expect(toml);
        let shown = match read(&table["address"], Path::new("etc")) {
            Ok(address) => address.to_string(),
            Err(problem) => problem.cause,
        };
        assert_eq!(shown, expected, "{toml}");
    }

    #[test]
    fn an_address_in_each_form() {
        let number = std::env::var(NUMBER).expect("a test of cargo");
        let word = std::env::var(WORD).expect("a test of cargo");
        check(r#""tcp://127.0.0.1:80""#, "tcp://127.0.0.1:80");
        check(r#"{ ip = "0.0.0.0", port = 80 }"#, "tcp://0.0.0.0:80");
        check(r#"{ ip = "::", port = 80 }"#, "tcp://[::]:80");
        let port = format!(r#"{{ ip = "0.0.0.0", port = {{ env = "{NUMBER}" }} }}"#);
        check(&port, &format!("tcp://0.0.0.0:{number}"));
        check(
            &format!(r#"{{ env = "{WORD}" }}"#),
            &format!("in the environment variable {WORD:?}, {word:?} has no scheme"),
        );
        check(
            &format!(r#"{{ ip = "0.0.0.0", port = {{ env = "{WORD}" }} }}"#),
            &format!("the environment variable {WORD:?}, {word:?}, is not a port"),
        );
        let unset = r#"the environment variable "SANDLOOP_NO_SUCH" is not set"#;
        check(r#"{ env = "SANDLOOP_NO_SUCH" }"#, unset);
        check(r#"{ ip = "0.0.0.0", port = { env = "SANDLOOP_NO_SUCH" } }"#, unset);
        check(r#"{ ip = "0.0.0.0", port = 65536 }"#, "65536 is not a port");
        check(r#"{ ip = "0.0.0.0", port = -1 }"#, "-1 is not a port");
        check(r#"{ ip = "localhost", port = 1 }"#, "the ip is not an IP address in quotes");
        check(r#"{ ip = 1, port = 1 }"#, "the ip is not an IP address in quotes");
        for none in ["{}", r#"{ ip = "0.0.0.0" }"#, r#"{ env = "A", port = 1 }"#, r#"{ env = 1 }"#]
        {
            check(none, "this table is not an address");
        }
        let none = r#"the port is neither a number nor { env = "PORT" }"#;
        check(r#"{ ip = "0.0.0.0", port = "80" }"#, none);
        check(r#"{ ip = "0.0.0.0", port = { env = "A", file = "b" } }"#, none);
        check("80", "this is a whole number");
        check("[]", "this is a list");
    }
}
