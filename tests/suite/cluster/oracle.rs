//! The oracle that the programs of a singleton report to, on any host: no two may run at once.

use std::io::{self, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread::{self, JoinHandle};
use std::time::Instant;

use rustix::event::{PollFd, PollFlags, poll};
use sandloop_tests::PATIENCE;
use tempfile::TempDir;

/// Listens until it is dropped.
pub(super) struct Oracle {
    dir: TempDir,
    shared: Arc<Shared>,
    /// Dropping it ends the thread.
    stop: Option<UnixStream>,
    thread: Option<JoinHandle<()>>,
    /// The number of words that the test has seen.
    seen: usize,
}

/// A word of a program.
#[derive(Debug, Clone)]
pub(super) struct Word {
    pub(super) at: Instant,
    pub(super) host: String,
    pub(super) fencing: u64,
    pub(super) word: String,
}

#[derive(Default)]
struct Shared {
    heard: Mutex<Heard>,
    bell: Condvar,
}

#[derive(Default)]
struct Heard {
    words: Vec<Word>,
    /// The last connection of each program, by which it can be answered.
    speakers: Vec<(u64, UnixStream)>,
    /// Words of a program after another one had begun.
    faults: Vec<String>,
}

/// A connection of a program.
struct Speaker {
    stream: UnixStream,
    fencing: u64,
    rest: Vec<u8>,
}

impl Oracle {
    pub(super) fn listen() -> Oracle {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let listener = UnixListener::bind(dir.path().join("oracle")).expect("a path of our own");
        listener.set_nonblocking(true).expect("a socket");
        let (stop, stopped) = UnixStream::pair().expect("a pair of sockets");
        let shared = Arc::new(Shared::default());
        let thread = thread::spawn({
            let shared = shared.clone();
            move || hear(&listener, &stopped, &shared)
        });
        Oracle { dir, shared, stop: Some(stop), thread: Some(thread), seen: 0 }
    }

    /// The path of its socket.
    pub(super) fn path(&self) -> String {
        self.dir.path().join("oracle").display().to_string()
    }

    /// Waits for the next word of this kind after those that were waited for already.
    #[track_caller]
    pub(super) fn wait(&mut self, what: &str, is_meant: impl Fn(&Word) -> bool) -> Word {
        let begun = Instant::now();
        let mut heard = self.shared.lock();
        loop {
            assert!(heard.faults.is_empty(), "two at once: {:?}", heard.faults);
            let found = heard.words[self.seen..].iter().position(&is_meant);
            if let Some(found) = found {
                self.seen += found + 1;
                return heard.words[self.seen - 1].clone();
            }
            let left = PATIENCE.saturating_sub(begun.elapsed());
            let last = heard.words.last();
            assert!(!left.is_zero(), "nobody says `{what}`; the last word is {last:?}");
            heard = self.shared.bell.wait_timeout(heard, left).expect("no panic").0;
        }
    }

    /// Waits until a program begins.
    #[track_caller]
    pub(super) fn begins(&mut self) -> Word {
        self.wait("begins", |word| word.word.starts_with("begins"))
    }

    /// Waits for a heartbeat of this program.
    #[track_caller]
    pub(super) fn beats(&mut self, of: &Word) -> Word {
        self.wait("beats", |word| word.fencing == of.fencing && word.word == "beats")
    }

    /// The last word of this program.
    pub(super) fn last_of(&self, of: &Word) -> Word {
        let heard = self.shared.lock();
        let last = heard.words.iter().rev().find(|word| word.fencing == of.fencing);
        last.expect("it has said something").clone()
    }

    /// Skips everything so far.
    pub(super) fn skip(&mut self) {
        self.seen = self.shared.lock().words.len();
    }

    /// Sends a word to a program.
    pub(super) fn say(&self, to: &Word, word: &str) {
        let heard = self.shared.lock();
        let (_, stream) =
            heard.speakers.iter().find(|(fencing, _)| *fencing == to.fencing).expect("it is known");
        (&*stream).write_all(word.as_bytes()).expect("an open connection");
    }

    /// Checks that no two programs have run at once.
    #[track_caller]
    pub(super) fn one_at_a_time(&self) {
        let heard = self.shared.lock();
        assert!(heard.faults.is_empty(), "two at once: {:?}", heard.faults);
    }
}

impl Drop for Oracle {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Heard> {
        self.heard.lock().expect("no panic")
    }

    fn take(&self, speaker: &mut Speaker, line: &str) {
        let mut words = line.split(' ');
        let (host, fencing, word) = (words.next(), words.next(), words.next());
        let (Some(host), Some(Ok(fencing)), Some(word)) =
            (host, fencing.map(str::parse::<u64>), word)
        else {
            return self.lock().faults.push(format!("{line:?} is no word"));
        };
        let mut heard = self.lock();
        if speaker.fencing != fencing {
            speaker.fencing = fencing;
            let stream = speaker.stream.try_clone().expect("a descriptor");
            heard.speakers.retain(|(known, _)| *known != fencing);
            heard.speakers.push((fencing, stream));
        }
        if let Some(last) = heard.words.last().filter(|last| fencing < last.fencing) {
            let fault = format!("{line:?} after {} of {} has begun", last.fencing, last.host);
            heard.faults.push(fault);
        }
        let (host, word) = (host.to_owned(), word.to_owned());
        heard.words.push(Word { at: Instant::now(), host, fencing, word });
        drop(heard);
        self.bell.notify_all();
    }
}

impl Speaker {
    /// Reads available bytes; false if the connection has ended.
    fn read(&mut self, shared: &Shared) -> bool {
        let mut buffer = [0; 4096];
        loop {
            match self.stream.read(&mut buffer) {
                Ok(0) => return false,
                Ok(length) => self.rest.extend(&buffer[..length]),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return true,
                Err(_) => return false,
            }
            while let Some(end) = self.rest.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.rest.drain(..=end).collect();
                shared.take(self, String::from_utf8_lossy(&line).trim_end());
            }
        }
    }
}

/// Reads all connections in turns. Words that come in one turn count as simultaneous: the earlier program's are taken first.
fn hear(listener: &UnixListener, stopped: &UnixStream, shared: &Shared) {
    let mut speakers: Vec<Speaker> = Vec::new();
    loop {
        let mut ready =
            vec![PollFd::new(stopped, PollFlags::IN), PollFd::new(listener, PollFlags::IN)];
        ready.extend(speakers.iter().map(|it| PollFd::new(&it.stream, PollFlags::IN)));
        if poll(&mut ready, None).is_err() || !ready[0].revents().is_empty() {
            return;
        }
        drop(ready);
        speakers.sort_by_key(|speaker| speaker.fencing);
        speakers.retain_mut(|speaker| speaker.read(shared));
        while let Ok((stream, _)) = listener.accept() {
            stream.set_nonblocking(true).expect("a socket");
            speakers.push(Speaker { stream, fencing: u64::MAX, rest: Vec::new() });
        }
    }
}
