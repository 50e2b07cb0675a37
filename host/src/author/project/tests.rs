//! Projects of every language and template, and what is refused.

use std::fs;

use super::*;
use crate::config::model::Config;

fn new<'a>(folder: &'a Path, language: &'a str, template: &'a str) -> NewProject<'a> {
    NewProject { folder, language, template }
}

#[track_caller]
fn refused(folder: &Path, language: &str, template: &str) -> String {
    make(&new(folder, language, template), &Sdk::Inside).expect_err("refused").to_string()
}

#[test]
fn every_template_of_every_language_makes_a_configuration_that_is_good() {
    let home = tempfile::tempdir().expect("a folder");
    let languages = Language::all(&Sdk::Inside).expect("descriptions");
    assert!(languages.iter().any(|language| language.name == "rust"));
    for language in &languages {
        let templates = language.templates(&Sdk::Inside);
        assert!(templates.iter().any(|template| template == "echo"), "{templates:?}");
        for template in &templates {
            let folder = home.path().join(format!("a-{}-{template}", language.name));
            let what = format!("{template} in {}", language.title);
            make(&new(&folder, &language.name, template), &Sdk::Inside)
                .unwrap_or_else(|error| panic!("{what}: {error}"));
            let config = Config::load(&folder.join("plugins.toml"))
                .unwrap_or_else(|error| panic!("{what}: {error}"));
            let build = config.plugins[0].build.as_ref().expect("a section");
            assert!(!build.watch.is_empty(), "{what}: nothing is watched");
            assert!(folder.join("README.md").exists(), "{what}");
            no_placeholder_is_left(&folder, &what);
        }
    }
}

/// In what is not copied as it is.
#[track_caller]
fn no_placeholder_is_left(folder: &Path, what: &str) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        assert!(!path.to_string_lossy().contains("{{"), "{what}: {path:?}");
        if path.is_dir() {
            if !path.ends_with("sandloop") {
                no_placeholder_is_left(&path, what);
            }
        } else if let Ok(text) = fs::read_to_string(&path) {
            let left = ["{{name}}", "{{snake}}", "{{build}}", "{{title}}", "{{component}}"];
            assert!(!left.iter().any(|word| text.contains(word)), "{what}: {path:?}");
        }
    }
}

#[test]
fn every_name_and_other_word_leads_to_one_language() {
    let languages = Language::all(&Sdk::Inside).expect("descriptions");
    let mut words: Vec<&String> = Vec::new();
    for language in &languages {
        for word in language.also.iter().chain([&language.name]) {
            assert!(!words.contains(&word), "{word} is two languages");
            assert_eq!(Language::find(&Sdk::Inside, word).expect("it").name, language.name);
            words.push(word);
        }
    }
}

#[test]
fn names_are_checked_before_anything_is_written() {
    let home = tempfile::tempdir().expect("a folder");
    for name in ["Hello", "1hello", "-hello", "hel_lo", "hé", "hel lo", &"a".repeat(65), ".."] {
        let told = refused(&home.path().join(name), "rust", "echo");
        assert!(told.contains("is not the name of a project; write a letter"), "{name}: {told}");
    }
    let told = refused(&home.path().join("test"), "rust", "echo");
    assert_eq!(told, "Rust has a use of its own for \"test\"; take another name");
    assert_eq!(fs::read_dir(home.path()).expect("a folder").count(), 0);
}

#[test]
fn what_is_there_is_never_touched() {
    let home = tempfile::tempdir().expect("a folder");
    let folder = home.path().join("hello");
    fs::create_dir(&folder).expect("a folder");
    make(&new(&folder, "rust", "echo"), &Sdk::Inside).expect("an empty folder is as good as none");
    let before = fs::read(folder.join("plugins.toml")).expect("a file");
    let told = refused(&folder, "rust", "chat");
    assert!(told.contains("is there already, and not empty; nothing in it is touched"), "{told}");
    assert_eq!(fs::read(folder.join("plugins.toml")).expect("a file"), before);
    let file = home.path().join("file");
    fs::write(&file, "mine").expect("a file");
    assert!(refused(&file, "rust", "echo").contains("is there already"));
    assert_eq!(fs::read(&file).expect("a file"), b"mine");
}

