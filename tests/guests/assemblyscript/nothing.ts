// A plugin whose author has forgotten plugin().handler.
import { Connection } from "sandloop";

class Echo extends Connection {
  receiveData(data: Uint8Array): void { this.sendData(data); }
}

new Echo();
