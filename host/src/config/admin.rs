//! `[admin]`: the admin listener, and who may use it.

use std::fmt;
use std::net::IpAddr;
use std::path::Path;

use super::address::ListenAddress;
use super::address_value;
use super::error::{ConfigError, Problem};
use super::limits::{AdminLimits, RawAdmin};
use super::options;
use super::overlap::overlap;
use super::socket_access::{self, SocketAccess, WrittenAccess};
use super::source::{KeyPlace, each};

/// `[admin]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AdminConfig {
    /// Its address: a Unix socket or a TCP address.
    pub address: ListenAddress,
    /// Who may connect to the Unix socket; by default only the host's own user.
    pub access: SocketAccess,
    /// The token that commands over TCP need.
    pub token: Option<Secret>,
    /// Whether other machines may reach it.
    pub public: bool,
    /// Names besides its address under which it is reached over TCP: in lower case, without a port.
    pub hosts: Vec<String>,
    /// Whether the host is ready while a plugin is quarantined.
    pub ready_in_quarantine: bool,
    /// Its limits.
    pub limits: AdminLimits,
    /// The line of the section, from 1.
    pub line: usize,
}

/// A text that is never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

/// The default mode of the Unix socket: accessible to its user only.
const MODE: u32 = 0o600;
/// The shortest token: 16 characters cannot be guessed.
const TOKEN_BYTES_MIN: usize = 16;

/// Resolves the section at `place`; files are relative to `folder`. `listeners` are the addresses of listeners, each with its key
/// for error messages.
pub(super) fn resolve(
    place: &KeyPlace<'_>,
    folder: &Path,
    raw: &RawAdmin,
    listeners: &[(&ListenAddress, String)],
) -> Result<AdminConfig, ConfigError> {
    let wrong = |key: &'static str| move |problem| place.key(key).wrong(problem);
    let address = address_value::read(&raw.address, folder).map_err(wrong("address"))?;
    is_free(&address, listeners).map_err(wrong("address"))?;
    let public = raw.public.unwrap_or(false);
    match &address {
        ListenAddress::Tcp(at) => may_listen(at.ip(), public).map_err(wrong("address"))?,
        ListenAddress::Unix(_) => of_tcp(place, raw, &address)?,
        _ => {
            return Err(wrong("address")(Problem::new(
                format!("{address} is neither a Unix socket nor a TCP address"),
                r#"write "unix:///run/sandloop/admin.sock" or "tcp://127.0.0.1:9090"; a proxy before it may speak TLS"#,
            )));
        }
    }
    let written = WrittenAccess {
        mode: raw.mode.as_deref(),
        owner: raw.owner.as_ref(),
        group: raw.group.as_ref(),
    };
    let mut access = socket_access::resolve(place, &written, &address)?;
    if let ListenAddress::Unix(_) = address {
        access.mode.get_or_insert(MODE);
    }
    let token = raw.token.as_ref().map(|table| token(folder, table));
    let token = token.transpose().map_err(wrong("token"))?;
    if public && token.is_none() {
        return Err(wrong("public")(Problem::new(
            "whoever reaches this address could read what the plugins say",
            r#"add token = { file = "admin.token" }, or take public out"#,
        )));
    }
    Ok(AdminConfig {
        address,
        access,
        token,
        public,
        hosts: each(&place.key("hosts"), &raw.hosts, host)?,
        ready_in_quarantine: quarantine(raw.quarantine.as_deref()).map_err(wrong("quarantine"))?,
        limits: AdminLimits::read(place, raw)?,
        line: place.line(),
    })
}

fn is_free(address: &ListenAddress, listeners: &[(&ListenAddress, String)]) -> Result<(), Problem> {
    let taken = listeners.iter().find(|(known, _)| overlap(known, address));
    taken.map_or(Ok(()), |(_, there)| {
        Err(Problem::new(
            format!("{address} is the address of the listener at {there}"),
            "give each listener its own address",
        ))
    })
}

fn may_listen(ip: IpAddr, public: bool) -> Result<(), Problem> {
    if public || ip.is_loopback() {
        return Ok(());
    }
    Err(Problem::new(
        format!("{ip} can be reached from other machines"),
        "write 127.0.0.1 or [::1], or public = true with a token",
    ))
}

/// Refuses the keys that only TCP needs: the access to a Unix socket is determined by its mode.
fn of_tcp(
    place: &KeyPlace<'_>,
    raw: &RawAdmin,
    address: &ListenAddress,
) -> Result<(), ConfigError> {
    let written = [
        ("public", raw.public.is_some()),
        ("token", raw.token.is_some()),
        ("hosts", !raw.hosts.is_empty()),
    ];
    place.refuse(&written, || {
        Problem::new(
            format!("whoever may open {address} may call it"),
            "leave it out; it is for tcp:// addresses. mode, owner and group say who may open a Unix socket",
        )
    })
}

fn token(folder: &Path, table: &toml::Table) -> Result<Secret, Problem> {
    let token = options::secret(folder, table)?;
    let is_graphic = token.bytes().all(|byte| byte.is_ascii_graphic());
    if token.len() < TOKEN_BYTES_MIN || !is_graphic {
        return Err(Problem::new(
            format!(
                "the token is shorter than {TOKEN_BYTES_MIN} characters, or has others than letters, digits and signs"
            ),
            "make one, as with `openssl rand -hex 32`",
        ));
    }
    Ok(Secret(token))
}