/// What keeps a project from its place is told as what it is.
#[test]
fn a_place_where_no_folder_can_be_says_why() {
    use std::os::unix::fs::symlink;

    let home = tempfile::tempdir().expect("a folder");
    let at = |name: &str| home.path().join(name);
    fs::write(at("file"), "mine").expect("a file");
    symlink(at("nowhere"), at("dangling")).expect("a link");
    symlink(at("round"), at("round")).expect("a link");
    rustix::fs::mkfifoat(rustix::fs::CWD, at("pipe"), rustix::fs::Mode::RUSR).expect("a pipe");
    let no_folder = "is there already, and no folder; take another name, or another folder";
    for (folder, says) in [
        ("file", no_folder),
        ("dangling", no_folder),
        ("pipe", no_folder),
        ("file/hello", "Not a directory (os error 20); choose a place where this user may"),
        ("pipe/hello", "Not a directory (os error 20); choose a place where this user may"),
        ("round", "(os error 40); correct the links of this path"),
        ("round/hello", "(os error 40); correct the links of this path"),
        (&format!("{}/hello", "x".repeat(300)), "(os error 36); choose a shorter path"),
    ] {
        let told = refused(&at(folder), "rust", "echo");
        assert!(told.contains(says), "{folder}: {told}");
        assert!(told.starts_with(&at(folder).display().to_string()), "{folder}: {told}");
    }
    assert_eq!(fs::read_dir(home.path()).expect("a folder").count(), 4, "nothing was made");
}

#[test]
fn what_was_begun_is_taken_back_and_nothing_else() {
    let home = tempfile::tempdir().expect("a folder");
    let folder = home.path().join("hello");
    let write = |name: &str| {
        let path = folder.join(name);
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        fs::write(path, name).expect("a file");
    };
    ["a", "src/b", "deep/er/c", "deep/mine"].into_iter().for_each(write);
    // One of them was not written any more.
    let begun = ["a", "src/b", "deep/er/c", "deep/er/d"].map(str::to_owned);
    take_back(&folder, begun.iter(), false);
    let left: Vec<_> = fs::read_dir(&folder).expect("a folder").flatten().collect();
    assert_eq!(left.len(), 1, "{left:?}");
    assert_eq!(fs::read_dir(folder.join("deep")).expect("a folder").count(), 1);
    fs::remove_file(folder.join("deep/mine")).expect("a file");
    take_back(&folder, begun.iter(), true);
    assert_eq!(fs::read_dir(&folder).expect("it was there").count(), 0);
    take_back(&folder, begun.iter(), false);
    assert!(!folder.exists());
}

#[test]
fn what_is_unknown_is_answered_with_what_there_is() {
    let folder = Path::new("hello");
    let told = refused(folder, "ruts", "echo");
    assert!(
        told.starts_with("there is no language \"ruts\"; did you mean \"rust\"? There are "),
        "{told}"
    );
    let told = refused(folder, "cobol", "echo");
    assert!(
        told.starts_with("there is no language \"cobol\"; there are ") && told.contains("rust"),
        "{told}"
    );
    let told = refused(folder, "rs", "chatt");
    assert_eq!(
        told,
        "Rust has no template \"chatt\"; did you mean \"chat\"? There are chat, client, deferred, echo, http, lines"
    );
}

#[test]
fn a_program_is_built_by_keys_of_its_own() {
    let text = "name = \"x\"\ntitle = \"X\"\n[build]\ncommand = \"make\"\ncomponent = \"a\"\nprogram = { command = \"make program\" }";
    let language: Language = toml::from_str(text).expect("a description");
    assert_eq!(language.build("echo").expect("keys").command, "make");
    let program = language.build("client").expect("keys");
    assert_eq!((&*program.command, &*program.component), ("make program", "a"));
}
