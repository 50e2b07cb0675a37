"""The mistakes of a new author, against the real compiler and the real host: each gives one message with cause, place and remedy.

`cargo xtask languages` says where the host is.
"""

from __future__ import annotations

import os
import re
import shutil
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import unittest
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

HOST = os.environ.get("SANDLOOP_BIN")
ECHO = "from sandloop import Connection\n\n\nclass Echo(Connection):\n    pass\n"

#: What the build says: a name, the module, the words.
BUILD = [
    ("no handler", "import sandloop\n", r"^error: .*app\.py: ImportError: app\.py has no handler: write class Echo\(sandloop\.Connection\)"),
    ("a slip in a name", ECHO + "\n    def recieve_data(self, data): ...\n", r"^error: .*app\.py:4: TypeError: class Echo: the host never calls recieve_data: the callback is called receive_data"),
    ("the host too early", ECHO + "\nimport sandloop\nsandloop.call_later(1, print)\n", r"^error: .*app\.py:8: RuntimeError: call_later: the top level of a module runs once, when the plugin is built.*move this into start\(\)"),
    ("a module that is not there", "import nothing_of_that_name\n" + ECHO, r"^error: .*app\.py:1: ModuleNotFoundError: No module named 'nothing_of_that_name'"),
    ("bad syntax", "class\n", r"^error: .*app\.py:1: SyntaxError: invalid syntax"),
]

#: What the log says, by the handler that is connected to.
RUN = [
    ("throws", r"ERROR Throws\.receive_data raised IndexError: index out of range at helper \(app\.py:12\) < receive_data \(app\.py:9\)"),
    ("wrong", r"ERROR Wrong\.receive_data raised TypeError: send_data takes str or bytes, not int: str\(it\) or json\.dumps\(it\) makes text of it at receive_data \(app\.py:17\)"),
    ("later", r"ERROR Later\.receive_data raised KeyError: 'later' at receive_data \(app\.py:23\)"),
    ("foreign", r"ERROR Foreign\.receive_data raised TypeError: await of NoneType: only what sandloop gives can be awaited here"),
    ("missing", r"ERROR Missing\.serve raised NotImplementedError: class Missing has no async def serve\(self\)"),
    ("late", r"WARN send_data on a connection that has ended \(closed\) sends nothing at too_late \(app\.py:45\): end in unbind\(\)"),
]

APP = '''from types import coroutine

from sandloop import Connection, Stream, call_later, sleep


class Throws(Connection):
    def receive_data(self, data):
        print("said")
        self.helper(data)

    def helper(self, data):
        data[100]


class Wrong(Connection):
    def receive_data(self, data):
        self.send_data(5)


class Later(Connection):
    async def receive_data(self, data):
        await sleep(0.001)
        raise KeyError("later")


class Foreign(Connection):
    async def receive_data(self, data):
        await coroutine(lambda: (yield))()


class Missing(Stream):
    pass


class Late(Connection):
    def receive_data(self, data):
        self.close_connection()

    def unbind(self, reason):
        if reason == "closed":
            call_later(0.001, self.too_late)

    def too_late(self):
        # One line more.
        self.send_data("late")


class StartTls(Connection):
    """STARTTLS: a word in plain, then TLS."""

    def receive_data(self, data):
        if data == b"STARTTLS\\r\\n":
            self.send_data("220 go ahead\\r\\n")
            self.start_tls(profile="main")
        else:
            self.send_data(data.upper())

    def tls_completed(self):
        self.send_data(f"250 {self.tls_session.version.name}\\r\\n")
'''


def build(folder: Path, source: str) -> tuple[int, str]:
    (folder / "app.py").write_text(source)
    command = [sys.executable, "-m", "sandloop.build", "-o", "plugin.wasm", "app.py"]
    sdk = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[1])}
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, env=sdk)
    return done.returncode, done.stdout + done.stderr


