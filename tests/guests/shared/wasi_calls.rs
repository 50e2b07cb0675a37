//! Every function of WASI 0.2 that the host links, but for those of sockets, which no guest has: each with little or with much.

use std::{cell::RefCell, sync::LazyLock};

use wasip2::{
    cli, clocks,
    filesystem::types::{
        Advice, Descriptor, DescriptorFlags, DirectoryEntryStream, NewTimestamp, OpenFlags,
        PathFlags,
    },
    filesystem::{preopens, types},
    io::poll::{Pollable, poll},
    io::streams::{InputStream, OutputStream},
    random, sockets,
};

/// A length that no host has the memory for.
const LARGEST: u64 = 1 << 40;
/// A path as long as a call may bring.
const LONGEST_PATH: usize = 1 << 20;
/// Pollables of one poll.
const POLLED: usize = 200;

static LARGEST_PATH: LazyLock<String> = LazyLock::new(|| "x".repeat(LONGEST_PATH));

thread_local! {
    static KEPT: RefCell<Kept> = RefCell::default();
}

/// What was granted, and is never given back.
#[derive(Default)]
struct Kept {
    folder: Option<Descriptor>,
    file: Option<Descriptor>,
    descriptors: Vec<Descriptor>,
    listings: Vec<DirectoryEntryStream>,
    pollables: Vec<Pollable>,
    inputs: Vec<InputStream>,
    outputs: Vec<OutputStream>,
}

fn keep<T, E>(result: Result<T, E>, into: impl FnOnce(&mut Kept) -> &mut Vec<T>) -> Option<bool> {
    let granted = result.is_ok();
    if let Ok(one) = result {
        KEPT.with_borrow_mut(|kept| into(kept).push(one));
    }
    Some(granted)
}

fn done<T>(_: T) -> Option<bool> {
    None
}

fn with_folder<T>(work: impl FnOnce(&Descriptor) -> T) -> T {
    KEPT.with_borrow_mut(|kept| {
        let folder = || preopens::get_directories().swap_remove(0).0;
        work(kept.folder.get_or_insert_with(folder))
    })
}

fn open(folder: &Descriptor, path: &str) -> Result<Descriptor, types::ErrorCode> {
    folder.open_at(PathFlags::empty(), path, OpenFlags::empty(), DescriptorFlags::READ)
}

/// None where no file is to be had: others hold as many as there are.
fn with_file<T>(work: impl FnOnce(&Descriptor) -> T) -> Option<T> {
    let file = KEPT.with_borrow_mut(|kept| kept.file.take());
    let file = match file {
        Some(file) => file,
        None => with_folder(|folder| open(folder, "name 0")).ok()?,
    };
    let worked = work(&file);
    KEPT.with_borrow_mut(|kept| kept.file = Some(file));
    Some(worked)
}

/// Asks for one more of what the function gives: whether it was granted; none where it is never refused.
pub fn ask(function: &str, is_large: bool) -> Option<bool> {
    let (interface, function) = function.split_once('.').expect("an interface and a function");
    let length = if is_large { LARGEST } else { 1 };
    let path = if is_large { &*LARGEST_PATH } else { "name 1" };
    match interface {
        "cli" => ask_cli(function),
        "clocks" => ask_clocks(function, length),
        "random" => ask_random(function, length),
        "sockets" => ask_sockets(function),
        "descriptor" => ask_descriptor(function, length),
        "folder" => ask_folder(function, path),
        "poll" => ask_poll(function),
        "input" => ask_input(function, length),
        "output" => ask_output(function, length),
        other => panic!("no row for WASI's {other}"),
    }
}

