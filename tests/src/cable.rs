//! Two separate networks and a cable between them, which delays, loses and cuts off packets: loopback never does.

use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketType, recv, send, socket};
use rustix::thread::{LinkNameSpaceType, UnshareFlags, move_into_link_name_space, unshare_unsafe};
use sandloop_testkit::noise::Noise;
use tun_rs::{DeviceBuilder, SyncDevice};

use crate::PATIENCE;

/// The address of the host's end.
pub const HOST: &str = "10.99.0.1";
/// The address of its peers' end.
pub const PEER: &str = "10.99.0.2";

/// Two ends and the cable between them. Dropping it removes it.
pub struct Cable {
    host: End,
    peer: End,
    fate: Arc<Fate>,
    /// Dropping it ends both directions.
    stop: Option<UnixStream>,
    directions: Vec<JoinHandle<()>>,
}

/// A separate network with one device in it.
struct End {
    network: File,
    device: Arc<SyncDevice>,
}

/// How packets are treated.
#[derive(Default)]
struct Fate {
    delay_ms: AtomicU64,
    lost_of_thousand: AtomicU64,
    is_cut: AtomicBool,
    /// The number of lost packets, for threads that wait for one.
    lost: Mutex<u64>,
    has_lost: Condvar,
}

impl Cable {
    /// A cable whose packets have at most `mtu` bytes. None, with a line in the output, if this process may not make networks.
    pub fn lay(mtu: u16) -> Option<Cable> {
        let ends = End::new(HOST, mtu).and_then(|host| Ok((host, End::new(PEER, mtu)?)));
        let (host, peer) = match ends {
            Ok(ends) => ends,
            Err(error) => {
                eprintln!("skipped: this process may not make network namespaces: {error}");
                return None;
            }
        };
        let (stop, stopped) = UnixStream::pair().expect("a pair of sockets");
        let fate = Arc::new(Fate::default());
        let directions = [(&host, &peer), (&peer, &host)].into_iter().zip([1, 2]);
        let directions = directions.map(|((from, to), seed)| {
            let direction = Direction {
                from: from.device.clone(),
                to: to.device.clone(),
                stopped: stopped.try_clone().expect("one more descriptor"),
                fate: fate.clone(),
                noise: Noise::new(seed),
                under_way: VecDeque::new(),
            };
            thread::spawn(move || direction.carry())
        });
        let directions = directions.collect();
        Some(Cable { host, peer, fate, stop: Some(stop), directions })
    }

    /// Runs this at the host's end: everything that is started and opened there is in that network.
    pub fn at_host<T: Send>(&self, run: impl FnOnce() -> T + Send) -> T {
        self.host.within(run)
    }

    /// Runs this at its peers' end.
    pub fn at_peer<T: Send>(&self, run: impl FnOnce() -> T + Send) -> T {
        self.peer.within(run)
    }

    /// Each packet takes this long from now on.
    pub fn delay(&self, each_way: Duration) {
        let milliseconds = u64::try_from(each_way.as_millis()).expect("a short time");
        self.fate.delay_ms.store(milliseconds, Ordering::Relaxed);
    }

    /// Loses this number of packets of a thousand from now on.
    pub fn lose(&self, of_thousand: u64) {
        self.fate.lost_of_thousand.store(of_thousand, Ordering::Relaxed);
    }

    /// No packet arrives from now on, without an error to either end.
    pub fn cut(&self) {
        self.fate.is_cut.store(true, Ordering::SeqCst);
    }

    /// Packets arrive again.
    pub fn mend(&self) {
        self.fate.is_cut.store(false, Ordering::SeqCst);
    }

    /// Takes the cable out of the host's machine, which notices.
    pub fn unplug(&self) {
        let device = self.host.device.clone();
        self.at_host(|| device.enabled(false).expect("a device that goes down"));
    }

    /// Waits until one more packet is lost.
    #[track_caller]
    pub fn wait_for_a_loss(&self) {
        let mut lost = self.fate.lost.lock().expect("the number of lost packets");
        let (before, begun) = (*lost, Instant::now());
        while *lost == before {
            assert!(begun.elapsed() < PATIENCE, "nothing was lost");
            lost = self
                .fate
                .has_lost
                .wait_timeout(lost, PATIENCE)
                .expect("the number of lost packets")
                .0;
        }
    }
}

impl Drop for Cable {
    fn drop(&mut self) {
        self.stop = None;
        for direction in self.directions.drain(..) {
            // A thread that has panicked has reported it.
            let _ = direction.join();
        }
    }
}

