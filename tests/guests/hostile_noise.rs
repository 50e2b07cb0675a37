//! Interprets any bytes that it gets as calls of the host's functions.

use std::{cell::RefCell, time::Duration};

use sandloop::{
    Channel, Connection, Queue, Server, Socket, bind_connect,
    channels::Subscription,
    connect, connect_unix, open_datagram_socket, processes,
    processes::{Process, ProcessId},
    queues::Pop,
    reactor::try_next_tick,
    start_server,
    timers::{Timer, try_add_timer},
    try_defer,
};

thread_local! {
    static HELD: RefCell<Held> = RefCell::default();
}

/// What earlier calls have answered.
#[derive(Default)]
struct Held {
    sockets: Vec<Socket>,
    timers: Vec<Timer>,
    subscriptions: Vec<Subscription>,
    pops: Vec<Pop>,
    processes: Vec<ProcessId>,
    servers: Vec<Server>,
}

struct Noise(Socket);

impl Noise {
    fn new(socket: Socket) -> Self {
        HELD.with_borrow_mut(|held| held.sockets.push(socket.clone()));
        Noise(socket)
    }
}

/// One call: which one, and two numbers for it.
fn call(own: &Socket, which: u8, one: u8, two: u8) {
    let name = ["a", "b", "/other/a", "", "\n", "echo"][usize::from(one) % 6];
    let bytes = vec![two; usize::from(one) * usize::from(two)];
    let time = Duration::from_millis(u64::from(two));
    HELD.with_borrow_mut(|held| {
        let socket = held.sockets.get(usize::from(two) % 8).unwrap_or(own).clone();
        match which % 40 {
            0 => drop(socket.try_send_data(&bytes)),
            1 => socket.close_connection(),
            2 => socket.close_connection_after_writing(),
            3 => drop(socket.half_close()),
            4 => socket.keep_half_open(one.is_multiple_of(2)),
            5 => socket.pause(),
            6 => socket.resume(),
            7 => socket.set_comm_inactivity_timeout(time),
            8 => drop(socket.set_pending_connect_timeout(time)),
            9 => drop((socket.peer_address(), socket.local_address(), socket.id())),
            10 => drop((socket.outbound_data_size(), socket.idle_time(), socket.is_paused())),
            11 => held.timers.extend(try_add_timer(time, || {})),
            12 => held.timers.drain(..).for_each(Timer::cancel),
            13 => drop(try_next_tick(|| {})),
            14 => drop(Channel::new(name).try_push(&bytes)),
            15 => held.subscriptions.extend(Channel::new(name).try_subscribe(|_| {})),
            16 => held.subscriptions.drain(..).for_each(|one| one.unsubscribe()),
            17 => drop(Queue::new(name).try_push(&bytes)),
            18 => held.pops.extend(Queue::new(name).try_pop(|_| {})),
            19 => held.pops.drain(..).for_each(Pop::cancel),
            20 => drop((Queue::new(name).size(), Queue::new(name).num_waiting())),
            21 => held.processes.extend(processes::try_spawn("silent", &bytes, |_| {})),
            22 => held.processes.iter().for_each(|process| process.notify(&bytes)),
            23 => held.processes.drain(..).for_each(ProcessId::kill),
            24 => drop(ProcessId::from_u32(u32::from(one)).try_notify(&bytes)),
            25 => ProcessId::from_u32(u32::from(one)).kill(),
            26 => drop(connect("127.0.0.1", u16::from(one), Noise::new_outgoing)),
            27 => drop(connect_unix("/tmp/nothing.sock", Noise::new_outgoing)),
            28 => drop(try_defer(|| Ok(()), |()| {}, |_| {})),
            29 => sandloop::info!("{name} {one}"),
            30 => drop(processes::spawn_of(name, "silent", &bytes, |_| {})),
            31 => held.servers.extend(start_server("127.0.0.1", 0, name)),
            32 => held.servers.drain(..).for_each(|server| server.stop()),
            33 => drop(start_server("127.0.0.1", u16::from(one), "")),
            34 => drop(open_datagram_socket("127.0.0.1", 0, Noise::new_outgoing)),
            35 => drop(socket.send_datagram(&bytes, "127.0.0.1", u16::from(one))),
            36 => drop(bind_connect("127.0.0.1", 0, "127.0.0.1", 9, Noise::new_outgoing)),
            37 => drop(socket.enable_keepalive(time, time, u32::from(one))),
            38 => drop((socket.disable_keepalive(), socket.set_nodelay(one.is_multiple_of(2)))),
            _ => held.sockets.truncate(usize::from(two)),
        }
    });
}

impl Noise {
    fn new_outgoing(socket: Socket) -> Self {
        Noise(socket)
    }
}

impl Connection for Noise {
    fn receive_data(&mut self, data: &[u8]) {
        for bytes in data.chunks_exact(3) {
            call(&self.0, bytes[0], bytes[1], bytes[2]);
        }
    }
}

struct Silent;

impl Silent {
    fn new(_: &[u8]) -> Self {
        Silent
    }
}

impl Process for Silent {
    fn notified(&mut self, _: &[u8]) {}
}

sandloop::plugin! { handlers: [Noise::new], processes: [Silent::new] }
