// Every call of the AssemblyScript SDK, one for each word that a peer says: what comes back is what the host has said.
import {
  Address, Answer, Channel, CloseReason, Connection, Drain, ErrorCode, FileError, FileWatch, Level, LineConnection, Operation, Outcome, Pop, Probes,
  Process, ProxyError, Queue, Subscription, Timer, WatchError, addPeriodicTimer, addTimer, allOptions, bindConnect, cancelTimer, connect, connectTo,
  connectionCount, describe, endOfStream, exit, getOption, info, isRunning, log, nextTick, openDatagramSocket, peerCertificates, plugin,
  proxiedBytes, proxyIncomingTo, reasonName, sendDatagram, sendFile, sendVersion, spawn, startServer, stop, tlsFailure, tlsSession, tryAddPeriodicTimer,
  warn, watchFile,
} from "sandloop";

const fileErrors: string[] = ["ok", "closed", "closing", "denied", "not-found", "not-a-file", "limit", "changed", "failed", "unsupported"];

function said(code: ErrorCode): string {
  return code == ErrorCode.None ? "ok" : describe(code).split(":")[0];
}

function text(bytes: Uint8Array): string {
  return String.UTF8.decodeUnsafe(bytes.dataStart, bytes.byteLength);
}

function bytes(text: string): Uint8Array {
  return Uint8Array.wrap(String.UTF8.encode(text));
}

function digit(isTrue: bool): string { return isTrue ? "1" : "0"; }

function address(kind: string, a: Address | null): string {
  return a ? kind + " " + a.host + " " + a.port.toString() : "none";
}

const backwards = new Operation((argument: Uint8Array): Answer => {
  if (argument.length == 0) return Answer.failure("nothing to turn");
  if (text(argument) == "trap") unreachable();
  const turned = new Uint8Array(argument.length);
  for (let i = 0; i < argument.length; i++) turned[i] = argument[argument.length - 1 - i];
  return Answer.of(turned);
});

// An outgoing connection that knows the one that asked for it.
class Out extends Connection {
  constructor(public asked: Calls) { super(); }
  connectionCompleted(): void {
    const error = proxyIncomingTo(this, this.asked, 0, 5);
    this.asked.say("connected " + error.toString());
  }
  proxyCompleted(): void {
    this.asked.say("\nproxied " + proxiedBytes(this).toString());
    this.closeConnection();
  }
  unbind(reason: CloseReason): void { this.asked.say("unbound " + reasonName(reason)); }
}

class Persistent extends Connection {
  kept: string = "";
  count: i32 = 0;
  constructor(public asked: Calls) { super(); }
  postInit(): void { this.kept += "kept"; }
  unbind(reason: CloseReason): void {
    const error = ++this.count < 3 ? this.reconnect("127.0.0.1", 1) : ErrorCode.None;
    if (this.count == 3 || error != ErrorCode.None) {
      this.asked.say("again " + this.count.toString() + " " + reasonName(reason) + " " + this.kept);
    }
  }
}

class Datagrams extends Connection {
  receiveData(data: Uint8Array): void {
    const from = this.peerAddress();
    if (from && data.length > 1 && data[0] == 62) sendDatagram(this, data.subarray(1), from.host, from.port);
    else this.sendData(data);
  }
}

class Watch extends FileWatch {
  constructor(public asked: Calls) { super(); }
  deleted(): void { this.asked.say("deleted ok"); }
  ended(error: WatchError): void { this.asked.say("ended " + (error == WatchError.NotFound ? "not-found" : error.toString())); }
}

class Worker extends Process {
  constructor(public given: string) { super(); }
  notified(message: Uint8Array): void {
    new Channel("calls").pushText(this.given + " " + text(message));
    exit();
  }
}

class Calls extends LineConnection {
  timer: Timer | null = null;
  room: Subscription | null = null;
  watch: Watch | null = null;
  ticks: i32 = 0;

  say(line: string): void { this.sendText(line + "\n"); }

  postInit(): void { this.maxLine = 100; }

  receiveLine(line: string): void {
    const space = line.indexOf(" ");
    const word = space < 0 ? line : line.substring(0, space);
    const rest = space < 0 ? "" : line.substring(space + 1);
    if (!this.aboutItself(word) && !this.aboutTime(word, rest) && !this.aboutOthers(word, rest) && !this.aboutMessages(word, rest)) this.say("what?");
  }

