"""The SDK over a host of the tests."""

from __future__ import annotations

import types
import unittest
from typing import Any

import fakes
from fakes import CloseReason, Err, ErrorCode, logged

import sandloop
from sandloop import Connection, Stream, _connection, _exports
from sandloop._loop import Told


def accept(handler: str = "", options: tuple[tuple[str, str], ...] = ()) -> tuple[_exports.Connection, fakes.Socket]:
    socket = fakes.Socket()
    held = _exports.Connection(socket, fakes.Origin(fakes.Accepted("tcp://127.0.0.1:1", handler, list(options))))
    held.post_init()
    return held, socket


class Sdk(unittest.TestCase):
    def setUp(self) -> None:
        _connection.handlers.clear()
        logged.clear()
        fakes.timers.cancelled.clear()

    def last(self) -> str:
        return logged[-1][1]

    def test_an_echo_and_its_options(self) -> None:
        class Echo(Connection):
            def post_init(self) -> None:
                self.send_data(self.options["greeting"])

            def receive_data(self, data: bytes) -> None:
                self.send_data(data)
                self.send_data(bytearray(b"!"))

        held, socket = accept(options=(("greeting", "ä"),))
        held.receive_data(b"hi")
        held.unbind(CloseReason.PEER_CLOSED)
        self.assertEqual(socket.sent, "ä".encode() + b"hi!")

    def test_an_exception_is_one_line_with_its_place(self) -> None:
        class Oops(Connection):
            def receive_data(self, data: bytes) -> None:
                data[10]

        held, _ = accept()
        with self.assertRaises(Told):
            held.receive_data(b"x")
        self.assertRegex(self.last(), r"^Oops\.receive_data raised IndexError: index out of range at receive_data \(.*test_sdk\.py:\d+\)")

    def test_wrong_data_is_told_with_a_remedy(self) -> None:
        class Number(Connection):
            def receive_data(self, data: bytes) -> None:
                self.send_data(5)  # type: ignore[arg-type]

        held, _ = accept()
        with self.assertRaises(Told):
            held.receive_data(b"x")
        self.assertIn("send_data takes str or bytes, not int: str(it)", self.last())

    def test_handlers_are_chosen_by_name(self) -> None:
        class One(Connection):
            pass

        class Two(Connection, handler="second"):
            pass

        class Neither(Connection, handler=None):
            pass

        self.assertEqual(_exports.Catalog().handlers(), ["one", "second"])
        self.assertIsInstance(accept("SECOND")[0].it, Two)
        with self.assertRaises(Told):
            accept("third")
        self.assertIn('names the handler third, and the plugin has the handlers one, second: handler = "one"', self.last())

    def test_lines_however_they_are_cut(self) -> None:
        seen: list[str] = []

        class Lines(Stream):
            async def serve(self) -> None:
                async for line in self.lines(8):
                    seen.append(line)
                seen.append("end")

        held, _ = accept()
        for piece in (b"on", b"e\r", b"\ntwo\n\nth", b"ree\nrest"):
            held.receive_data(piece)
        held.unbind(CloseReason.PEER_CLOSED)
        self.assertEqual(seen, ["one", "two", "", "three", "end"])
        with self.assertRaises(Told):
            accept()[0].receive_data(b"0123456789")
        self.assertIn("a line of more than 8 bytes", self.last())

    def test_a_peer_that_is_not_read_is_not_read_by_the_host(self) -> None:
        waits: sandloop.Future[None] = sandloop.Future()

        class Slow(Stream):
            async def serve(self) -> None:
                await waits
                await self.readexactly(80_000)

        held, socket = accept()
        held.receive_data(bytes(70_000))
        self.assertEqual(socket.sent, b"<pause>")
        waits.set_result(None)
        _exports.TimersHandler().timer_fired(99)
        held.drained()
        self.assertEqual(socket.sent, b"<pause><resume>")

    def test_an_async_callback_that_fails_later_is_an_error(self) -> None:
        waits: sandloop.Future[None] = sandloop.Future()

        class Later(Connection):
            async def receive_data(self, data: bytes) -> None:
                await waits
                raise KeyError("later")

        held, _ = accept()
        held.receive_data(b"x")
        waits.set_result(None)
        with self.assertRaises(Told):
            held.drained()
        self.assertRegex(self.last(), r"^Later\.receive_data raised KeyError: 'later' at receive_data")

    def test_an_answer_must_not_be_async(self) -> None:
        class Draining(Connection):
            async def draining(self, seconds: float) -> None:  # type: ignore[override]
                pass

        held, _ = accept()
        with self.assertRaises(Told):
            _exports.DrainHandler().draining(held, 1000)
        self.assertRegex(self.last(), r"^Draining\.draining raised TypeError: it is async.*write def without async")

    def test_a_state_for_the_next_version(self) -> None:
        app = types.ModuleType("app")
        app.start = lambda: None  # type: ignore[attr-defined]
        _exports.use(app)
        handover = _exports.HandoverHandler()
        self.assertIsNone(handover.save())
        with self.assertRaises(Err) as refused:
            handover.restore(b"1")
        self.assertIn("has no use for a state", refused.exception.value)
        taken: list[bytes] = []
        app.save_state = lambda: bytearray(b"2")  # type: ignore[attr-defined]
        app.restore_state = taken.append  # type: ignore[attr-defined]
        self.assertEqual(handover.save(), b"2")
        handover.restore(b"3")
        self.assertEqual(taken, [b"3"])
        app.save_state = lambda: 7  # type: ignore[attr-defined]
        with self.assertRaises(Told):
            handover.save()
        self.assertRegex(self.last(), r"^save_state\(\) raised TypeError: it returned 7: it has to return bytes or None")

    def test_timers_and_old_handles(self) -> None:
        class Any_(Connection):
            pass

        accept()
        fired: list[str] = []
        first = sandloop.call_later(1, fired.append, "first")
        _exports.TimersHandler().timer_fired(1)
        second = sandloop.call_later(1, fired.append, "second")
        first.cancel()
        self.assertTrue(second.active)
        second.cancel()
        self.assertEqual((fired, fakes.timers.cancelled), (["first"], [1]))

    def test_what_belongs_to_a_connection_ends_with_it(self) -> None:
        class Owner(Connection):
            def post_init(self) -> None:
                self.call_every(1, print)

        accept()[0].unbind(CloseReason.CLOSED)
        self.assertEqual(fakes.timers.cancelled, [1])

    def test_sending_too_late_or_too_much(self) -> None:
        class Sender(Connection):
            pass

        held, socket = accept()
        it = held.it
        socket.refusal = ErrorCode.OUTBOX_FULL
        it.send_data("x")
        self.assertEqual(socket.sent, b"<close>")
        with self.assertRaises(sandloop.HostError) as refused:
            it.try_send_data("x")
        self.assertEqual(refused.exception.code, "outbox-full")
        held.unbind(CloseReason.PEER_CLOSED)
        socket.refusal = ErrorCode.CLOSED
        logged.clear()
        it.send_data("x")
        it.send_data("x")
        self.assertEqual(len(logged), 1)
        self.assertRegex(self.last(), r"has ended \(peer-closed\) sends nothing at test_sending_too_late_or_too_much \(.*end in unbind")

    def test_connecting_by_waiting(self) -> None:
        outcomes: list[object] = []

        class Client(Connection):
            async def receive_data(self, data: bytes) -> None:
                try:
                    outcomes.append(await sandloop.connect("localhost", 7))
                except sandloop.HostError as error:
                    outcomes.append(error.code)

        held, _ = accept()
        for _ in range(2):
            held.receive_data(b"x")
        made = [_exports.Connection(fakes.Socket(), fakes.Origin(token)) for _, token in fakes.connects]
        made[0].connection_completed()
        made[1].unbind(CloseReason.REFUSED)
        self.assertIsInstance(outcomes[0], Connection)
        self.assertEqual(outcomes[1], "refused")
        with self.assertRaisesRegex(RuntimeError, "the host makes connections"):
            Client()

    def test_deferred_work(self) -> None:
        outcomes: list[object] = []

        @sandloop.operation
        def twice(number: int) -> int:
            if number > 99:
                raise ValueError("too large")
            return number * 2

        class Asker(Connection):
            async def receive_data(self, data: bytes) -> None:
                for number in (21, 100):
                    try:
                        outcomes.append(await sandloop.defer(twice, number))
                    except sandloop.OperationError as error:
                        outcomes.append((error.kind, str(error)))

        class Failure_Failed:
            value = "too large"

        accept()[0].receive_data(b"x")
        done = _exports.DeferredHandler()
        done.completed(1, fakes.Ok(_exports.Operations().run(*fakes.jobs[0])))
        with self.assertRaisesRegex(fakes.Err, "too large"):
            _exports.Operations().run(*fakes.jobs[1])
        done.completed(2, fakes.Err(Failure_Failed()))
        self.assertEqual(outcomes, [42, ("failed", "too large")])
        with self.assertRaisesRegex(ValueError, "print is no operation: write @operation"):
            sandloop.defer(print)

    def test_asyncios_dialect(self) -> None:
        seen: list[object] = []

        class Upper:
            def connection_made(self, transport: Any) -> None:
                self.transport = transport

            def data_received(self, data: bytes) -> None:
                self.transport.write(data.upper())
                self.transport.close()

            def eof_received(self) -> None:
                seen.append("eof")

            def connection_lost(self, error: Exception | None) -> None:
                seen.append(error)

        sandloop.serve(Upper)
        held, socket = accept("upper")
        held.receive_data(b"hi")
        held.unbind(CloseReason.PEER_CLOSED)
        self.assertEqual((socket.sent, seen), (b"HI<end>", ["eof", None]))

    def test_a_callback_by_nearly_its_name(self) -> None:
        for name, meant in (("recieve_data", "receive_data"), ("receiveData", "receive_data"), ("postInit", "post_init")):
            with self.assertRaisesRegex(TypeError, f"class Slip: the host never calls {name}: the callback is called {meant}"):
                type("Slip", (Connection,), {name: lambda self: None, "__module__": "app"})

    def test_http_answers_may_come_later_and_the_next_request_waits(self) -> None:
        waiting: list[sandloop.HttpResponse] = []

        class Late(sandloop.HttpServer):
            def process_http_request(self, request: sandloop.HttpRequest, response: sandloop.HttpResponse) -> None:
                response.content = request.path
                waiting.append(response)

        held, socket = accept("late")
        head = "GET {} HTTP/1.1\r\nHost: a\r\n{}\r\n"
        held.receive_data((head.format("/one", "") + head.format("/two", "Connection: close\r\n")).encode())
        self.assertEqual(socket.sent, b"<pause>")
        waiting.pop().send_response()
        self.assertRegex(socket.sent, rb"^<pause>HTTP/1\.1 200 OK\r\nContent-Length: 4\r\nDate: [^\r]+\r\n\r\n/one<resume><pause>$")
        waiting.pop().send_response("two")
        self.assertRegex(socket.sent, rb"Connection: close\r\nDate: [^\r]+\r\n\r\ntwo<half><resume>$")

    def test_http_fields_are_checked(self) -> None:
        class Checked(sandloop.HttpServer):
            def process_http_request(self, request: sandloop.HttpRequest, response: sandloop.HttpResponse) -> None:
                response.header("X", "a\r\nY: b")

        held, _ = accept("checked")
        with self.assertRaises(BaseException):
            held.receive_data(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        self.assertIn("a value one line", fakes.logged[-1][1])

    def test_what_the_runtime_never_lets_go_of_is_used_again(self) -> None:
        detached: list[int] = []

        class Finalizer:
            def detach(self) -> None:
                detached.append(1)

        class Own(Connection):
            pass

        kept: list[_exports.Connection] = []
        for number in range(5):
            held, socket = accept()
            held.finalizer = Finalizer()
            self.assertIs(type(held.it), Own)
            held.it.send_data(str(number))
            self.assertEqual(socket.sent, str(number).encode())
            held.unbind(CloseReason.PEER_CLOSED)
            self.assertEqual((vars(held), len(detached)), ({}, number + 1))
            kept.append(held)
        self.assertEqual(len({id(held) for held in kept}), 1)
        # One that is there is nobody else's.
        one, other = accept()[0], accept()[0]
        self.assertIsNot(one, other)

    def test_words(self) -> None:
        from sandloop._loop import word

        self.assertEqual([word(ErrorCode.OUTBOX_FULL), word(type("Failure_TooLong", (), {})())], ["outbox-full", "too-long"])


if __name__ == "__main__":
    unittest.main()
