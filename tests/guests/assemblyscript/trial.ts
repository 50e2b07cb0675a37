// Mistakes by the line: what an author runs into, to be seen in the log.
import { Connection, LineConnection, Timer, plugin } from "sandloop";

class Trial extends LineConnection {
  timer: Timer | null = null;
  lines: string[] = [];

  receiveLine(line: string): void {
    if (line == "index") this.sendText(this.lines[3]);
    else if (line == "null") this.timer!.cancel();
    else if (line == "own connection") new Connection().sendText("hello");
    else if (line == "throw") throw new Error("no room for tea");
    else if (line == "assert") assert(this.lines.length == 3, "three is two");
    else if (line == "memory") while (true) this.lines.push("x".repeat(1 << 16));
    else if (line == "random") this.sendText((Math.random() != Math.random()).toString() + "\n");
    else console.log("what is " + line + "?");
  }
}

plugin().handler("trial", () => new Trial());