  aboutItself(word: string): bool {
    if (word == "listener") {
      const options = this.options!;
      this.say(this.listener + " " + (options.has("color") ? options.get("color") : "none"));
    } else if (word == "peer") {
      this.say(address("tcp", this.peerAddress()));
    } else if (word == "local") {
      this.say(address("tcp", this.localAddress()));
    } else if (word == "numbers") {
      this.setCommInactivityTimeout(70000);
      const zero = this.setPendingConnectTimeout(0);
      this.say([this.commInactivityTimeout().toString(), this.outboundDataSize().toString(), zero.toString(), digit(this.id() > 0), digit(this.idleTime() < 60000)].join(" "));
    } else if (word == "states") {
      this.pause();
      const paused = this.isPaused();
      this.resume();
      this.keepHalfOpen(true);
      this.say([digit(paused), digit(this.isPaused()), digit(this.peerFinished()), digit(isRunning())].join(" "));
    } else if (word == "keepalive") {
      const first = this.setKeepalive(new Probes(11, 12, 13));
      const probes = this.keepalive();
      const second = this.setKeepalive(null);
      const still = this.keepalive();
      const third = this.setNodelay(false);
      const seen = probes ? "1 " + [probes.idle.toString(), probes.interval.toString(), probes.count.toString()].join(" ") : "0";
      this.say([first.toString(), seen, second.toString(), digit(still != null), third.toString(), digit(this.nodelay())].join(" "));
    } else if (word == "half") {
      this.say(said(this.halfClose()));
    } else if (word == "session") {
      const s = tlsSession(this);
      if (s) {
        const alpn = s.alpn, name = s.serverName;
        this.say([digit(s.version == "TLS 1.3"), digit(s.isResumed), s.cipher, s.cipherBits.toString(), alpn ? alpn : "-", name ? name : "-",
          peerCertificates(this).length.toString(), endOfStream(this).toString()].join(" "));
      } else this.say("none");
    } else if (word == "print") {
      console.log("no end");
    } else if (word == "abrupt") {
      this.closeConnection();
    } else if (word == "quit") {
      this.closeConnectionAfterWriting();
    } else if (word == "stop") {
      stop();
    } else return false;
    return true;
  }

  aboutTime(word: string, rest: string): bool {
    if (word == "timer") {
      this.timer = addTimer<Calls>(<u32>I32.parseInt(rest), this, (calls) => calls.say("fired"));
    } else if (word == "cancelled") {
      const timer = addTimer<Calls>(0, this, (calls) => calls.say("fired"));
      timer.cancel();
      cancelTimer(timer);
      this.say("cancelled");
    } else if (word == "periodic") {
      this.timer = addPeriodicTimer<Calls>(1, this, (calls) => {
        if (++calls.ticks == 3) {
          calls.timer!.cancel();
          new Channel("calls").pushText("three");
        }
      });
    } else if (word == "zero") {
      const timer = tryAddPeriodicTimer<Calls>(0, this, (calls) => calls.say("fired"));
      if (!timer) warn("no timer: " + describe(ErrorCode.InvalidArgument));
      this.say(digit(!timer));
    } else if (word == "tick") {
      nextTick<Calls>(this, (calls) => calls.say("fired"));
    } else if (word == "defer") {
      this.say("ok");
      backwards.defer<Calls>(bytes(rest), this, (calls, outcome) => {
        const error = outcome.error;
        if (!error) calls.say("done 0 " + text(outcome.result));
        else if (error.includes("trapped")) calls.say("done 2 the operation trapped");
        else calls.say("done 1 " + error);
      });
    } else return false;
    return true;
  }

