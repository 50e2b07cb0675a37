//! `cargo xtask bench files`: large files over HTTP beside nginx.

fn main() -> std::process::ExitCode {
    sandloop_benches::files::main()
}
