//! The adapter `log`, called as a guest calls it, with what it asks of the host.

use std::collections::BTreeMap;

use wasmparser::{ExternalKind, Parser, Payload, TypeRef};
use wasmtime::{Caller, Engine, Instance, Linker, Memory, MemoryType, Module, Store};

use super::*;

/// Where a call of the host's may put its answer.
const SCRATCH: usize = 16;

/// What the adapter has asked for, in words, and what the clocks show.
#[derive(Default)]
struct Host {
    asked: Vec<String>,
    written: Vec<u8>,
    monotonic: u64,
    is_closed: bool,
    memory: Option<Memory>,
}

struct Trial {
    store: Store<Host>,
    instance: Instance,
    memory: Memory,
}

impl Trial {
    fn new() -> Trial {
        let engine = Engine::default();
        let mut store = Store::new(&engine, Host::default());
        let memory = Memory::new(&mut store, MemoryType::new(1, None)).unwrap();
        store.data_mut().memory = Some(memory);
        let mut linker = Linker::new(&engine);
        linker.define(&store, "env", "memory", memory).unwrap();
        link(&mut linker);
        let module = Module::new(&engine, LOG).unwrap();
        let instance = linker.instantiate(&mut store, &module).unwrap();
        memory.data_mut(&mut store)[..SCRATCH + 16].fill(0x55);
        Trial { store, instance, memory }
    }

    /// The error that a function of preview 1 answers.
    fn call<P: wasmtime::WasmParams>(&mut self, name: &str, parameters: P) -> i32 {
        let function = self.instance.get_typed_func::<P, i32>(&mut self.store, name).unwrap();
        let error = function.call(&mut self.store, parameters).unwrap();
        let low = &self.memory.data(&self.store)[..SCRATCH + 16];
        assert!(low.iter().all(|byte| *byte == 0x55), "{name}: the guest's bytes are put back");
        error
    }

    fn pause(&mut self, is_paused: i32) {
        let name = "adapter_monotonic_clock_set_paused";
        let pause = self.instance.get_typed_func::<i32, ()>(&mut self.store, name).unwrap();
        pause.call(&mut self.store, is_paused).unwrap();
    }

    fn write(&mut self, at: usize, bytes: &[u8]) {
        self.memory.data_mut(&mut self.store)[at..at + bytes.len()].copy_from_slice(bytes);
    }

    fn words(&mut self, at: usize, words: &[u32]) {
        for (index, word) in words.iter().enumerate() {
            self.write(at + 4 * index, &word.to_le_bytes());
        }
    }

    fn u32(&self, at: usize) -> u32 {
        u32::from_le_bytes(self.memory.data(&self.store)[at..at + 4].try_into().unwrap())
    }

    fn u64(&self, at: usize) -> u64 {
        u64::from_le_bytes(self.memory.data(&self.store)[at..at + 8].try_into().unwrap())
    }

    fn asked(&mut self) -> Vec<String> {
        std::mem::take(&mut self.store.data_mut().asked)
    }

    /// A subscription to a clock, as a guest writes it.
    fn subscribe(&mut self, at: usize, (userdata, clock, time, is_absolute): (u64, u32, u64, u16)) {
        self.write(at, &userdata.to_le_bytes());
        self.write(at + 8, &0_u64.to_le_bytes());
        self.words(at + 16, &[clock]);
        self.write(at + 24, &time.to_le_bytes());
        self.write(at + 40, &is_absolute.to_le_bytes());
    }
}