fn ask_cli(function: &str) -> Option<bool> {
    match function {
        "get-environment" => done(cli::environment::get_environment()),
        "get-arguments" => done(cli::environment::get_arguments()),
        "initial-cwd" => done(cli::environment::initial_cwd()),
        "get-stdin" => keep(Ok::<_, ()>(cli::stdin::get_stdin()), |kept| &mut kept.inputs),
        "get-stdout" => keep(Ok::<_, ()>(cli::stdout::get_stdout()), |kept| &mut kept.outputs),
        "get-stderr" => keep(Ok::<_, ()>(cli::stderr::get_stderr()), |kept| &mut kept.outputs),
        "get-terminal-stdin" => done(cli::terminal_stdin::get_terminal_stdin()),
        "get-terminal-stdout" => done(cli::terminal_stdout::get_terminal_stdout()),
        "get-terminal-stderr" => done(cli::terminal_stderr::get_terminal_stderr()),
        other => panic!("no row for cli.{other}"),
    }
}

fn ask_clocks(function: &str, length: u64) -> Option<bool> {
    use clocks::{monotonic_clock, wall_clock};
    let later = u64::MAX - length;
    match function {
        "now" => done((monotonic_clock::now(), wall_clock::now())),
        "resolution" => done((monotonic_clock::resolution(), wall_clock::resolution())),
        "subscribe-instant" => {
            keep(Ok::<_, ()>(monotonic_clock::subscribe_instant(later)), |kept| &mut kept.pollables)
        }
        "subscribe-duration" => {
            keep(Ok::<_, ()>(monotonic_clock::subscribe_duration(later)), |kept| {
                &mut kept.pollables
            })
        }
        other => panic!("no row for clocks.{other}"),
    }
}

fn ask_random(function: &str, length: u64) -> Option<bool> {
    match function {
        "get-random-bytes" => done(random::random::get_random_bytes(length)),
        "get-random-u64" => done(random::random::get_random_u64()),
        "get-insecure-random-bytes" => done(random::insecure::get_insecure_random_bytes(length)),
        "get-insecure-random-u64" => done(random::insecure::get_insecure_random_u64()),
        "insecure-seed" => done(random::insecure_seed::insecure_seed()),
        other => panic!("no row for random.{other}"),
    }
}

fn ask_sockets(function: &str) -> Option<bool> {
    use sockets::network::IpAddressFamily;
    match function {
        "create-tcp-socket" => {
            let made = sockets::tcp_create_socket::create_tcp_socket(IpAddressFamily::Ipv4);
            Some(made.is_ok())
        }
        "create-udp-socket" => {
            let made = sockets::udp_create_socket::create_udp_socket(IpAddressFamily::Ipv4);
            Some(made.is_ok())
        }
        "resolve-addresses" => {
            let network = sockets::instance_network::instance_network();
            Some(sockets::ip_name_lookup::resolve_addresses(&network, "localhost").is_ok())
        }
        other => panic!("no row for sockets.{other}"),
    }
}

fn ask_descriptor(function: &str, length: u64) -> Option<bool> {
    let asked = with_file(|file| match function {
        "read-via-stream" => keep(file.read_via_stream(length - 1), |kept| &mut kept.inputs),
        "write-via-stream" => keep(file.write_via_stream(length - 1), |kept| &mut kept.outputs),
        "append-via-stream" => keep(file.append_via_stream(), |kept| &mut kept.outputs),
        "advise" => done(file.advise(0, length, Advice::WillNeed)),
        "sync-data" => done(file.sync_data()),
        "sync" => done(file.sync()),
        "get-flags" => done(file.get_flags()),
        "get-type" => done(file.get_type()),
        "set-size" => done(file.set_size(length)),
        "set-times" => done(file.set_times(NewTimestamp::Now, NewTimestamp::Now)),
        "read" => done(file.read(length, 0)),
        "write" => done(file.write(b"x", length)),
        "stat" => done(file.stat()),
        "is-same-object" => done(file.is_same_object(file)),
        "metadata-hash" => done(file.metadata_hash()),
        other => panic!("no row for descriptor.{other}"),
    });
    asked.unwrap_or(Some(false))
}

