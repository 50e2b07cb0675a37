// What the host calls. The transform gives each function the name above it.
import { told } from "./channels";
import { Connection, dropSocket, pending } from "./connection";
import { Answer, Outcome, completed, failure, run } from "./deferred";
import { fileSent } from "./files";
import { Headers, allocate, takeBytes, takeChain, takePairs, takeString, utf8 } from "./memory";
import { make, plugin } from "./plugin";
import { became, becomes, ended, notified } from "./processes";
import { popped } from "./queues";
import { tick } from "./reactor";
import { fire } from "./timers";
import { CloseReason } from "./types";
import { WatchError, forget, watched } from "./watching";

/** The connections that the host holds, by their numbers; the first is none, so that no number is 0. */
const held: (Connection | null)[] = [null];
const free: u32[] = [];

// @ts-ignore: decorator
@inline function connectionAt(index: u32): Connection {
  return unchecked(held[index])!;
}

// exports cabi_realloc
export function realloc(old: usize, oldSize: usize, align: usize, size: usize): usize {
  return allocate(old, oldSize, align, size);
}

// exports sandloop:plugin/handler@0.1.1#[constructor]connection
export function construct(socket: u32, origin: u32, a: usize, aLength: usize, b: usize, bLength: usize, c: usize, cLength: usize): u32 {
  let connection: Connection;
  if (origin == 0) {
    const listener = takeString(a, aLength);
    const handler = takeString(b, bLength);
    const options = takePairs(c, cLength);
    connection = make(listener, handler);
    connection.listener = listener;
    connection.options = options;
  } else {
    const token = <u32>a;
    connection = pending.get(token);
    pending.delete(token);
  }
  connection.socket = socket;
  connection.isMade = true;
  let index: u32;
  if (free.length > 0) {
    index = free.pop();
    held[index] = connection;
  } else {
    index = held.length;
    held.push(connection);
  }
  return resourceNew(index);
}

// exports sandloop:plugin/handler@0.1.1#[dtor]connection
export function destroy(index: u32): void {
  const connection = connectionAt(index);
  held[index] = null;
  free.push(index);
  // One that connects again has another socket by now, or will have.
  if (!connection.isAgain) dropSocket(connection);
}

// exports sandloop:plugin/handler@0.1.1#[method]connection.post-init
export function postInit(index: u32): void {
  const connection = connectionAt(index);
  if (connection.isAgain) connection.isAgain = false;
  else connection.postInit();
}

// exports sandloop:plugin/handler@0.1.1#[method]connection.connection-completed
export function connectionCompleted(index: u32): void { connectionAt(index).connectionCompleted(); }

// exports sandloop:plugin/handler@0.1.1#[method]connection.receive-data
export function receiveData(index: u32, data: usize, length: usize): void { connectionAt(index).receiveData(takeBytes(data, length)); }

// exports sandloop:plugin/handler@0.1.1#[method]connection.drained
export function drained(index: u32): void { connectionAt(index).drained(); }

// exports sandloop:plugin/handler@0.1.1#[method]connection.unbind
export function unbind(index: u32, reason: u32): void {
  const connection = connectionAt(index);
  connection.isUnbinding = true;
  connection.unbind(<CloseReason>reason);
  connection.isUnbinding = false;
  if (connection.isAgain) dropSocket(connection);
}

// exports sandloop:plugin/tls-handler@0.1.1#completed
export function tlsCompleted(index: u32): void { connectionAt(index).tlsCompleted(); }

// exports sandloop:plugin/tls-handler@0.1.1#verify-peer
export function verifyPeer(index: u32, chain: usize, length: usize): u32 { return connectionAt(index).verifyPeer(takeChain(chain, length)) ? 1 : 0; }

// exports sandloop:plugin/drain-handler@0.1.1#draining
export function draining(index: u32, milliseconds: u32): u32 { return connectionAt(index).draining(milliseconds); }

// exports sandloop:plugin/proxy-handler@0.1.1#proxy-target-unbound
export function proxyTargetUnbound(index: u32): void { connectionAt(index).proxyTargetUnbound(); }

// exports sandloop:plugin/proxy-handler@0.1.1#proxy-completed
export function proxyCompleted(index: u32): void { connectionAt(index).proxyCompleted(); }

// exports sandloop:plugin/files-handler@0.1.1#file-sent
export function fileSentTo(index: u32, file: u32, failed: u32, a: u32, b: u32): void {
  fileSent(connectionAt(index), file, failed == 0 ? <i64>((<u64>a << 32) | b) : -<i64>(a + 1));
}