fn link(linker: &mut Linker<Host>) {
    type Of<'a> = Caller<'a, Host>;
    fn ask(caller: &mut Of<'_>, words: impl Into<String>) {
        caller.data_mut().asked.push(words.into());
    }
    let streams = "wasi:io/streams@0.2.0";
    let monotonic = "wasi:clocks/monotonic-clock@0.2.0";
    linker
        .func_wrap("wasi:cli/exit@0.2.0", "exit", |mut it: Of<'_>, status: i32| {
            ask(&mut it, format!("exit {status}"));
        })
        .unwrap();
    linker
        .func_wrap("wasi:cli/stdout@0.2.0", "get-stdout", |mut it: Of<'_>| {
            ask(&mut it, "stdout");
            0
        })
        .unwrap();
    linker
        .func_wrap("wasi:cli/stderr@0.2.0", "get-stderr", |mut it: Of<'_>| {
            ask(&mut it, "stderr");
            7
        })
        .unwrap();
    linker
        .func_wrap(
            streams,
            "[method]output-stream.blocking-write-and-flush",
            |mut it: Of<'_>, stream: i32, from: i32, length: i32, to: i32| {
                ask(&mut it, format!("write {length} to {stream}"));
                let memory = it.data().memory.unwrap();
                let (from, length) = (from as usize, length as usize);
                let bytes = memory.data(&it)[from..from + length].to_vec();
                let is_closed = it.data().is_closed;
                it.data_mut().written.extend(bytes);
                let answer = if is_closed { [1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0] } else { [0; 12] };
                memory.write(&mut it, to as usize, &answer).unwrap();
            },
        )
        .unwrap();
    linker.func_wrap("wasi:io/error@0.2.0", "[resource-drop]error", |_: i32| {}).unwrap();
    linker
        .func_wrap("wasi:io/poll@0.2.0", "[method]pollable.block", |mut it: Of<'_>, _: i32| {
            ask(&mut it, "block");
        })
        .unwrap();
    linker
        .func_wrap("wasi:io/poll@0.2.0", "[resource-drop]pollable", |mut it: Of<'_>, _: i32| {
            ask(&mut it, "drop");
        })
        .unwrap();
    linker.func_wrap(monotonic, "now", |it: Of<'_>| it.data().monotonic).unwrap();
    linker
        .func_wrap(monotonic, "subscribe-duration", |mut it: Of<'_>, duration: u64| {
            ask(&mut it, format!("wait {duration}"));
            it.data_mut().monotonic += duration;
            3
        })
        .unwrap();
    linker
        .func_wrap("wasi:clocks/wall-clock@0.2.0", "now", |mut it: Of<'_>, to: i32| {
            let memory = it.data().memory.unwrap();
            let mut answer = [0; 16];
            answer[..8].copy_from_slice(&1_700_000_000_u64.to_le_bytes());
            answer[8..12].copy_from_slice(&123_u32.to_le_bytes());
            memory.write(&mut it, to as usize, &answer).unwrap();
        })
        .unwrap();
    linker.func_wrap("wasi:random/random@0.2.0", "get-random-u64", || u64::MAX).unwrap();
}

#[test]
fn the_module_is_what_its_text_says() {
    let text = include_str!("../preview1.wat");
    let assembled = wat::parse_str(text).unwrap();
    if assembled != LOG {
        let place = std::env::temp_dir().join("preview1.wasm");
        std::fs::write(&place, assembled).unwrap();
        panic!("preview1.wasm is another one: {} is what preview1.wat says", place.display());
    }
}

#[test]
fn what_is_written_goes_to_its_stream_in_pieces() {
    let mut trial = Trial::new();
    let text: Vec<u8> = (0..5000).map(|number| (number % 251) as u8).collect();
    trial.write(2000, &text);
    trial.words(100, &[2000, 5000, 2000, 0, 2000, 3]);
    assert_eq!(trial.call("fd_write", (2, 100, 3, 200)), 0);
    assert_eq!(trial.u32(200), 5003);
    assert_eq!(trial.store.data().written, [&text[..], &text[..3]].concat());
    let asked = ["stderr", "write 4096 to 7", "write 904 to 7", "write 3 to 7"];
    assert_eq!(trial.asked(), asked);
    assert_eq!(trial.call("fd_write", (1, 100, 1, 200)), 0);
    assert_eq!(trial.call("fd_write", (2, 100, 1, 200)), 0, "each stream is asked for once");
    assert_eq!(trial.asked().iter().filter(|it| it.starts_with("std")).count(), 1);
    assert_eq!(trial.call("fd_write", (3, 100, 1, 200)), 8);
    trial.store.data_mut().is_closed = true;
    assert_eq!(trial.call("fd_write", (1, 100, 1, 200)), 29);
}

#[test]
fn the_clocks_are_the_hosts() {
    let mut trial = Trial::new();
    assert_eq!(trial.call("clock_time_get", (0, 1_i64, 96)), 0);
    assert_eq!(trial.u64(96), 1_700_000_000_000_000_123);
    for (host, guest) in [(0, 1), (9, 10)] {
        trial.store.data_mut().monotonic = host;
        assert_eq!(trial.call("clock_time_get", (1, 1_i64, 96)), 0);
        assert_eq!(trial.u64(96), guest, "never 0, which Go takes for a clock that is broken");
    }
    assert_eq!(trial.call("clock_time_get", (2, 1_i64, 96)), 28);
}

#[test]
fn while_it_is_paused_the_component_is_not_left() {
    let mut trial = Trial::new();
    trial.store.data_mut().monotonic = 9;
    trial.call("clock_time_get", (1, 1_i64, 96));
    trial.pause(1);
    trial.store.data_mut().monotonic = 10;
    assert_eq!(trial.call("clock_time_get", (1, 1_i64, 96)), 0);
    assert_eq!(trial.u64(96), 10);
    trial.words(100, &[2000, 4]);
    assert_eq!(trial.call("fd_write", (2, 100, 1, 200)), 0);
    assert_eq!(trial.u32(200), 4);
    trial.subscribe(1000, (42, 1, 500, 0));
    assert_eq!(trial.call("poll_oneoff", (1000, 3000, 1, 200)), 0);
    assert_eq!((trial.u32(200), trial.u64(3000)), (1, 42));
    assert_eq!(trial.call("random_get", (4000, 8)), 6);
    assert!(trial.asked().is_empty());
    trial.pause(0);
    assert_eq!(trial.call("fd_write", (2, 100, 1, 200)), 0);
    assert_eq!(trial.asked().len(), 2);
}

