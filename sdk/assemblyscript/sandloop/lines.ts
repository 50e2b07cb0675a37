import { Connection } from "./connection";
import { Level, log } from "./log";

/** A connection that is told lines: `receiveLine` in place of `receiveData`. */
export class LineConnection extends Connection {
  /** How long a line may be: a peer that sends more without an end is closed. */
  maxLine: i32 = 64 * 1024;
  private begun: Uint8Array = new Uint8Array(0);

  /** A line without its end, which is `\n` or `\r\n`. */
  receiveLine(line: string): void {}

  receiveData(data: Uint8Array): void {
    let from = 0;
    for (let end = data.indexOf(10); end >= 0; end = data.indexOf(10, from)) {
      const line = this.joined(data, from, end);
      from = end + 1;
      this.begun = new Uint8Array(0);
      const length = line.length > 0 && line[line.length - 1] == 13 ? line.length - 1 : line.length;
      this.receiveLine(String.UTF8.decodeUnsafe(line.dataStart, length));
    }
    if (this.begun.length + data.length - from > this.maxLine) {
      log(Level.Warn, "connection " + this.id().toString() + ": a line of more than " + this.maxLine.toString() + " bytes, which is what maxLine says; closing it");
      this.begun = new Uint8Array(0);
      this.closeConnection();
    } else {
      this.begun = this.joined(data, from, data.length);
    }
  }

  private joined(data: Uint8Array, from: i32, to: i32): Uint8Array {
    if (this.begun.length == 0) return data.slice(from, to);
    const all = new Uint8Array(this.begun.length + to - from);
    all.set(this.begun);
    memory.copy(all.dataStart + this.begun.length, data.dataStart + from, to - from);
    return all;
  }
}
