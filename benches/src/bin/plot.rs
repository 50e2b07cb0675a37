//! `cargo xtask bench plot RAW.jsonl OUT.svg`: what a message costs over the number of connections, as a picture.

fn main() -> std::process::ExitCode {
    sandloop_benches::plot::main()
}
