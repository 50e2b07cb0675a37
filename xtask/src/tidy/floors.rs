//! The floors of the host: a file imports from its own module or from one below, never upward.

use std::collections::BTreeSet;

use super::modules::Modules;
use super::{File, assert_none, files};

/// The modules of the host from the ground up, one floor each line of docs/architecture.md. Inside a floor, too, a module
/// imports only what stands before it.
const FLOORS: &str = "base clock contract config | timer quota log | net | mail | cluster | plugin | host_api | engine | workers \
                      | reactor | carrier | run | author | cli | main";

/// It declares the modules and stands on no floor.
const ROOT: &str = "lib";

#[test]
fn floors_hold() {
    assert_none(&broken(FLOORS, &files(&["host/src"], &["rs"])));
}

#[test]
fn imports_name_the_file_that_owns_the_item() {
    assert_none(&handed_on(&files(&["host/src"], &["rs"])));
}

/// Every import that goes upward, and every module that the list does not have or has for nothing.
fn broken(floors: &str, files: &[File]) -> Vec<String> {
    let order: Vec<&str> = floors.split_whitespace().filter(|word| *word != "|").collect();
    let height = |module: &str| order.iter().position(|known| *known == module);
    let modules = Modules::of("host/src/", files);
    let there: BTreeSet<&str> =
        modules.each().map(|(module, _)| &*module[0]).filter(|name| *name != ROOT).collect();
    let mut complaints: Vec<String> = there
        .iter()
        .filter(|name| height(name).is_none())
        .map(|name| format!("host/src/{name}.rs: `{name}` stands on no floor; add it to FLOORS"))
        .collect();
    let gone = order.iter().filter(|name| !there.contains(*name));
    complaints.extend(gone.map(|name| format!("FLOORS has `{name}`, and host/src has not")));
    for (module, file) in modules.each() {
        let own = &*module[0];
        let Some(floor) = height(own) else { continue };
        let imports = modules.imports(module, file);
        for (number, import) in imports.iter().enumerate() {
            let Some(other) = import.path.first() else { continue };
            let is_upward = height(other).is_some_and(|other| floor < other);
            // What a name that was imported before leads to has been told with it.
            let is_new = !imports[..number].iter().any(|it| import.path.starts_with(&it.path));
            if is_upward && is_new {
                let (path, line) = (&file.path, import.line);
                let name = import.path.join("::");
                complaints
                    .push(format!("{path}:{line}: `{own}` imports `{name}`, which is above it"));
            }
        }
    }
    complaints
}

/// Every `pub use` of something that another file of the crate owns. The root may: it is the face of the crate.
fn handed_on(files: &[File]) -> Vec<String> {
    let modules = Modules::of("host/src/", files);
    let mut complaints = Vec::new();
    for (module, file) in modules.each().filter(|(module, _)| *module != [ROOT]) {
        for import in modules.imports(module, file).iter().filter(|import| import.is_handed_on) {
            if modules.owner(&import.path).is_some_and(|owner| owner != module) {
                let (path, line, name) = (&file.path, import.line, import.path.join("::"));
                complaints.push(format!(
                    "{path}:{line}: `pub use` of `{name}`: import it from the file that owns it"
                ));
            }
        }
    }
    complaints
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::tree;

    const TWO: &str = "ground | roof";

    fn told(ground: &str, roof: &str) -> Vec<String> {
        broken(TWO, &tree(&[("lib.rs", ""), ("ground.rs", ground), ("roof/tile.rs", roof)]))
    }

    #[test]
    fn downward_and_sideways_imports_are_right() {
        let roof = "use crate::ground::A; use super::Roof; use crate::roof::beam::B;";
        assert!(told("use std::fs;", roof).is_empty());
    }

    #[test]
    fn an_upward_import_is_found() {
        let wrong = ["host/src/ground.rs:2: `ground` imports `roof::tile::A`, which is above it"];
        assert_eq!(told("\nuse crate::roof::tile::A;", ""), wrong);
        assert_eq!(told("\nfn f() -> crate::roof::tile::A {}", ""), wrong);
        assert_eq!(told("\nuse super::{roof::{tile::{A}}};", ""), wrong);
        assert_eq!(told("\nuse crate::roof::tile::A; fn f() { A::g() }", ""), wrong);
    }

    #[test]
    fn inside_a_floor_the_order_counts() {
        let files = tree(&[("one.rs", "use crate::two::A;"), ("two.rs", "use crate::one::B;")]);
        assert_eq!(broken("one two", &files).len(), 1);
        assert_eq!(broken("two one", &files).len(), 1);
    }

    #[test]
    fn a_missing_floor_is_found() {
        let files = tree(&[("ground.rs", ""), ("roof.rs", ""), ("cellar.rs", "")]);
        let missing = ["host/src/cellar.rs: `cellar` stands on no floor; add it to FLOORS"];
        assert_eq!(broken(TWO, &files), missing);
        assert_eq!(broken("ground | roof | cellar | spire", &files).len(), 1);
    }

    #[test]
    fn the_binary_may_import_everything_by_the_name_of_the_crate() {
        let files =
            tree(&[("main.rs", "use sandloop_host::run;"), ("run.rs", "use crate::main::A;")]);
        assert_eq!(broken("run | main", &files).len(), 1);
    }

    #[test]
    fn what_another_file_owns_is_not_handed_on() {
        let child = ("a/b.rs", "");
        let wrong = ["pub use self::b::C;", "pub(crate) use super::d::E;", "mod b; pub use b::C;"];
        for text in wrong {
            let files = tree(&[("a.rs", text), child, ("d.rs", "")]);
            assert_eq!(handed_on(&files).len(), 1, "{text}");
        }
        // Generated in the file itself, from another crate, or the root's face.
        for text in ["pub use self::generated::C;", "pub use std::fs;", "use self::b::C;"] {
            assert!(handed_on(&tree(&[("a.rs", text), child])).is_empty(), "{text}");
        }
        assert!(handed_on(&tree(&[("lib.rs", "pub use self::a::A;"), ("a.rs", "")])).is_empty());
    }
}