#[test]
fn the_subscription_that_is_due_first_is_waited_for() {
    let mut trial = Trial::new();
    trial.store.data_mut().monotonic = 1000;
    trial.subscribe(1000, (1, 1, 700, 0));
    trial.subscribe(1048, (2, 1, 1501, 1));
    trial.subscribe(1096, (3, 1, 500, 0));
    assert_eq!(trial.call("poll_oneoff", (1000, 3000, 3, 200)), 0);
    assert_eq!(trial.asked(), ["wait 500", "block", "drop"]);
    assert_eq!((trial.u32(200), trial.u64(3000), trial.u64(3032)), (2, 2, 3));
    assert_eq!((trial.u64(3008), trial.u64(3040)), (0, 0), "no error, and the kind of a clock");
    trial.subscribe(1000, (4, 1, 1, 1));
    assert_eq!(trial.call("poll_oneoff", (1000, 3000, 1, 200)), 0);
    assert!(trial.asked().is_empty(), "what is over is not waited for");
    assert_eq!(trial.call("poll_oneoff", (1000, 3000, 0, 200)), 28);
}

#[test]
fn a_file_is_not_waited_for() {
    let mut trial = Trial::new();
    trial.subscribe(1000, (1, 1, 700, 0));
    trial.write(1048, &[9, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 5, 0, 0, 0]);
    assert_eq!(trial.call("poll_oneoff", (1000, 3000, 2, 200)), 0);
    assert!(trial.asked().is_empty());
    assert_eq!((trial.u32(200), trial.u64(3000)), (1, 9));
    assert_eq!(trial.u64(3008), 8 | 1 << 16, "no such file, and the kind that was asked for");
}

#[test]
fn random_bytes_fill_what_is_asked_for_and_no_more() {
    let mut trial = Trial::new();
    for length in 0..20 {
        trial.write(4000, &[0; 32]);
        assert_eq!(trial.call("random_get", (4000, length as i32)), 0);
        let bytes = &trial.memory.data(&trial.store)[4000..4032];
        assert!(bytes[..length].iter().all(|byte| *byte == 0xff), "{length}");
        assert!(bytes[length..].iter().all(|byte| *byte == 0), "{length}");
    }
}

#[test]
fn it_ends_with_its_code() {
    let mut trial = Trial::new();
    let exit = trial.instance.get_typed_func::<i32, ()>(&mut trial.store, "proc_exit").unwrap();
    assert!(exit.call(&mut trial.store, 3).is_err());
    assert!(exit.call(&mut trial.store, 0).is_err());
    assert_eq!(trial.asked(), ["exit 1", "exit 0"]);
}

#[test]
fn it_has_every_function_of_the_engines_own_adapter() {
    let (own, log) = (exports(engines_own::WASI_SNAPSHOT_PREVIEW1_REACTOR_ADAPTER), exports(LOG));
    // What is about the memory and the files that the other one keeps.
    let left_out = ["reset_adapter_state", "adapter_open_badfd", "adapter_close_badfd"];
    let own: BTreeMap<_, _> = own
        .into_iter()
        .filter(|(name, _)| !left_out.contains(&name.as_str()) && !name.contains('#'))
        .filter(|(name, _)| !name.starts_with("cabi_"))
        .collect();
    assert!(40 < own.len(), "{own:?}");
    assert_eq!(own, log);
}

/// The functions that a module exports, each with its type in words.
fn exports(module: &[u8]) -> BTreeMap<String, String> {
    let (mut types, mut functions, mut all) = (Vec::new(), Vec::new(), BTreeMap::new());
    for payload in Parser::new(0).parse_all(module) {
        match payload.unwrap() {
            Payload::TypeSection(section) => {
                types = section.into_iter_err_on_gc_types().map(Result::unwrap).collect();
            }
            Payload::ImportSection(section) => {
                for import in section.into_imports() {
                    if let TypeRef::Func(index) = import.unwrap().ty {
                        functions.push(index);
                    }
                }
            }
            Payload::FunctionSection(section) => {
                functions.extend(section.into_iter().map(Result::unwrap));
            }
            Payload::ExportSection(section) => {
                for export in section.into_iter().map(Result::unwrap) {
                    if export.kind == ExternalKind::Func {
                        let index = functions[export.index as usize];
                        all.insert(export.name.to_owned(), types[index as usize].to_string());
                    }
                }
            }
            _ => {}
        }
    }
    all
}
