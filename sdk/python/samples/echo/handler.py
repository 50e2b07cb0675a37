"""Echo: what a peer sends comes back.

The file is named after the interface in wit/handler.wit because componentize-py looks for an exported
resource in a module of that name. A `result` that is an error arrives as an exception.
"""

from componentize_py_types import Err
from wit_world.exports import handler
from wit_world.imports.sockets import Socket


class Connection(handler.Connection):
    def __init__(self, socket: Socket, origin: handler.Origin) -> None:
        self.socket = socket

    def post_init(self) -> None:
        pass

    def connection_completed(self) -> None:
        pass

    def receive_data(self, data: bytes) -> None:
        try:
            self.socket.send_data(data)
        except Err:
            # An echo with a hole in it is worse than none.
            self.socket.close_connection()

    def drained(self) -> None:
        pass

    def unbind(self, reason: handler.CloseReason) -> None:
        pass
