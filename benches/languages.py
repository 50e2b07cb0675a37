#!/usr/bin/env python3
"""What an echo costs in each language, beside Rust's in the same run.

    python3 benches/languages.py target/quick/sandloop rust=target/plugins/echo.wasm go=target/plugins/go_echo.wasm ...

For each component: the host's processor time for a message (fifty connections, 64 bytes to and fro, the best of three batches of all rounds
so far), divided by that of the first component; the memory that a connection with a sandbox of its own takes; and, with --million, the host's memory after
each tenth of a million messages through one sandbox. Rounds are taken in turn, so that a noisy machine is noisy for all.
"""

import argparse
import os
import socket
import subprocess
import tempfile
import time

CONNECTIONS = 50
MESSAGES = 30_000
SIZE = 64


class Host:
    """A host with one plugin, on a port of the system's choice."""

    def __init__(self, sandloop, component, isolation):
        self.folder = tempfile.TemporaryDirectory()
        path = os.path.join(self.folder.name, "plugins.toml")
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        with open(path, "w") as file:
            file.write(
                f'[plugins.echo]\ncomponent = "{os.path.abspath(component)}"\nisolation = "{isolation}"\n'
                f'[[listen]]\naddress = "tcp://127.0.0.1:{self.port}"\nplugin = "echo"\n'
            )
        self.log = open(os.path.join(self.folder.name, "log"), "w+b")
        self.process = subprocess.Popen([sandloop, "run", path], stdout=self.log, stderr=self.log)
        while b" ready " not in self.said():
            if self.process.poll() is not None:
                raise SystemExit(self.said().decode())
            time.sleep(0.05)

    def said(self):
        with open(self.log.name, "rb") as log:
            return log.read()

    def nanoseconds(self):
        total = 0
        for task in os.listdir(f"/proc/{self.process.pid}/task"):
            with open(f"/proc/{self.process.pid}/task/{task}/schedstat") as file:
                total += int(file.read().split()[0])
        return total

    def kib(self):
        with open(f"/proc/{self.process.pid}/status") as file:
            return next(int(line.split()[1]) for line in file if line.startswith("RssAnon"))

    def connect(self):
        peer = socket.create_connection(("127.0.0.1", self.port))
        peer.settimeout(60)
        return peer

    def end(self):
        self.process.kill()
        self.process.wait()
        self.log.close()
        self.folder.cleanup()


def echo(peers, message, rounds):
    for _ in range(rounds):
        for peer in peers:
            peer.sendall(message)
        for peer in peers:
            answer = peer.recv(SIZE)
            while len(answer) < SIZE:
                answer += peer.recv(SIZE - len(answer))
            assert answer == message


def measure(sandloop, component):
    host = Host(sandloop, component, "connection")
    message = os.urandom(SIZE)
    before = host.kib()
    peers = [host.connect() for _ in range(2 * CONNECTIONS)]
    echo(peers, message, 1)
    idle = (host.kib() - before) / len(peers)
    for peer in peers[CONNECTIONS:]:
        peer.close()
    peers = peers[:CONNECTIONS]
    best = float("inf")
    for _ in range(3):
        begun = host.nanoseconds()
        echo(peers, message, MESSAGES // CONNECTIONS)
        best = min(best, (host.nanoseconds() - begun) / MESSAGES / 1000)
    host.end()
    return best, idle


def million(sandloop, component, total):
    host = Host(sandloop, component, "plugin")
    peers = [host.connect() for _ in range(CONNECTIONS)]
    message = b"%063d\n" % 7
    seen = []
    for _ in range(10):
        echo(peers, message, total // 10 // CONNECTIONS)
        seen.append(host.kib())
    traps = host.said().count(b"trapped")
    host.end()
    return seen, traps


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("sandloop")
    parser.add_argument("components", nargs="+", metavar="NAME=FILE")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--million", type=int, nargs="?", const=1_000_000, metavar="MESSAGES")
    words = parser.parse_args()
    components = [word.split("=", 1) for word in words.components]
    best = {}
    for _ in range(words.rounds):
        for name, component in components:
            spent, idle = measure(words.sandloop, component)
            best[name] = min(spent, best.get(name, spent))
            ratio = best[name] / best[components[0][0]]
            print(f"{name:16} {best[name]:6.2f} us a message {ratio:5.2f}  {idle:6.0f} KiB a connection", flush=True)
    if words.million:
        for name, component in components:
            seen, traps = million(words.sandloop, component, words.million)
            print(f"{name:16} KiB after each tenth: {' '.join(map(str, seen))}; traps: {traps}", flush=True)


if __name__ == "__main__":
    main()
