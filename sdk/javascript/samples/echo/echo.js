// Echo: what a peer sends comes back.
//
// `handler` is the interface of wit/handler.wit, `Connection` its resource, and each method has the WIT name in
// camel case. A `result` that is an error arrives as an exception.

class Connection {
  constructor(socket, origin) {
    this.socket = socket;
  }

  postInit() {}

  connectionCompleted() {}

  receiveData(data) {
    try {
      this.socket.sendData(data);
    } catch {
      // An echo with a hole in it is worse than none.
      this.socket.closeConnection();
    }
  }

  drained() {}

  unbind(reason) {}
}

export const handler = { Connection };
