from sandloop import Stream


class Lines(Stream):
    async def serve(self) -> None:
        idle = self.call_later(5, self.bye)
        async for line in self.lines():
            if line == "quit":
                return self.bye()
            self.send_data(f"{line}\n")
            idle.restart()

    def bye(self) -> None:
        self.send_data("bye\n")
        self.close_connection_after_writing()
