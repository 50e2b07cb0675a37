"""Python's ssl as a client: tls.py PORT CA COMMAND [KEY=VALUE…] prints what it sees, a line each.

Commands: echo, big, tiny, cut, leave, half, early. Keys: name (SNI and the name that is checked), min and max (1.2, 1.3),
alpn (with commas), cert and key (files), any (takes any certificate), at (an address)."""

import hashlib
import random
import select
import socket
import ssl
import sys

VERSIONS = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}
port, authority, command = int(sys.argv[1]), sys.argv[2], sys.argv[3]
options = dict(word.split("=", 1) for word in sys.argv[4:])


def say(*words):
    print(*words, flush=True)


def context():
    made = ssl.create_default_context(cafile=authority)
    # Otherwise an end that was not said looks like one that was.
    made.options &= ~ssl.OP_IGNORE_UNEXPECTED_EOF
    if "any" in options:
        made.check_hostname, made.verify_mode = False, ssl.CERT_NONE
    made.minimum_version = VERSIONS[options.get("min", "1.2")]
    made.maximum_version = VERSIONS[options.get("max", "1.3")]
    if "alpn" in options:
        made.set_alpn_protocols(options["alpn"].split(","))
    if "cert" in options:
        made.load_cert_chain(options["cert"], options["key"])
    return made


def connect(made=None, session=None):
    raw = socket.create_connection((options.get("at", "127.0.0.1"), port), timeout=30)
    return (made or context()).wrap_socket(
        raw,
        server_hostname=options.get("name", "localhost"),
        suppress_ragged_eofs=False,
        session=session,
    )


def read_exactly(tls, count):
    parts = []
    while count:
        part = tls.recv(min(count, 1 << 16))
        if not part:
            raise EOFError
        parts.append(part)
        count -= len(part)
    return b"".join(parts)


def read_to_end(tls):
    count = 0
    try:
        while part := tls.recv(1 << 16):
            count += len(part)
        return count, "said"
    except ssl.SSLError as error:
        if "EOF" not in str(error).upper():
            raise
        return count, "cut"


def names_of(certificate):
    return ",".join(name for _, name in certificate.get("subjectAltName", ()))


def echo():
    tls = connect()
    tls.sendall(b"hello")
    say(tls.version(), tls.selected_alpn_protocol(), names_of(tls.getpeercert() or {}))
    say(read_exactly(tls, 5).decode())
    tls.unwrap()
    say("unwrapped")


def there_and_back(tls, pieces):
    """Sends the pieces and reads as much, both at once; the digests of both."""
    tls.setblocking(False)
    sent, came = hashlib.sha256(), hashlib.sha256()
    left_to_read = 0
    piece = next(pieces, b"")
    while piece or left_to_read:
        moved = False
        if piece:
            try:
                count = tls.send(piece)
                sent.update(piece[:count])
                left_to_read += count
                piece = piece[count:] or next(pieces, b"")
                moved = True
            except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
                pass
        try:
            part = tls.recv(1 << 16)
            if not part:
                raise EOFError(left_to_read)
            came.update(part)
            left_to_read -= len(part)
            moved = True
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            pass
        if not moved:
            select.select([tls], [tls] if piece else [], [], 30)
    return sent.digest(), came.digest()


def big():
    """So many bytes there and back, each looked at."""
    count = int(options["bytes"])
    block = random.Random(7).randbytes(1 << 20)
    pieces = (block[: min(count - at, len(block))] for at in range(0, count, len(block)))
    sent, came = there_and_back(connect(), pieces)
    say("same" if came == sent else "changed")


def tiny():
    """Records of one byte."""
    sent, came = there_and_back(connect(), (b"x" for _ in range(int(options["records"]))))
    say("same" if came == sent else "changed")


def cut():
    """Ends below the session, which is not told."""
    tls = connect()
    tls.sendall(b"hello")
    say(read_exactly(tls, 5).decode())
    raw = socket.socket(fileno=tls.detach())
    raw.shutdown(socket.SHUT_WR)
    raw.settimeout(30)
    while raw.recv(1 << 16):
        pass
    say("closed")


def leave():
    """Reads until the other side ends, and how."""
    tls = connect()
    tls.sendall(options.get("send", "").encode())
    say(*read_to_end(tls))


def resume():
    """Twice with the same session."""
    made = context()
    first = connect(made)
    first.sendall(b"hello")
    read_exactly(first, 5)
    session = first.session
    first.unwrap()
    second = connect(made, session)
    second.sendall(b"again")
    say(read_exactly(second, 5).decode(), second.session_reused)


def refused():
    """The other side does not take this one: in which words."""
    try:
        tls = connect()
        tls.sendall(b"hello")
        tls.recv(5)
        say("taken")
    except ssl.SSLError as error:
        # Python has no name for some alerts.
        say(error.reason or error.args[1])
    except ConnectionResetError:
        say("reset")


try:
    globals()[command]()
except ssl.SSLCertVerificationError as error:
    say("not verified:", error.verify_message)
