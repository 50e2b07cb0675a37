"""Python's ssl beside a plugin that begins TLS itself: start_tls.py COMMAND [KEY=VALUE…] prints what it sees, a line each.

`serve` prints its port and serves `times` connections: keys cert, key, ca (of clients, who must show one), min and max (1.2,
1.3), alpn (with commas), word (waits for STARTTLS first), plain (answers without TLS), mute (answers nothing), end (unwrap, cut,
leave). `ask` is a client at `port`: ca, cert, key, word, behind (what stands behind STARTTLS), then (what is sent in plain after
it), say, bytes (so many there and back, each looked at), name, alpn, min, max."""

import hashlib
import random
import select
import socket
import ssl
import sys

VERSIONS = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}
command = sys.argv[1]
options = dict(word.split("=", 1) for word in sys.argv[2:])


def say(*words):
    print(*words, flush=True)


def line_of(stream):
    """Up to the end of a line, byte by byte: nothing behind it is taken."""
    line = b""
    while not line.endswith(b"\n"):
        byte = stream.recv(1)
        if not byte:
            break
        line += byte
    return line


def set_up(context):
    context.options &= ~ssl.OP_IGNORE_UNEXPECTED_EOF
    context.minimum_version = VERSIONS[options.get("min", "1.2")]
    context.maximum_version = VERSIONS[options.get("max", "1.3")]
    if "alpn" in options:
        context.set_alpn_protocols(options["alpn"].split(","))
    if "cert" in options:
        context.load_cert_chain(options["cert"], options["key"])
    return context


def end(tls):
    how = options.get("end", "unwrap")
    if how == "unwrap":
        try:
            tls.unwrap()
        except (ssl.SSLError, OSError):
            pass
    elif how == "cut":
        socket.socket(fileno=tls.detach()).close()
    elif how == "leave":
        try:
            say("ended", "said" if tls.recv(1 << 16) == b"" else "more")
        except ssl.SSLError:
            say("ended cut")


def serve():
    context = set_up(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER))
    asked = []
    context.sni_callback = lambda _, name, __: asked.append(name)
    if "ca" in options:
        context.load_verify_locations(options["ca"])
        context.verify_mode = ssl.CERT_REQUIRED
    listener = socket.create_server(("127.0.0.1", 0))
    say(listener.getsockname()[1])
    for _ in range(int(options.get("times", "1"))):
        raw, _ = listener.accept()
        raw.settimeout(30)
        try:
            if "word" in options:
                say("word", line_of(raw).decode().strip())
                raw.sendall(b"220 go on\n")
            if "plain" in options:
                raw.sendall(b"this is no TLS\n")
            if "mute" in options or "plain" in options:
                while raw.recv(1 << 16):
                    pass
                continue
            tls = context.wrap_socket(raw, server_side=True, suppress_ragged_eofs=False)
            names = [name for _, name in (tls.getpeercert() or {}).get("subjectAltName", ())]
            say(tls.version(), tls.selected_alpn_protocol(), asked[-1], ",".join(names) or "nobody")
            line = line_of(tls)
            say("line", line.decode().strip())
            tls.sendall(b"hello " + line + b"bye\n" * ("leave" in options.get("end", "")))
            end(tls)
        except (ssl.SSLError, OSError) as error:
            say("failed", getattr(error, "reason", None) or error)
    say("done")


def there_and_back(tls, count):
    """Whether so many bytes come back as they were sent. One thread does both: a session of Python's is not for two."""
    tls.setblocking(False)
    block = memoryview(random.Random(7).randbytes((1 << 20) + 1))
    sent, came = hashlib.sha256(), hashlib.sha256()
    to_send, to_read = count, count
    piece = block[:0]
    while to_read:
        moved = False
        if to_send and not piece:
            piece = block[: min(to_send, len(block))]
        try:
            if piece:
                taken = tls.send(piece)
                sent.update(piece[:taken])
                piece, to_send, moved = piece[taken:], to_send - taken, True
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            pass
        try:
            part = tls.recv(min(to_read, 1 << 16))
            if not part:
                return False
            came.update(part)
            to_read, moved = to_read - len(part), True
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            pass
        if not moved:
            select.select([tls], [tls] if piece else [], [], 30)
    tls.settimeout(30)
    return sent.digest() == came.digest()


def ask():
    context = set_up(ssl.create_default_context(cafile=options["ca"]))
    raw = socket.create_connection(("127.0.0.1", int(options["port"])), timeout=30)
    if "word" in options:
        raw.sendall(b"STARTTLS\n" + options.get("behind", "").encode())
        if "then" in options:
            raw.sendall(options["then"].encode() + b"\n")
        answer = line_of(raw)
        say(answer.decode().strip())
        if not answer.startswith(b"220"):
            say("end" if raw.recv(1) == b"" else "more")
            return
    name = options.get("name", "localhost")
    tls = context.wrap_socket(raw, server_hostname=name, suppress_ragged_eofs=False)
    say(tls.version(), tls.selected_alpn_protocol())
    if "bytes" in options:
        say("same" if there_and_back(tls, int(options["bytes"])) else "changed")
        return end(tls)
    tls.sendall(options.get("say", "hello").encode() + b"\n")
    say(line_of(tls).decode().strip())
    if options.get("more"):
        say(line_of(tls).decode().strip())
    end(tls)


try:
    globals()[command]()
except (ssl.SSLError, OSError) as error:
    say("failed", getattr(error, "reason", None) or error)
