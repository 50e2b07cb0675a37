//! The kinds of connections and processes that a plugin has, by name.

use crate::{
    connection::Connection,
    options::Options,
    processes::{Process, ProcessId},
    sockets::Socket,
};

/// One kind.
pub struct Class<F> {
    /// As it was written: `Echo`, `Pass::new`, `http::Server::new`.
    pub path: &'static str,
    /// The name that was given, or nothing.
    pub name: &'static str,
    /// Makes one.
    pub make: F,
}

/// A kind of connection.
pub type Handler = Class<fn(Socket, &Options) -> Box<dyn Connection>>;

/// A kind of process.
pub type ProcessClass = Class<fn(ProcessId, &[u8]) -> crate::Result<Box<dyn Process>>>;

impl<F> Class<F> {
    /// The name that was given or else the type's, to be taken in lower case.
    pub(super) fn name(&self) -> &'static str {
        match self.name {
            "" => type_name(self.path),
            name => name,
        }
    }
}

/// The handler with this name; without a name, the only one.
pub(super) fn find_handler<'a, F>(
    classes: &'a [Class<F>],
    name: &str,
) -> Result<&'a Class<F>, String> {
    match classes {
        [only] if name.is_empty() => Ok(only),
        [] => Err("this plugin accepts no connections".to_owned()),
        _ => {
            find(classes, name).ok_or_else(|| format!("this plugin has no handler named {name:?}"))
        }
    }
}

/// The kind of process with this name.
pub(super) fn find_process<'a, F>(
    classes: &'a [Class<F>],
    name: &str,
) -> Result<&'a Class<F>, String> {
    find(classes, name).ok_or_else(|| {
        let names: Vec<_> = classes.iter().map(|class| class.name().to_ascii_lowercase()).collect();
        format!("this plugin has no process named {name:?}; its `plugin!` lists {names:?}")
    })
}

fn find<'a, F>(classes: &'a [Class<F>], name: &str) -> Option<&'a Class<F>> {
    classes.iter().find(|class| class.name().eq_ignore_ascii_case(name))
}

/// The last part of a path that looks like a type's name, or the last of all.
fn type_name(path: &str) -> &str {
    let plain = path.split_once('<').map_or(path, |(before, _)| before);
    let parts = || plain.rsplit("::").map(str::trim).filter(|part| !part.is_empty());
    parts()
        .find(|part| part.starts_with(char::is_uppercase))
        .or_else(|| parts().next())
        .unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn class(path: &'static str, name: &'static str) -> Class<()> {
        Class { path, name, make: () }
    }

    #[test]
    fn a_class_is_named_after_its_type() {
        let check = |path, name| assert_eq!(type_name(path), name);
        check("Echo", "Echo");
        check("Pass::new", "Pass");
        check("Pass :: new", "Pass");
        check("http::Server::new", "Server");
        check("handlers::Echo", "Echo");
        check("make_echo", "make_echo");
        check("Pool::<http::Server>::new", "Pool");
    }

    #[test]
    fn a_handler_is_found_by_its_name() {
        let classes = [class("Echo", ""), class("Pass::new", "goodbye")];
        assert_eq!(find_handler(&classes, "echo").unwrap().path, "Echo");
        assert_eq!(find_handler(&classes, "goodbye").unwrap().path, "Pass::new");
        assert!(find_handler(&classes, "pass").is_err());
        assert!(find_handler(&classes, "").is_err());
    }

    #[test]
    fn an_only_handler_needs_no_name() {
        let classes = [class("Echo", "")];
        assert_eq!(find_handler(&classes, "").unwrap().path, "Echo");
        assert!(find_handler(&classes, "pass").is_err());
        assert!(find_handler::<()>(&[], "").is_err());
    }

    #[test]
    fn a_process_is_found_by_its_name_only() {
        let classes = [class("Counter::new", "")];
        assert_eq!(find_process(&classes, "counter").unwrap().path, "Counter::new");
        let error = find_process(&classes, "").err().unwrap();
        assert_eq!(
            error,
            r#"this plugin has no process named ""; its `plugin!` lists ["counter"]"#
        );
    }
}
