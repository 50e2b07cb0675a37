from sandloop import Stream


class Chat(Stream):
    async def serve(self) -> None:
        room = self.subscribe("chat", self.send_data)
        async for line in self.lines():
            room.push_to_others(f"{line}\n")
