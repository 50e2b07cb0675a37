// Lines are answered, until one says quit or none comes for five seconds.
import { CloseReason, LineConnection, Timer, addTimer, plugin } from "sandloop";

class Lines extends LineConnection {
  idle: Timer | null = null;

  postInit(): void { this.idle = addTimer<Lines>(5000, this, (lines) => lines.bye()); }

  receiveLine(line: string): void {
    if (line == "quit") {
      this.bye();
    } else {
      this.idle!.restart(5000);
      this.sendText(line + "\n");
    }
  }

  bye(): void {
    this.sendText("bye\n");
    this.closeConnectionAfterWriting();
  }

  unbind(reason: CloseReason): void { this.idle!.cancel(); }
}

plugin().handler("lines", () => new Lines());
