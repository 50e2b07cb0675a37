"""Python's http.client against the guest http_forms: http_client.py HOST:PORT prints ok."""

import http.client
import sys


def check(what, seen, expected):
    if seen != expected:
        sys.exit(f"{what}: {seen!r} and not {expected!r}")


connection = http.client.HTTPConnection(sys.argv[1], timeout=20)


def ask(method, path, **more):
    connection.request(method, path, **more)
    response = connection.getresponse()
    return response, response.read()


# All on one connection.
response, body = ask("GET", "/chunks")
check("chunks", (response.status, response.version, body), (200, 11, b"one two three"))
socket = connection.sock
response, body = ask("HEAD", "/length?count=1000")
check("head", (response.getheader("Content-Length"), body), ("1000", b""))
response, body = ask("POST", "/echo", body=b"hello", headers={"X-Word": "a"})
check("post", (response.status, body[-5:], b"x-word: a\n" in body), (200, b"hello", True))
response, body = ask("POST", "/upload", body=iter([b"ab", b"", b"cde"]), encode_chunked=True)
check("chunked body", body, b"5 bytes, sum 495, trailer none\n")
response, body = ask("GET", "/bytes?count=1000000")
check("bytes", len(body), 1000000)
response, body = ask("GET", "/status?code=304")
check("not modified", (response.status, body), (304, b""))
response, body = ask("GET", "/later?ms=30")
check("later", body, b"/later?ms=30")
response, body = ask("GET", "/cookies", headers={"Cookie": "a=b; c=d"})
check("cookies", (response.headers.get_all("Set-Cookie"), body), (["one=1; Path=/", "two=2; Path=/"], b"a=b\nc=d\n"))
check("the connection", connection.sock is socket, True)

response, body = ask("GET", "/close")
check("close", (response.getheader("Connection"), body, connection.sock), ("close", b"bye\n", None))
try:
    ask("GET", "/cut")
    sys.exit("a part was taken for the whole")
except http.client.IncompleteRead as error:
    check("cut", error.partial, b"five ")
print("ok")
