//! `cargo xtask bench neighbour`: what a good tenant notices of hostile guests beside it.

fn main() -> std::process::ExitCode {
    sandloop_benches::neighbour::main()
}
