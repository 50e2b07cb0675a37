//! What compilers and linkers say of an author's mistakes: one message, with its cause and what to do.

use std::path::PathBuf;

use super::{C, CPP, Compiler, Language, ZIG, clang, zig};
use crate::root::target;

/// What the compiler says of these files.
fn said(language: &Language, name: &str, texts: &[&str]) -> String {
    let folder = target().join("mistakes");
    std::fs::create_dir_all(&folder).unwrap();
    let files: Vec<PathBuf> = (0..texts.len())
        .map(|number| folder.join(format!("{name}{number}.{}", language.extension)))
        .collect();
    for (file, text) in files.iter().zip(texts) {
        std::fs::write(file, text).unwrap();
    }
    let module = folder.join(format!("{name}.wasm"));
    let mut command = match language.compiler {
        Compiler::Clang(words) => clang(words, &files, &[], &module).unwrap(),
        Compiler::Zig => zig(&files[0], &[], &module).unwrap(),
    };
    String::from_utf8(command.output().unwrap().stderr).unwrap()
}

/// That one message says it, at a place.
#[track_caller]
fn assert_said(language: &Language, name: &str, texts: &[&str], place: &str, words: &str) {
    let said = said(language, name, texts);
    let lines: Vec<&str> = said.lines().filter(|line| line.contains(words)).collect();
    assert!(!lines.is_empty(), "{name}: {said}");
    assert!(said.contains(place), "{name} is not placed: {said}");
}

const HEADER: &str = "#define SANDLOOP_IMPLEMENTATION\n#include \"sandloop.h\"\n";

#[test]
fn mistakes_in_c() {
    let echo = format!("{HEADER}SL_HANDLERS({{.name = \"echo\"}});\n");
    let twice = [&*echo, HEADER];
    let words =
        "duplicate symbol: SANDLOOP_IMPLEMENTATION_stands_in_two_files_and_belongs_into_one";
    assert_said(&C, "twice", &twice, "twice1", words);
    assert_eq!(said(&C, "once", &twice).matches("duplicate symbol").count(), 1);

    let wrong = format!("{HEADER}static void f(void) {{}}\nSL_HANDLERS({{.receive_data = f}});\n");
    assert_said(&C, "wrong", &[&wrong], "wrong0.c:4:", "incompatible function pointer types");
    let misspelt = format!("{HEADER}SL_HANDLERS({{.recieve_data = NULL}});\n");
    let words = "field designator 'recieve_data' does not refer to any field";
    assert_said(&C, "misspelt", &[&misspelt], "misspelt0.c:3:", words);
    let minimal = format!(
        "#define SANDLOOP_MINIMAL\n{HEADER}static void f(sl_conn *c) {{ sl_timer(1, NULL, c); }}\nSL_HANDLERS({{.post_init = f}});\n"
    );
    let words = "call to undeclared function 'sl_timer'";
    assert_said(&C, "minimal", &[&minimal], "minimal0.c:4:", words);
}

#[test]
fn mistakes_in_cpp() {
    let table = [
        (
            "none",
            "struct It {};",
            "",
            "a handler is a class that derives from sandloop::Connection or sandloop::Lines",
        ),
        (
            "open",
            "struct It : sandloop::Lines { void recieve_line(std::string_view) {} };",
            "",
            "a handler overrides what its base leaves open: receive_line of sandloop::Lines",
        ),
        (
            "made",
            "struct It : sandloop::Connection { explicit It(int) {} };",
            "",
            "a handler of SANDLOOP_PLUGIN is made without arguments",
        ),
        (
            "kept",
            "struct It : sandloop::Connection { void post_init() override { sandloop::add_timer(sandloop::milliseconds(1), [] {}); } };",
            "kept0.cpp:3:",
            "a timer ends with its object: keep it in a member, or call detach()",
        ),
        (
            "hidden",
            "struct It : sandloop::Connection { void receive_data(sandloop::bytes, int) override {} };",
            "hidden0.cpp:3:",
            "non-virtual member function marked 'override' hides virtual member function",
        ),
    ];
    for (name, text, place, words) in table {
        let header = HEADER.replace("sandloop.h", "sandloop.hpp");
        let text = format!("{header}{text}\nSANDLOOP_PLUGIN(It)\n");
        let place = if place.is_empty() { format!("{name}0.cpp:4:") } else { place.to_owned() };
        assert_said(&CPP, name, &[&text], &place, words);
    }
}

#[test]
fn mistakes_in_zig() {
    let table = [
        (
            "socketless",
            "const It = struct {};",
            "a handler is a struct with a field `socket: sl.Socket`, which",
        ),
        (
            "valueless",
            "const It = struct { socket: sl.Socket, count: u32 };",
            "the field `count` of valueless0.It has no value: give it a default, or valueless0.It a `pub fn init(socket: sl.Socket) valueless0.It`",
        ),
        (
            "context",
            "const It = struct { socket: sl.Socket, pub fn postInit(_: *It) void { _ = sl.addTimer(1, @as(u32, 5), f); } fn f(_: u32) void {} };",
            "a context is a pointer, such as the connection's own `self`, or `{}`: it is kept until the callback",
        ),
        (
            "wrong",
            "const It = struct { socket: sl.Socket, pub fn receiveData(_: *It, _: u32) void {} };",
            "expected type 'u32', found '[]u8'",
        ),
    ];
    for (name, text, words) in table {
        let text = format!(
            "const sl = @import(\"sandloop\");\n{text}\ncomptime {{\n    sl.plugin(.{{ .it = It }});\n}}\n"
        );
        // What is wrong with a type is named after it: its file's name stands before its own.
        assert_said(&ZIG, name, &[&text], &format!("{name}0"), words);
    }
}
