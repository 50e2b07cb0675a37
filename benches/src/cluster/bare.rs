//! One end of the bare program: what the guest `cluster_load` does, over `async-nats` on one thread.

use std::{collections::VecDeque, net::SocketAddr, time::Instant};

use anyhow::{Context as _, Result, bail, ensure};
use async_nats::{Client, Subscriber};
use futures_util::StreamExt as _;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    runtime::Builder,
};

const MESSAGES: &str = "load";
const ACKNOWLEDGEMENTS: &str = "acks";

/// Takes one connection after the other, each with the commands of one end.
pub fn serve(address: SocketAddr, nats: SocketAddr) -> Result<()> {
    let runtime = Builder::new_current_thread().enable_io().enable_time().build()?;
    runtime.block_on(async {
        let client = async_nats::connect(nats.to_string()).await?;
        let listener = TcpListener::bind(address).await?;
        loop {
            let (stream, _) = listener.accept().await?;
            let client = client.clone();
            tokio::spawn(async move {
                // The bench hears of it by the end of the connection.
                if let Err(error) = talk(stream, client).await {
                    eprintln!("{error:#}");
                }
            });
        }
    })
}

async fn talk(stream: TcpStream, client: Client) -> Result<()> {
    stream.set_nodelay(true)?;
    let (reads, mut writes) = stream.into_split();
    let mut lines = BufReader::new(reads).lines();
    let Some(line) = lines.next_line().await? else { return Ok(()) };
    let words: Vec<&str> = line.split(' ').collect();
    match words[..] {
        ["receive", every] => {
            let messages = client.subscribe(MESSAGES).await?;
            client.flush().await?;
            writes.write_all(b"ok\n").await?;
            receive(messages, &client, every.parse()?).await
        }
        ["push", window, every, bytes] => {
            let acknowledgements = client.subscribe(ACKNOWLEDGEMENTS).await?;
            let pushes = Pushes {
                client,
                window: window.parse()?,
                every: every.parse()?,
                message: vec![b'x'; bytes.parse()?].into(),
                pushed: 0,
                acknowledged: 0,
                times: VecDeque::new(),
                taken: Vec::new(),
            };
            pushes.run(acknowledgements, lines, writes).await
        }
        _ => bail!("{line:?} is no command"),
    }
}

async fn receive(mut messages: Subscriber, client: &Client, every: u64) -> Result<()> {
    let mut received = 0_u64;
    while let Some(message) = messages.next().await {
        if message.payload.as_ref() == b"?" {
            client.publish(ACKNOWLEDGEMENTS, "!".into()).await?;
            continue;
        }
        received += 1;
        if received.is_multiple_of(every) {
            client.publish(ACKNOWLEDGEMENTS, "+".into()).await?;
        }
    }
    Ok(())
}

/// What the pushing end knows.
struct Pushes {
    client: Client,
    window: u64,
    every: u64,
    message: bytes::Bytes,
    pushed: u64,
    acknowledged: u64,
    /// When the messages were pushed that will be acknowledged, the oldest first.
    times: VecDeque<Instant>,
    /// From a push to its acknowledgement, in nanoseconds.
    taken: Vec<u64>,
}

impl Pushes {
    async fn run(
        mut self,
        mut acknowledgements: Subscriber,
        mut lines: Lines<BufReader<OwnedReadHalf>>,
        mut writes: OwnedWriteHalf,
    ) -> Result<()> {
        let mut has_begun = false;
        loop {
            tokio::select! {
                line = lines.next_line() => match line?.as_deref() {
                    None => return Ok(()),
                    Some("probe") if has_begun => {}
                    Some("probe") => self.client.publish(MESSAGES, "?".into()).await?,
                    Some("tell") => writes.write_all(self.tell().as_bytes()).await?,
                    Some(other) => bail!("{other:?} is no command"),
                },
                message = acknowledgements.next() => {
                    let message = message.context("the subscription has ended")?;
                    if message.payload.as_ref() == b"+" {
                        self.acknowledge().await?;
                    } else if !has_begun {
                        has_begun = true;
                        writes.write_all(b"there\n").await?;
                        self.fill().await?;
                    }
                }
            }
        }
    }

    async fn fill(&mut self) -> Result<()> {
        while self.pushed < self.acknowledged + self.window {
            self.client.publish(MESSAGES, self.message.clone()).await?;
            self.pushed += 1;
            if self.pushed.is_multiple_of(self.every) {
                self.times.push_back(Instant::now());
            }
        }
        Ok(())
    }

    async fn acknowledge(&mut self) -> Result<()> {
        self.acknowledged += self.every;
        let pushed = self.times.pop_front();
        ensure!(pushed.is_some(), "an acknowledgement of what was not pushed");
        self.taken.extend(pushed.map(|pushed| pushed.elapsed().as_nanos() as u64));
        self.fill().await
    }

    fn tell(&mut self) -> String {
        self.taken.sort_unstable();
        let at = |share: usize| self.taken.get(self.taken.len() * share / 1000).copied();
        let last = self.taken.last().copied().unwrap_or_default();
        let (median, p99) = (at(500).unwrap_or_default(), at(990).unwrap_or_default());
        let told = format!("{} {median} {p99} {last}\n", self.acknowledged);
        self.taken.clear();
        told
    }
}
