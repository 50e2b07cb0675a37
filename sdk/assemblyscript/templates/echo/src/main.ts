// An echo: what comes is sent back.
import { Connection, plugin } from "sandloop";

class Echo extends Connection {
  receiveData(data: Uint8Array): void { this.sendData(data); }
}

plugin().handler("echo", () => new Echo());