fn ask_folder(function: &str, path: &str) -> Option<bool> {
    let none = PathFlags::empty();
    match function {
        "get-directories" => {
            let folder = preopens::get_directories().pop().map(|it| it.0).ok_or(());
            return keep(folder, |kept| &mut kept.descriptors);
        }
        "open-at" => {
            let opened = with_folder(|folder| open(folder, path));
            return keep(opened, |kept| &mut kept.descriptors);
        }
        "read-directory" => {
            let listing = with_folder(Descriptor::read_directory);
            return keep(listing, |kept| &mut kept.listings);
        }
        _ => {}
    }
    with_folder(|folder| match function {
        "create-directory-at" => done(folder.create_directory_at(path)),
        "stat-at" => done(folder.stat_at(none, path)),
        "set-times-at" => {
            done(folder.set_times_at(none, path, NewTimestamp::Now, NewTimestamp::Now))
        }
        "link-at" => done(folder.link_at(none, path, folder, path)),
        "readlink-at" => done(folder.readlink_at(path)),
        "remove-directory-at" => done(folder.remove_directory_at(path)),
        "rename-at" => done(folder.rename_at(path, folder, path)),
        "symlink-at" => done(folder.symlink_at(path, path)),
        "unlink-file-at" => done(folder.unlink_file_at(path)),
        "metadata-hash-at" => done(folder.metadata_hash_at(none, path)),
        other => panic!("no row for folder.{other}"),
    })
}

fn ask_poll(function: &str) -> Option<bool> {
    let now = || clocks::monotonic_clock::subscribe_duration(0);
    match function {
        "ready" => done(now().ready()),
        "block" => done(now().block()),
        "poll" => {
            let all: Vec<Pollable> = (0..POLLED).map(|_| now()).collect();
            done(poll(&all.iter().collect::<Vec<_>>()))
        }
        other => panic!("no row for poll.{other}"),
    }
}

fn ask_input(function: &str, length: u64) -> Option<bool> {
    let stream = with_file(|file| file.read_via_stream(0));
    let Some(Ok(stream)) = stream else { return Some(false) };
    match function {
        "read" => done(stream.read(length)),
        "blocking-read" => done(stream.blocking_read(length)),
        "skip" => done(stream.skip(length)),
        "blocking-skip" => done(stream.blocking_skip(length)),
        "subscribe" => {
            let pollable = stream.subscribe();
            KEPT.with_borrow_mut(|kept| kept.inputs.push(stream));
            keep(Ok::<_, ()>(pollable), |kept| &mut kept.pollables)
        }
        other => panic!("no row for input.{other}"),
    }
}

fn ask_output(function: &str, length: u64) -> Option<bool> {
    let stream = cli::stdout::get_stdout();
    let bytes = vec![b'x'; if length == 1 { 1 } else { 4096 }];
    match function {
        "check-write" => done(stream.check_write()),
        "write" => done(stream.write(&bytes)),
        "blocking-write-and-flush" => done(stream.blocking_write_and_flush(&bytes)),
        "flush" => done(stream.flush()),
        "blocking-flush" => done(stream.blocking_flush()),
        "subscribe" => {
            let pollable = stream.subscribe();
            KEPT.with_borrow_mut(|kept| kept.outputs.push(stream));
            keep(Ok::<_, ()>(pollable), |kept| &mut kept.pollables)
        }
        // More than `check-write` allows ends the guest, so it is what is allowed.
        "write-zeroes" => {
            let most = stream.check_write().unwrap_or_default().min(length);
            done(stream.write_zeroes(most))
        }
        "blocking-write-zeroes-and-flush" => {
            done(stream.blocking_write_zeroes_and_flush(length.min(4096)))
        }
        "splice" | "blocking-splice" => {
            let from = with_file(|file| file.read_via_stream(0));
            let Some(Ok(from)) = from else { return Some(false) };
            match function {
                "splice" => done(stream.splice(&from, length)),
                _ => done(stream.blocking_splice(&from, length)),
            }
        }
        other => panic!("no row for output.{other}"),
    }
}
