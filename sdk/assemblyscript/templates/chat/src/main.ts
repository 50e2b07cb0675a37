// A chat: each line goes to everybody else.
import { Channel, LineConnection, CloseReason, Subscription, plugin } from "sandloop";

class Chat extends LineConnection {
  room: Subscription | null = null;

  postInit(): void {
    this.room = new Channel("chat").subscribe<Chat>(this, (chat, line) => chat.sendData(line));
  }

  receiveLine(line: string): void { this.room!.pushTextToOthers(line + "\n"); }

  unbind(reason: CloseReason): void { this.room!.unsubscribe(); }
}

plugin().handler("chat", () => new Chat());
