//! `listen.mode`, `listen.owner` and `listen.group`: who may connect to a Unix socket.

use nix::unistd::{Group, User};

use super::address::ListenAddress;
use super::error::{ConfigError, Problem};
use super::quantity::Quantity;
use super::source::KeyPlace;

/// Who may connect to a Unix socket. Without a key, the default of the system applies.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SocketAccess {
    /// The mode of its path.
    pub mode: Option<u32>,
    /// The id of its owner.
    pub owner: Option<u32>,
    /// The id of its group.
    pub group: Option<u32>,
}

/// All permissions of a socket.
const MODE_MAX: u32 = 0o777;
/// Connecting needs the permission to write.
const ANYBODY_MAY_CONNECT: u32 = 0o222;
/// The id that means no change in system calls.
const NO_ID: u32 = u32::MAX;

/// The keys of a section with an address.
pub(super) struct WrittenAccess<'a> {
    pub(super) mode: Option<&'a str>,
    pub(super) owner: Option<&'a Quantity>,
    pub(super) group: Option<&'a Quantity>,
}

/// Resolves the keys of the section at `place`, whose address is `address`.
pub(super) fn resolve(
    place: &KeyPlace<'_>,
    raw: &WrittenAccess<'_>,
    address: &ListenAddress,
) -> Result<SocketAccess, ConfigError> {
    let written = [
        ("mode", raw.mode.is_some()),
        ("owner", raw.owner.is_some()),
        ("group", raw.group.is_some()),
    ];
    if !matches!(address, ListenAddress::Unix(_)) {
        place.refuse(&written, || {
            Problem::new(
                format!("{address} has no path that could have one"),
                "leave it out; it is for unix:// addresses",
            )
        })?;
    }
    let wrong = |key: &'static str| move |problem| place.key(key).wrong(problem);
    Ok(SocketAccess {
        mode: raw.mode.map(mode).transpose().map_err(wrong("mode"))?,
        owner: raw.owner.map(owner).transpose().map_err(wrong("owner"))?,
        group: raw.group.map(group).transpose().map_err(wrong("group"))?,
    })
}

fn mode(text: &str) -> Result<u32, Problem> {
    let remedy = r#"write an octal mode in quotes, as in "0660""#;
    let is_octal = !text.is_empty() && text.bytes().all(|digit| (b'0'..=b'7').contains(&digit));
    let mode = u32::from_str_radix(text, 8).ok().filter(|mode| is_octal && *mode <= MODE_MAX);
    let Some(mode) = mode else {
        return Err(Problem::new(format!("{text:?} is not the mode of a socket"), remedy));
    };
    if mode & ANYBODY_MAY_CONNECT == 0 {
        return Err(Problem::new(
            format!(
                "with the mode {text:?} nobody could connect, which needs the permission to write"
            ),
            remedy,
        ));
    }
    Ok(mode)
}

fn owner(written: &Quantity) -> Result<u32, Problem> {
    id(written, "user", |name| Ok(User::from_name(name)?.map(|user| user.uid.as_raw())))
}

fn group(written: &Quantity) -> Result<u32, Problem> {
    id(written, "group", |name| Ok(Group::from_name(name)?.map(|group| group.gid.as_raw())))
}

/// The id of a name, or the id itself.
fn id(
    written: &Quantity,
    what: &str,
    find: impl Fn(&str) -> nix::Result<Option<u32>>,
) -> Result<u32, Problem> {
    let remedy = format!("write the name of a {what} in quotes, or its number");
    let variable = written.of_variable()?;
    let number = match variable.as_ref().unwrap_or(written) {
        Quantity::Variable(_) => None,
        Quantity::Number(number) => u32::try_from(*number).ok(),
        // System calls accept no such name.
        Quantity::Text(name) if name.contains('\0') => None,
        Quantity::Text(name) => match find(name) {
            Ok(Some(id)) => Some(id),
            Ok(None) => name.parse().ok(),
            Err(error) => {
                let cause = format!("the {what} {written} cannot be looked up: {error}");
                return Err(Problem::new(cause, remedy));
            }
        },
    };
    let unknown = || Problem::new(format!("there is no {what} {written} on this system"), remedy);
    number.filter(|id| *id != NO_ID).ok_or_else(unknown)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes() {
        for (text, expected) in [
            ("0660", Some(0o660)),
            ("660", Some(0o660)),
            ("0777", Some(0o777)),
            ("0200", Some(0o200)),
            ("", None),
            ("0o660", None),
            ("+660", None),
            ("rw-rw----", None),
            ("0680", None),
            ("1777", None),
            ("0444", None),
            ("0000", None),
            ("77777777777777", None),
        ] {
            assert_eq!(mode(text).ok(), expected, "{text:?}");
        }
    }

    #[test]
    fn users_and_groups_by_name_and_by_number() {
        let text = |name: &str| Quantity::Text(name.to_owned());
        assert_eq!(owner(&text("root")), Ok(0));
        assert_eq!(group(&text("root")), Ok(0));
        assert_eq!(owner(&text("4321")), Ok(4321));
        assert_eq!(owner(&Quantity::Number(4321)), Ok(4321));
        for written in [
            text("no-such-user-here"),
            text(""),
            text("a\0b"),
            text("-1"),
            Quantity::Number(-1),
            Quantity::Number(i64::from(u32::MAX)),
        ] {
            let cause = owner(&written).expect_err("nobody").cause;
            assert!(cause.contains("on this system"), "{cause}");
        }
    }
}
