//! The threads that write: a slow reader of standard error or standard output delays only one of them.

use std::io;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;

use crate::clock::{Clock, Moment};
use crate::config::bound::Bound;
use crate::config::limits;
use crate::log::queue::{StandardStream, WriteQueue, WriterTask};
use crate::log::share::LogShare;

/// Starts the thread that writes `queue` to `file`, for as long as the process lives.
///
/// # Errors
/// When the system has no more threads.
pub(super) fn spawn(queue: &Arc<WriteQueue>, file: impl AsFd + Send + 'static) -> io::Result<()> {
    let name = match queue.stream {
        StandardStream::Log => "log",
        StandardStream::Output => "stdout",
    };
    let queue = queue.clone();
    std::thread::Builder::new().name(name.into()).spawn(move || run(&queue, &file)).map(drop)
}

fn run(queue: &WriteQueue, file: &impl AsFd) {
    let clock = Clock::system();
    let mut last_told: Option<Moment> = None;
    let since = |last: Option<Moment>| last.map_or(Duration::MAX, |last| clock.now().since(last));
    let mut buffer = Vec::new();
    loop {
        buffer.clear();
        if let WriterTask::Write(entries) = queue.next(&mut buffer, since(last_told)) {
            match write_all(queue, file, &buffer) {
                Ok(()) => queue.done(entries, true),
                // The reader has closed the stream, or it was never open.
                Err(Errno::PIPE | Errno::BADF) => {
                    queue.done(entries, true);
                    queue.gone();
                }
                // A full disk may have room again.
                Err(_) => queue.done(entries, false),
            }
        }
        if queue.is_to_tell(since(last_told)) {
            last_told = Some(clock.now());
            tell(queue);
            queue.done(Vec::new(), true);
        }
    }
}

fn write_all(queue: &WriteQueue, file: &impl AsFd, mut bytes: &[u8]) -> Result<(), Errno> {
    while !bytes.is_empty() {
        match rustix::io::write(file, bytes) {
            Ok(0) => return Err(Errno::IO),
            Ok(written) => {
                bytes = &bytes[written..];
                let written = u64::try_from(written).unwrap_or(u64::MAX);
                queue.written.fetch_add(written, Ordering::Relaxed);
            }
            Err(Errno::INTR) => {}
            // Another process that has the same terminal or pipe has made it non-blocking.
            Err(Errno::AGAIN) => {
                poll(&mut [PollFd::new(file, PollFlags::OUT)], None)?;
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Logs a line for each bound and tenant of which lines were omitted since the last report.
fn tell(queue: &WriteQueue) {
    let bound = match queue.stream {
        StandardStream::Log => &limits::LOG_QUEUE,
        StandardStream::Output => &limits::STDOUT_QUEUE,
    };
    for share in LogShare::all() {
        let tenant = Some(&*share.name);
        if queue.stream == StandardStream::Log {
            let lines = share.above_rate.tell();
            if 0 < lines {
                tracing::warn!(
                    tenant,
                    limit = limits::LOG_PER_SECOND.name,
                    lines,
                    "lines of its plugins were left out"
                );
            }
        }
        let account = match queue.stream {
            StandardStream::Log => &share.log,
            StandardStream::Output => &share.output,
        };
        tell_lost(queue.stream, bound, tenant, account.lost.tell());
    }
    tell_lost(queue.stream, bound, None, queue.host.lost.tell());
}

/// Without a tenant, lines of the host.
fn tell_lost(stream: StandardStream, bound: &Bound, tenant: Option<&str>, count: u64) {
    match stream {
        _ if count == 0 => {}
        StandardStream::Log => tracing::warn!(
            tenant,
            limit = bound.name,
            lines = count,
            "lines were left out: whoever reads the log is too slow"
        ),
        StandardStream::Output => tracing::warn!(
            tenant,
            limit = bound.name,
            bytes = count,
            "standard output was left out: whoever reads it is too slow"
        ),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    #[test]
    fn what_is_pushed_is_written_in_order() {
        let queue = Arc::new(WriteQueue::new(StandardStream::Output, 1 << 20));
        let (mut reader, writer) = io::pipe().expect("a pipe");
        spawn(&queue, writer).expect("a thread");
        let share = LogShare::new("one", 1);
        let expected: String = (0..1000).map(|number| format!("{number}\n")).collect();
        for line in expected.split_inclusive('\n') {
            queue.push(Some(share.clone()), line.as_bytes().to_vec(), 1);
        }
        let mut read = vec![0; expected.len()];
        reader.read_exact(&mut read).expect("everything comes");
        assert_eq!(String::from_utf8_lossy(&read), expected);
        queue.flush(Duration::from_secs(60), Duration::from_secs(60));
        // A flush does not wait for a closed stream.
        drop(reader);
        queue.push(Some(share), vec![b'x'; 1000], 1000);
        queue.flush(Duration::from_secs(60), Duration::from_secs(60));
    }

    #[test]
    fn a_reader_that_stalls_holds_up_nobody() {
        let queue = Arc::new(WriteQueue::new(StandardStream::Output, 1 << 20));
        let (_reader, writer) = io::pipe().expect("a pipe");
        spawn(&queue, writer).expect("a thread");
        let share = LogShare::new("one", 1);
        for _ in 0..100 {
            queue.push(Some(share.clone()), vec![b'x'; 50_000], 50_000);
        }
        queue.flush(Duration::from_millis(10), Duration::from_secs(60));
        assert!(0 < share.output.lost.total());
    }
}