// exports sandloop:plugin/timers-handler@0.1.1#timer-fired
export function timerFired(id: u32): void { fire(id); }

// exports sandloop:plugin/ticks-handler@0.1.1#tick
export function tickCame(id: u32): void { tick(id); }

// exports sandloop:plugin/subscriptions@0.1.1#message
export function message(id: u32, data: usize, length: usize): void { told(id, takeBytes(data, length)); }

// exports sandloop:plugin/queues-handler@0.1.1#popped
export function itemPopped(id: u32, item: usize, length: usize): void { popped(id, takeBytes(item, length)); }

// exports sandloop:plugin/deferred-handler@0.1.1#completed
export function jobCompleted(job: u32, isFailure: u32, a: usize, b: usize, c: usize): void {
  let outcome: Outcome;
  if (isFailure == 0) outcome = new Outcome(takeBytes(a, b), null);
  else outcome = new Outcome(new Uint8Array(0), a == 0 ? takeString(b, c) : failure(<u32>a));
  completed(job, outcome);
}

/** A result<list<u8>, string>, or one without a value, as the host reads it; what it points to is kept until the next. */
const outcomeAt: usize = memory.data(12, 4);
let keptBytes: Uint8Array = new Uint8Array(0);

export function resultOf(bytes: Uint8Array, error: string | null): usize {
  keptBytes = error ? Uint8Array.wrap(utf8(error)) : bytes;
  store<u32>(outcomeAt, error ? 1 : 0);
  store<u32>(outcomeAt, keptBytes.dataStart, 4);
  store<u32>(outcomeAt, keptBytes.byteLength, 8);
  return outcomeAt;
}

/** An option<list<u8>> as the host reads it. */
export function someBytes(bytes: Uint8Array | null): usize {
  keptBytes = bytes ? bytes : new Uint8Array(0);
  store<u32>(outcomeAt, bytes ? 1 : 0);
  store<u32>(outcomeAt, keptBytes.dataStart, 4);
  store<u32>(outcomeAt, keptBytes.byteLength, 8);
  return outcomeAt;
}

// exports sandloop:plugin/operations@0.1.1#run
export function runOperation(operation: u32, argument: usize, length: usize): usize {
  const answer: Answer = run(operation, takeBytes(argument, length));
  return resultOf(answer.bytes, answer.error);
}

// exports sandloop:plugin/mailbox@0.1.1#spawned
export function spawned(id: u32, name: usize, nameLength: usize, argument: usize, length: usize): usize {
  const kind = takeString(name, nameLength);
  const bytes = takeBytes(argument, length);
  becomes(id);
  const processes = plugin().processes;
  if (!processes.has(kind)) {
    return resultOf(bytes, "this plugin has no process named \"" + kind + "\": call plugin().process(\"" + kind + "\", …) in its main file");
  }
  became(processes.get(kind)(bytes));
  return resultOf(new Uint8Array(0), null);
}

// exports sandloop:plugin/mailbox@0.1.1#notified
export function messageNotified(message: usize, length: usize): void { notified(takeBytes(message, length)); }

// exports sandloop:plugin/processes-handler@0.1.1#exited
export function processExited(id: u32, reason: u32): void { ended(id, reason); }

// exports sandloop:plugin/watch-handler@0.1.1#file-modified
export function fileModified(id: u32): void {
  const watch = watched(id);
  if (watch) watch.modified();
}

// exports sandloop:plugin/watch-handler@0.1.1#file-moved
export function fileMoved(id: u32): void {
  const watch = watched(id);
  if (watch) watch.moved();
}

// exports sandloop:plugin/watch-handler@0.1.1#file-deleted
export function fileDeleted(id: u32): void {
  const watch = watched(id);
  forget(id);
  if (watch) watch.deleted();
}

// exports sandloop:plugin/watch-handler@0.1.1#watch-ended
export function watchEnded(id: u32, error: u32): void {
  const watch = watched(id);
  forget(id);
  if (watch) watch.ended(<WatchError>(error + 1));
}

const namesAt: usize = memory.data(8, 4);
let keptNames: Headers | null = null;

// exports sandloop:plugin/catalog@0.1.1#handlers
export function handlers(): usize {
  const names = plugin().handlers.keys();
  const headers = new Headers(names);
  keptNames = headers;
  store<u32>(namesAt, changetype<usize>(headers.list));
  store<u32>(namesAt, names.length, 4);
  return namesAt;
}

@external("[export]sandloop:plugin/handler@0.1.1", "[resource-new]connection")
declare function resourceNew(index: u32): u32;
