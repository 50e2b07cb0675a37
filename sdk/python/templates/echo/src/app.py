from sandloop import Connection


class Echo(Connection):
    def receive_data(self, data: bytes) -> None:
        self.send_data(data)
