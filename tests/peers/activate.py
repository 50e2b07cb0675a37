"""Opens sockets, hands them over as systemd does, and becomes the program behind `--`.

usage: activate.py NAME=KIND... -- PROGRAM ARGUMENT...
KIND is tcp, udp, unix:PATH, or what cannot be served: bound (TCP that does not listen), datagrams:PATH, file.
"""

import os
import socket
import sys


def opened(kind, path):
    if kind == "tcp" or kind == "bound":
        handed = socket.create_server(("127.0.0.1", 0)) if kind == "tcp" else socket.socket()
        if kind == "bound":
            handed.bind(("127.0.0.1", 0))
        return handed
    if kind == "udp":
        handed = socket.socket(type=socket.SOCK_DGRAM)
        handed.bind(("127.0.0.1", 0))
        return handed
    if kind == "unix" or kind == "datagrams":
        handed = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM if kind == "unix" else socket.SOCK_DGRAM)
        handed.bind(path)
        if kind == "unix":
            handed.listen()
        return handed
    return open("/dev/null")


end = sys.argv.index("--")
names, handed = [], []
for argument in sys.argv[1:end]:
    name, _, what = argument.partition("=")
    kind, _, path = what.partition(":")
    names.append(name)
    handed.append(opened(kind, path))

# Out of the way first: what is to be 3 may be another one's 4 now.
for place, each in enumerate(handed):
    os.dup2(each.fileno(), 100 + place)
for place in range(len(handed)):
    os.dup2(100 + place, 3 + place, inheritable=True)
os.closerange(3 + len(handed), 256)

os.environ["LISTEN_FDS"] = str(len(handed))
os.environ["LISTEN_PID"] = str(os.getpid())
os.environ["LISTEN_FDNAMES"] = ":".join(names)
os.execvp(sys.argv[end + 1], sys.argv[end + 1 :])