class Host:
    """A host that serves a folder; its log."""

    def __init__(self, folder: Path) -> None:
        assert HOST
        self.log = ""
        self._changed = threading.Condition()
        self._child = subprocess.Popen([HOST, "run", folder / "plugins.toml"], stderr=subprocess.PIPE, text=True)
        self._deadline = threading.Timer(500, self._child.kill)
        self._deadline.start()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self._child.stderr
        for line in self._child.stderr:
            with self._changed:
                self.log += line
                self._changed.notify_all()
        with self._changed:
            self.log += "(the host has ended)"
            self._changed.notify_all()

    def until(self, words: str) -> None:
        with self._changed:
            self._changed.wait_for(lambda: re.search(words, self.log) or "(the host has ended)" in self.log)
            if not re.search(words, self.log):
                raise AssertionError(f"{words} is not in the log:\n{self.log}")

    def ports(self) -> dict[str, int]:
        return {name: int(port) for port, name in re.findall(r'serving address="tcp://127\.0\.0\.1:(\d+)" plugin="p" handler="(\w+)"', self.log)}

    def stop(self) -> None:
        self._deadline.cancel()
        self._child.terminate()
        self._child.wait()


@contextmanager
def served(folder: Path, handlers: list[str], more: str = "") -> Iterator[Host]:
    listeners = "".join(f'[[listen]]\naddress = "tcp://127.0.0.1:0"\nplugin = "p"\nhandler = "{name}"\n' for name in handlers)
    limits = '[plugins.p.limits]\nmemory = "64MiB"\n'
    (folder / "plugins.toml").write_text(f'[plugins.p]\ncomponent = "plugin.wasm"\nisolation = "plugin"\n{limits}{more}{listeners}')
    host = Host(folder)
    try:
        host.until(" ready ")
        yield host
    finally:
        host.stop()


def receive(peer: socket.socket, words: bytes) -> None:
    """Reads until it has come."""
    got = b""
    while not got.endswith(words):
        data = peer.recv(4096)
        assert data, got
        got += data


@unittest.skipUnless(HOST, "cargo xtask languages says where the host is")
class Mistakes(unittest.TestCase):
    def setUp(self) -> None:
        self.folder = Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.folder)

    def test_mistakes_that_the_build_tells(self) -> None:
        for name, source, words in BUILD:
            with self.subTest(name):
                status, said = build(self.folder, source)
                self.assertRegex(said, words)
                self.assertEqual((status, len(said.splitlines())), (1, 1), said)

    def test_mistakes_that_the_log_tells_and_start_tls(self) -> None:
        self.assertEqual(build(self.folder, APP), (0, ""))
        key = "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -keyout key.pem -out certificate.pem -subj /CN=localhost -addext subjectAltName=DNS:localhost"
        subprocess.run(key.split(), cwd=self.folder, check=True, capture_output=True)
        profile = '[plugins.p.tls.main]\ncertificate = "certificate.pem"\nkey = "key.pem"\n'
        with served(self.folder, [name for name, _ in RUN] + ["starttls"], profile) as host:
            ports = host.ports()
            with socket.create_connection(("127.0.0.1", ports["starttls"])) as plain:
                plain.sendall(b"STARTTLS\r\n")
                receive(plain, b"220 go ahead\r\n")
                context = ssl.create_default_context(cafile=str(self.folder / "certificate.pem"))
                with context.wrap_socket(plain, server_hostname="localhost") as secure:
                    receive(secure, b"250 TLS13\r\n")
                    secure.sendall(b"hello\n")
                    receive(secure, b"HELLO\n")
            for name, words in RUN:
                with self.subTest(name), socket.create_connection(("127.0.0.1", ports[name])) as peer:
                    peer.sendall(b"x")
                    host.until(words)
                    # The next one must not come to the instance that is just ending.
                    with suppress(ConnectionResetError):
                        self.assertEqual(peer.recv(1), b"")


if __name__ == "__main__":
    unittest.main()
