// A client: it says hello to the option `server`, logs the answer, and stops the host.
import { Address, CloseReason, ErrorCode, LineConnection, addTimer, connectTo, describe, getOption, info, stop, warn } from "sandloop";
import { Program, run } from "sandloop/program";

class Client extends LineConnection {
  isAnswered: bool = false;

  connectionCompleted(): void { this.sendText("hello\n"); }

  receiveLine(line: string): void {
    if (this.isAnswered) return;
    this.isAnswered = true;
    info("answer: " + line);
    this.closeConnection();
  }

  unbind(reason: CloseReason): void {
    if (this.isAnswered) stop();
    else addTimer<Start>(1000, start, (start) => start.connect());
  }
}

class Start extends Program {
  server: Address = new Address("");

  prepare(): string | null {
    const server = Address.parse(getOption("server") || "");
    if (!server) return "the option server is missing, or no address: server = \"127.0.0.1:10000\"";
    this.server = server;
    return null;
  }

  start(): string | null {
    this.connect();
    return null;
  }

  connect(): void {
    const error = connectTo(this.server, new Client());
    if (error != ErrorCode.None) warn("connect: " + describe(error));
  }
}

const start = new Start();
run(start);
