//! `cargo xtask bench udp`: datagrams beside a native server.

fn main() -> std::process::ExitCode {
    sandloop_benches::udp::main()
}