impl End {
    fn new(address: &'static str, mtu: u16) -> io::Result<End> {
        let made = thread::spawn(move || {
            // SAFETY: only the network is left, no descriptors.
            unsafe { unshare_unsafe(UnshareFlags::NEWNET)? };
            raise_loopback()?;
            let network = File::open("/proc/thread-self/ns/net")?;
            let builder = DeviceBuilder::new().ipv4(address, 24, None).mtu(mtu);
            let device = builder.build_sync()?;
            device.set_nonblocking(true)?;
            Ok(End { network, device: Arc::new(device) })
        });
        made.join().expect("a thread that makes a network")
    }

    /// Runs this on a separate thread: threads of the test harness are reused, and must stay in their network.
    fn within<T: Send>(&self, run: impl FnOnce() -> T + Send) -> T {
        let entered = move || {
            let network = self.network.as_fd();
            move_into_link_name_space(network, Some(LinkNameSpaceType::Network))
                .expect("a network of this test");
            run()
        };
        match thread::scope(|scope| scope.spawn(entered).join()) {
            Ok(result) => result,
            Err(panic) => std::panic::resume_unwind(panic),
        }
    }
}

/// Brings up the loopback device of this thread's network, which is down in a new one: an end talks to itself as well.
fn raise_loopback() -> io::Result<()> {
    // The kernel's own numbers: RTM_NEWLINK, NLM_F_REQUEST with NLM_F_ACK, the index of the first device, IFF_UP.
    const NEW_LINK: u16 = 16;
    const REQUEST: u16 = 1 | 4;
    const LOOPBACK: u32 = 1;
    const UP: u32 = 1;
    // Both are in one word of the header, in the machine's order.
    let [a, b] = NEW_LINK.to_ne_bytes();
    let [c, d] = REQUEST.to_ne_bytes();
    let header = [32, u32::from_ne_bytes([a, b, c, d]), 1, 0];
    // Which device, which flags it gets, and which of them change.
    let link = [0, LOOPBACK, UP, UP];
    let request: Vec<u8> = header.into_iter().chain(link).flat_map(u32::to_ne_bytes).collect();
    // Without a protocol it is the one about devices and routes.
    let kernel = socket(AddressFamily::NETLINK, SocketType::RAW, None)?;
    send(&kernel, &request, SendFlags::empty())?;
    let mut answer = [0; 64];
    recv(&kernel, &mut answer, RecvFlags::empty())?;
    // The error follows the answer's header; 0 is none.
    match i32::from_ne_bytes([answer[16], answer[17], answer[18], answer[19]]) {
        0 => Ok(()),
        error => Err(io::Error::from_raw_os_error(-error)),
    }
}

/// One direction of the cable.
struct Direction {
    from: Arc<SyncDevice>,
    to: Arc<SyncDevice>,
    stopped: UnixStream,
    fate: Arc<Fate>,
    noise: Noise,
    /// Packets with the moment at which they arrive, in order.
    under_way: VecDeque<(Instant, Vec<u8>)>,
}

impl Direction {
    fn carry(mut self) {
        loop {
            let next = self.under_way.front().map(|(arrives, _)| *arrives);
            let timeout = next.map(|arrives| {
                let wait = arrives.saturating_duration_since(Instant::now());
                Timespec {
                    tv_sec: wait.as_secs().cast_signed(),
                    tv_nsec: wait.subsec_nanos().into(),
                }
            });
            let mut ready = [
                PollFd::new(&*self.from, PollFlags::IN),
                PollFd::new(&self.stopped, PollFlags::IN),
            ];
            if poll(&mut ready, timeout.as_ref()).is_err() || !ready[1].revents().is_empty() {
                return;
            }
            self.take();
            self.give();
        }
    }

    /// Takes all packets that have come.
    fn take(&mut self) {
        let mut packet = [0; 65_536];
        while let Ok(length) = self.from.recv(&mut packet) {
            let of_thousand = self.fate.lost_of_thousand.load(Ordering::Relaxed);
            let is_lost = (self.noise.next() >> 11) % 1000 < of_thousand;
            if is_lost || self.fate.is_cut.load(Ordering::SeqCst) {
                *self.fate.lost.lock().expect("the number of lost packets") += 1;
                self.fate.has_lost.notify_all();
                continue;
            }
            let delay = Duration::from_millis(self.fate.delay_ms.load(Ordering::Relaxed));
            self.under_way.push_back((Instant::now() + delay, packet[..length].to_vec()));
        }
    }

    /// Delivers all packets that have been under way for long enough.
    fn give(&mut self) {
        let now = Instant::now();
        while let Some((_, packet)) = self.under_way.pop_front_if(|(arrives, _)| *arrives <= now) {
            // A device that is down or full loses it, as devices do.
            let _ = self.to.send(&packet);
        }
    }
}
