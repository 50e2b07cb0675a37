//! The pages of `docs/languages`: every command in them is run unchanged, in order, in a separate folder.

use std::fs;
use std::path::Path;
use std::process::Command;

use sandloop_tests::paths::{binary, workspace};

/// A test for each page, and one that no page is missing.
macro_rules! pages {
    ($($language:ident),+ $(,)?) => {
        $(#[test]
        fn $language() {
            check(stringify!($language));
        })+

        #[test]
        fn none_is_left_out() {
            let tested = [$(stringify!($language)),+];
            let folder = fs::read_dir(workspace().join("docs/languages")).expect("it is there");
            for page in folder.map(|entry| entry.expect("a page").path()) {
                let name = page.file_stem().and_then(|name| name.to_str()).unwrap_or_default();
                assert!(tested.contains(&name), "{}: nobody runs its commands", page.display());
            }
        }
    };
}

pages!(rust, c, cpp, javascript, python, zig, go, assemblyscript);

/// Lines of the blocks that are commands: those that are marked as `sh`.
fn commands(page: &str) -> Vec<&str> {
    let mut in_block = false;
    let mut all = Vec::new();
    for line in page.lines() {
        match line.trim_end() {
            "```sh" => in_block = true,
            "```" => in_block = false,
            line if in_block => all.push(line),
            _ => {}
        }
    }
    all
}

/// As a reader would run it, one command after the other: an installed package is looked up instead, a server continues
/// beside the next commands, and what cargo has compiled for the samples is there already.
fn script(page: &str) -> String {
    let compiled = workspace().join("target/samples/caches/rust/target");
    let mut script = String::from("set -eu\ntrap 'kill $(jobs -p) 2>/dev/null || true' EXIT\n");
    for command in commands(page) {
        let packages = command.strip_prefix("sudo apt-get install --no-install-recommends ");
        if let Some(packages) = packages {
            script += &format!("dpkg-query --show {packages}\n");
        } else if ["sandloop dev", "sandloop run"].iter().any(|it| command.starts_with(it)) {
            script += &format!(
                "{command} >served.log 2>&1 &\n\
                 until grep -q ' ready ' served.log; do kill -0 $! || {{ cat served.log >&2; exit 1; }}; sleep 0.1; done\n"
            );
        } else {
            script += &format!("{command}\n");
        }
        if command.starts_with("cd ") {
            let compiled = compiled.display();
            script += &format!(
                "if [ -e Cargo.toml -a -d '{compiled}' ]; then ln -s '{compiled}' target; fi\n"
            );
        }
    }
    script
}

fn check(language: &str) {
    let file = workspace().join(format!("docs/languages/{language}.md"));
    let page = fs::read_to_string(&file).unwrap_or_else(|error| panic!("{file:?}: {error}"));
    assert!(commands(&page).iter().any(|it| it.starts_with("sandloop build")), "{file:?}");
    let folder = tempfile::tempdir().expect("a temporary directory");
    let path = std::env::var("PATH").unwrap_or_default();
    let own = binary();
    let own = own.parent().map(Path::display).expect("it stands in a folder");
    // Compilers are fetched, and compile the libraries of their languages.
    let mut bash = Command::new("timeout");
    bash.args(["600", "bash", "-c"]).arg(script(&page)).current_dir(folder.path());
    let outcome = bash.env("PATH", format!("{own}:{path}")).output().expect("bash runs");
    let said = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (stdout, stderr) = (said(&outcome.stdout), said(&outcome.stderr));
    assert!(outcome.status.success(), "{file:?}: {}\n{stdout}\n{stderr}", outcome.status);
}

#[test]
fn commands_are_what_is_marked_as_such() {
    let page = "text\n```sh\nsudo apt-get install --no-install-recommends a b\nsandloop dev\nnext\n```\n```c\nint x;\n```\n";
    assert_eq!(commands(page).len(), 3);
    let script = script(page);
    assert!(script.contains("dpkg-query --show a b\n") && script.ends_with("next\n"), "{script}");
    assert!(script.contains("sandloop dev >served.log 2>&1 &\n"), "{script}");
}
