//! `cargo xtask bench density`: what a sandbox without a socket costs where there are very many.

fn main() -> std::process::ExitCode {
    sandloop_benches::density::main()
}
