"""A component of wasi:http in Python, as componentize-py makes it for any host: it answers what it is asked, and asks others."""

from componentize_py_types import Err, Ok
from wit_world import exports
from wit_world.imports.outgoing_handler import handle as send
from wit_world.imports.streams import StreamError_Closed
from wit_world.imports.types import (
    Fields, OutgoingBody, OutgoingRequest, OutgoingResponse, ResponseOutparam, Scheme_Http,
)

requests = 0


def read(message):
    """All of a body as text."""
    body = message.consume()
    pieces = []
    with body.stream() as stream:
        while True:
            try:
                pieces.append(stream.blocking_read(65536))
            except Err as error:
                if not isinstance(error.value, StreamError_Closed):
                    raise
                break
    return b"".join(pieces).decode()


def answer(out, status, text):
    response = OutgoingResponse(Fields.from_list([("content-type", b"text/plain")]))
    response.set_status_code(status)
    body = response.body()
    ResponseOutparam.set(out, Ok(response))
    with body.write() as stream:
        stream.blocking_write_and_flush(text.encode())
    OutgoingBody.finish(body, None)


def ask(authority):
    """What another server answers."""
    request = OutgoingRequest(Fields())
    request.set_scheme(Scheme_Http())
    request.set_authority(authority)
    request.set_path_with_query("/page.txt")
    future = send(request, None)
    with future.subscribe() as pollable:
        pollable.block()
    got = future.get().value
    if isinstance(got, Err):
        raise got
    response = got.value
    return f"{response.status()} {read(response)}"


class IncomingHandler(exports.IncomingHandler):
    def handle(self, request, out):
        global requests
        requests += 1
        path, _, query = request.path_with_query().partition("?")
        if path == "/count":
            answer(out, 200, f"{requests}\n")
        elif path == "/ask":
            try:
                text, status = ask(query), 200
            except Err as error:
                text, status = f"{type(error.value).__name__}\n", 502
            answer(out, status, text)
        elif path == "/trap":
            raise RuntimeError("trapped on purpose")
        else:
            method = type(request.method()).__name__.removeprefix("Method_").lower()
            answer(out, 201, f"{method} {path} {read(request)}\n")