  aboutOthers(word: string, rest: string): bool {
    if (word == "server") {
      const options = new Map<string, string>();
      options.set("color", "blue");
      options.set("", "");
      const listener = startServer(new Address("127.0.0.1"), "calls", options);
      this.say(address("tcp", listener ? listener.address : null));
    } else if (word == "denied") {
      const one = startServer(new Address("127.0.0.2", 1)), two = openDatagramSocket("name", 1, new Datagrams());
      this.say([one ? "0" : "1", two ? "0" : "3", connect("127.0.0.2", 1, new Out(this)).toString()].join(" "));
    } else if (word == "datagrams") {
      this.say(address("udp", openDatagramSocket("127.0.0.1", 0, new Datagrams())));
    } else if (word == "file") {
      this.say(fileErrors[sendFile<Calls>(this, rest, this, (calls, count) => calls.sent(count))]);
    } else if (word == "part") {
      this.say(fileErrors[sendFile<Calls>(this, rest, this, (calls, count) => calls.sent(count), 1, 3)]);
    } else if (word == "version") {
      this.say(fileErrors[sendVersion<Calls>(this, rest, 6, 1, 2, this, (calls, count) => calls.sent(count))]);
    } else if (word == "watch") {
      const watch = new Watch(this);
      this.watch = watch;
      this.say(watchFile(rest, watch).toString());
    } else if (word == "unwatch") {
      this.watch!.unwatch();
    } else if (word == "connect") {
      const to = Address.parse(rest);
      this.say(to ? said(connectTo(to, new Out(this))) : "invalid-argument");
    } else if (word == "from") {
      this.say(said(bindConnect("127.0.0.1", 0, "127.0.0.1", <u16>I32.parseInt(rest), new Out(this))));
    } else if (word == "unix") {
      this.say(said(connectTo(new Address(rest, 0, true), new Out(this))));
    } else if (word == "again") {
      this.say(said(connect("127.0.0.1", 1, new Persistent(this))));
    } else if (word == "count") {
      this.say(connectionCount().toString());
    } else return false;
    return true;
  }

  sent(count: i64): void {
    this.say(count < 0 ? "sent " + fileErrors[<i32>-count] + " 0" : "sent ok " + count.toString());
  }

  aboutMessages(word: string, rest: string): bool {
    const channel = new Channel("calls"), queue = new Queue("calls");
    if (word == "option") {
      const value = getOption(rest);
      this.say(value != null ? value : "none");
    } else if (word == "options") {
      const all = allOptions(), keys = all.keys();
      let line = "";
      for (let i = 0; i < keys.length; i++) line += keys[i] + "=" + all.get(keys[i]) + ";";
      this.say(line);
    } else if (word == "subscribe") {
      this.room = channel.subscribe<Calls>(this, (calls, message) => calls.say("heard " + text(message)));
      const none = new Channel("").trySubscribe<Calls>(this, (calls, message) => calls.say("heard " + text(message)));
      this.say(channel.numSubscribers().toString() + " " + digit(!none));
    } else if (word == "unsubscribe") {
      this.room!.unsubscribe();
      this.say(channel.numSubscribers().toString());
    } else if (word == "push") {
      channel.pushText(rest);
    } else if (word == "others") {
      this.room!.pushTextToOthers(rest);
    } else if (word == "item") {
      this.say(said(queue.tryPush(bytes(rest))));
    } else if (word == "pop") {
      const cancelled: Pop = queue.pop<Calls>(this, (calls, item) => calls.say("popped " + text(item)));
      queue.pop<Calls>(this, (calls, item) => calls.say("popped " + text(item)));
      cancelled.cancel();
      this.say(queue.numWaiting().toString() + " " + queue.size().toString());
    } else if (word == "spawn") {
      const worker = spawn<Calls>("worker", bytes("given"), this, (calls, reason) => calls.say("exited 1 " + reason.toString()));
      this.say(worker ? said(worker.tryNotify(bytes("told"))) : "limit");
    } else if (word == "kill") {
      const worker = spawn<Calls>("worker", bytes("given"), this, (calls, reason) => calls.say("exited 1 " + reason.toString()));
      worker!.kill();
    } else return false;
    return true;
  }

  draining(milliseconds: u32): Drain {
    this.say("draining " + digit(milliseconds > 0));
    this.closeConnectionAfterWriting();
    return Drain.UntilClosed;
  }

  unbind(reason: CloseReason): void {
    const timer = this.timer;
    if (timer) timer.cancel();
    const failure = tlsFailure(this);
    if (failure) log(Level.Warn, "handshake " + failure);
    info("unbind " + reasonName(reason));
  }
}

plugin().handler("calls", () => new Calls()).process("worker", (argument) => new Worker(text(argument)));
