//! `cargo xtask bench cluster`: messages between two hosts beside one host and a bare program over NATS.

fn main() -> std::process::ExitCode {
    sandloop_benches::cluster::main()
}