fn host(text: &str) -> Result<String, Problem> {
    let is_of_a_name = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'.';
    if !text.is_empty() && text.bytes().all(is_of_a_name) {
        return Ok(text.to_ascii_lowercase());
    }
    Err(Problem::new(
        format!("{text:?} is not the name of a machine"),
        r#"write it without a port, as in "sandloop.example.com""#,
    ))
}

fn quarantine(written: Option<&str>) -> Result<bool, Problem> {
    match written {
        None | Some("ready") => Ok(true),
        Some("unready") => Ok(false),
        Some(other) => Err(Problem::new(
            format!("{other:?} does not say whether the host is ready"),
            r#"write "ready" or "unready""#,
        )),
    }
}

impl Secret {
    /// The text, for a comparison or a header.
    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }

    /// Compares in constant time.
    pub fn is(&self, other: &str) -> bool {
        let (own, other) = (self.0.as_bytes(), other.as_bytes());
        let differs =
            own.iter().zip(other).fold(0, |differs, (one, other)| differs | (one ^ other));
        own.len() == other.len() && differs == 0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MASKED")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::model::Config;

    const ECHO: &str = "[plugins.echo]\ncomponent = \"e.wasm\"\nisolation = \"plugin\"\n";

    /// The key of a token in a file with this text, and the file.
    fn token_of(text: &str) -> (tempfile::NamedTempFile, String) {
        let file = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(file.path(), text).expect("it can be written");
        let key = format!("token = {{ file = {:?} }}", file.path());
        (file, key)
    }

    fn read(text: &str) -> Result<AdminConfig, String> {
        let config = Config::parse(Path::new("plugins.toml"), &format!("{ECHO}[admin]\n{text}"));
        config.map(|config| config.admin.expect("the section")).map_err(|error| error.to_string())
    }

    #[track_caller]
    fn check_refused(text: &str, key: &str, cause: &str) {
        let error = read(text).expect_err(text);
        let begins = error.contains(&format!(": admin.{key}: "));
        assert!(begins && error.contains(cause), "{text}: {error}");
    }

    #[test]
    fn a_unix_socket_is_its_users_alone() {
        let admin = read("address = \"unix:///run/a.sock\"").expect("good");
        assert_eq!((admin.access.mode, admin.token), (Some(0o600), None));
        let admin = read("address = \"unix:///run/a.sock\"\nmode = \"0660\"").expect("good");
        assert_eq!(admin.access.mode, Some(0o660));
    }

    #[test]
    fn tcp_stays_on_the_machine_unless_said_and_kept_by_a_token() {
        let (_file, long) = token_of("0123456789abcdef\n");
        let admin = read("address = \"tcp://127.0.0.1:9\"").expect("good");
        assert_eq!((admin.access.mode, admin.token), (None, None));
        read(&format!("address = \"tcp://[::1]:9\"\n{long}")).expect("good");
        read(&format!("address = \"tcp://0.0.0.0:9\"\npublic = true\n{long}")).expect("good");
        check_refused("address = \"tcp://0.0.0.0:9\"", "address", "from other machines");
        check_refused("address = \"tcp://0.0.0.0:9\"\npublic = true", "public", "could read");
        for wrong in ["0123456789abcde\n", "0123456789 abcdef", ""] {
            let (_file, short) = token_of(wrong);
            let text = format!("address = \"tcp://127.0.0.1:9\"\n{short}");
            check_refused(&text, "token", "shorter than 16");
        }
    }

    #[test]
    fn what_means_nothing_is_refused() {
        check_refused("address = \"tls://127.0.0.1:9\"", "address", "neither a Unix socket");
        check_refused("address = \"udp://127.0.0.1:9\"", "address", "neither a Unix socket");
        let unix = "address = \"unix:///run/a.sock\"\n";
        check_refused(&format!("{unix}public = false"), "public", "may call it");
        check_refused(&format!("{unix}hosts = [\"a\"]"), "hosts", "may call it");
        let tcp = "address = \"tcp://127.0.0.1:9\"\n";
        check_refused(&format!("{tcp}mode = \"0600\""), "mode", "no path");
        check_refused(&format!("{tcp}hosts = [\"a:80\"]"), "hosts[0]", "not the name of a machine");
        check_refused(&format!("{tcp}quarantine = \"yes\""), "quarantine", "whether the host");
        let twice = "address = \"tcp://127.0.0.1:9\"\n[[listen]]\naddress = \"tcp://0.0.0.0:9\"\nplugin = \"echo\"";
        check_refused(twice, "address", "the listener at line");
    }

    #[test]
    fn a_secret_is_itself_alone_and_never_shown() {
        let secret = Secret("0123456789abcdef".to_owned());
        assert!(secret.is("0123456789abcdef"));
        for other in ["", "0123456789abcde", "0123456789abcdeg", "0123456789abcdef0"] {
            assert!(!secret.is(other), "{other}");
        }
        assert_eq!(format!("{secret:?}"), "MASKED");
    }
}
