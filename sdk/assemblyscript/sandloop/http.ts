import { Connection, Drain } from "./connection";
import { now } from "./log";
import { Timer, addTimer } from "./timers";
import { CloseReason, ErrorCode } from "./types";

// A server of HTTP/1.1 (RFC 9110, 9112): requests come whole, one after the other, and are answered now or later.
// What two programs could understand differently is refused, with its status; nothing is repaired.

const HEAD_MAX = 16384;
const FIELDS_MAX = 100;
const TARGET_MAX = 8192;
const METHOD_MAX = 32;
const EMPTY_MAX = 10;
const CONTENT_MAX = 1048576;
/** Milliseconds between two requests, for a whole request, and for a peer to end its side after the last answer. */
const IDLE = 60000;
const WHOLE = 30000;
const LINGER = 2000;

/** A step that waits for more, and one that goes on; others are the status of a refusal. */
const WAITS = -1;
const GOES_ON = 0;

/** What comes next: a line, bytes of the content, nothing before the answer, nothing at all. */
enum Phase { Request, Fields, Content, Size, Chunk, Gap, Trailers, Answer, Over }

/** A request with its whole content. */
export class HttpRequest {
  method: string = "";
  /** As it came, as are its parts: percent-encoded. */
  target: string = "";
  path: string = "";
  queryString: string = "";
  isHttp10: bool = false;
  /** By their names in lower case; what came more than once is joined by `, `. */
  headers: Map<string, string> = new Map<string, string>();
  content: Uint8Array = new Uint8Array(0);

  /** The field of this name, in whatever case; null where it is not there. */
  header(name: string): string | null {
    const key = name.toLowerCase();
    return this.headers.has(key) ? this.headers.get(key) : null;
  }

  /** The content as text. */
  text(): string { return String.UTF8.decodeUnsafe(this.content.dataStart, this.content.length); }

  takeLine(line: string): i32 {
    const parts = line.split(" ");
    if (parts.length != 3 || !isToken(parts[0]) || parts[1].length == 0) return 400;
    this.method = parts[0];
    this.target = parts[1];
    for (let i = 0; i < this.target.length; i++) {
      const c = this.target.charCodeAt(i);
      if (c < 0x21 || c > 0x7e || c == 0x23) return 400;
    }
    const version = parts[2];
    if (version.length != 8 || !version.startsWith("HTTP/") || version.charAt(6) != ".") return 400;
    if (!isDigits(version.charAt(5)) || !isDigits(version.charAt(7))) return 400;
    if (version.charAt(5) != "1") return 505;
    this.isHttp10 = version.charAt(7) == "0";
    if (this.target.length > TARGET_MAX) return 414;
    if (this.method != "CONNECT") return this.takeTarget();
    // Only proxies have tunnels.
    const colon = this.target.lastIndexOf(":");
    return colon >= 0 && isDigits(this.target.substring(colon + 1)) && isHost(this.target) ? 501 : 400;
  }

  private takeTarget(): i32 {
    let path = this.target;
    let isWhole = false;
    const start = path.substring(0, 8).toLowerCase();
    const scheme = start.startsWith("http://") ? 7 : start == "https://" ? 8 : 0;
    if (scheme > 0) {
      let end = scheme;
      while (end < path.length && path.charAt(end) != "/" && path.charAt(end) != "?") end++;
      isWhole = end > scheme && isHost(path.substring(scheme, end));
      if (isWhole) path = path.substring(end);
    }
    const isPath = path.startsWith("/") || (isWhole && (path == "" || path.startsWith("?")));
    if (!isPath && !(path == "*" && this.method == "OPTIONS")) return 400;
    const query = path.indexOf("?");
    this.queryString = query < 0 ? "" : path.substring(query + 1);
    this.path = query < 0 ? path : path.substring(0, query);
    if (this.path == "") this.path = "/";
    return GOES_ON;
  }

  takeField(line: string): i32 {
    const colon = line.indexOf(":");
    if (colon < 0 || !isToken(line.substring(0, colon))) return 400;
    const name = line.substring(0, colon).toLowerCase();
    let value = trimmed(line.substring(colon + 1));
    if (this.headers.has(name)) {
      if (name == "host" || name == "content-length") return 400;
      value = this.headers.get(name) + ", " + value;
    }
    this.headers.set(name, value);
    return GOES_ON;
  }

  /** The status of a refusal, where what the head says of the content is one. */
  check(): i32 {
    const host = this.header("host");
    if (host === null) {
      if (!this.isHttp10) return 400;
    } else if (!isHost(host)) {
      return 400;
    }
    const length = this.header("content-length");
    if (length !== null && !isDigits(length)) return 400;
    const coding = this.header("transfer-encoding");
    if (coding !== null) {
      const codings = members(coding);
      if (length !== null || this.isHttp10 || codings.indexOf("chunked") != codings.length - 1) return 400;
      if (codings.length > 1) return 501;
    }
    const expected = this.header("expect");
    if (expected !== null && !this.isHttp10 && expected.toLowerCase() != "100-continue") return 417;
    return this.contentLength() > CONTENT_MAX ? 413 : GOES_ON;
  }

  isChunked(): bool { return this.headers.has("transfer-encoding"); }

  contentLength(): i64 {
    const length = this.header("content-length");
    if (length === null) return 0;
    let from = 0;
    while (from < length.length - 1 && length.charAt(from) == "0") from++;
    // Past all numbers.
    return length.length - from > 15 ? i64.MAX_VALUE : I64.parseInt(length.substring(from));
  }

  keepsOpen(): bool {
    const connection = this.header("connection");
    const options = connection === null ? new Array<string>(0) : members(connection);
    return !options.includes("close") && (!this.isHttp10 || options.includes("keep-alive"));
  }
}

/** The answer to one request, to be sent now or later. */
export class HttpResponse {
  status: i32 = 200;
  content: Uint8Array = new Uint8Array(0);
  fields: string = "";
  private isSent: bool = false;

  constructor(private server: HttpServer, private request: HttpRequest) {}

  /** Adds a field. The length, `Connection` and `Date` are the server's: those, and what is no field, are the plugin's mistake. */
  header(name: string, value: string): HttpResponse {
    if (!isToken(name) || hasControl(value)) throw new Error("header " + name + ": a name is a word, and a value one line");
    if (" connection content-length date keep-alive transfer-encoding upgrade ".includes(" " + name.toLowerCase() + " ")) {
      throw new Error("header " + name + ": the server says it itself; leave it out");
    }
    this.fields += name + ": " + value + "\r\n";
    return this;
  }

  contentType(value: string): HttpResponse { return this.header("Content-Type", value); }

  /** The content, as text. */
  contentText(text: string): HttpResponse {
    this.content = Uint8Array.wrap(String.UTF8.encode(text));
    return this;
  }

  /** Sends the answer, once. Where the connection has ended it goes nowhere. */
  sendResponse(): void {
    if (this.status < 200 || this.status > 999) throw new Error("status " + this.status.toString() + ": an answer has one from 200 to 999");
    if (this.isSent) throw new Error("sendResponse: this request has its answer already");
    this.isSent = true;
    this.server.respond(this.request, this.status, this.fields, this.content);
  }
}

/**
 * A connection whose peer sends requests, HTTP/1.1 and 1.0: a plugin's class extends it and writes `processHttpRequest`. Requests come
 * whole, one after the other; the next one waits for the answer. A head has 16 KiB and 100 fields at most, a body 1 MiB, and a request
 * 30 seconds. What is no request is refused with its status.
 */
export class HttpServer extends Connection {
  private input: Uint8Array = new Uint8Array(0);
  /** How much of the input is taken, and how much has no end of a line. */
  private taken: i32 = 0;
  private searched: i32 = 0;
  private phase: Phase = Phase.Request;
  private request: HttpRequest | null = null;
  private pieces: Uint8Array[] = [];
  private size: i32 = 0;
  private room: i32 = 0;
  private count: i32 = 0;
  private left: i32 = 0;
  /** Empty lines before a request. */
  private empty: i32 = 0;
  /** The last line that was taken. */
  private taking: string = "";
  /** Ends a request that does not become whole; behind the last answer, the connection. */
  private timer: Timer | null = null;
  /** The answer to such a request has no content, also where it is refused. */
  private isHead: bool = false;
  private isDraining: bool = false;
  private isRunning: bool = false;

  /** A request. It is answered by `response.sendResponse`, here or later. */
  processHttpRequest(request: HttpRequest, response: HttpResponse): void {
    response.status = 404;
    response.sendResponse();
  }

  /** The server's; a class that has one of its own calls `super.postInit()`. */
  postInit(): void { this.setCommInactivityTimeout(IDLE); }

  receiveData(data: Uint8Array): void {
    if (this.phase == Phase.Over) return;
    const before = this.input.length - this.taken;
    if (before > 0) {
      const all = new Uint8Array(before + data.length);
      memory.copy(all.dataStart, this.input.dataStart + this.taken, before);
      all.set(data, before);
      this.input = all;
    } else {
      this.input = data;
    }
    this.searched = max(this.searched - this.taken, 0);
    this.taken = 0;
    this.run();
  }

  draining(milliseconds: u32): Drain {
    this.isDraining = true;
    return this.isBetween() ? Drain.WhenIdle : Drain.UntilClosed;
  }

  /** The server's; a class that has one of its own calls `super.unbind(reason)`. */
  unbind(reason: CloseReason): void {
    this.phase = Phase.Over;
    this.stopTimer();
  }

  private isBetween(): bool { return this.phase == Phase.Request && this.taken == this.input.length; }

  private stopTimer(): void {
    const timer = this.timer;
    if (timer) timer.cancel();
    this.timer = null;
  }

  private run(): void {
    if (this.isRunning) return;
    this.isRunning = true;
    while (this.phase < Phase.Answer) {
      const status = this.step();
      if (status > 0) this.refuse(status);
      if (status != GOES_ON) break;
    }
    this.isRunning = false;
    if (this.phase == Phase.Over) return;
    if (this.phase == Phase.Answer || this.isBetween()) {
      this.stopTimer();
    } else if (!this.timer) {
      this.timer = addTimer<HttpServer>(WHOLE, this, (server) => server.refuse(408));
    }
    // Whoever waits for an answer is not read from; nor is its end seen before.
    if (this.phase == Phase.Answer) this.pause();
  }

  /** Takes one thing out of the input. */
  private step(): i32 {
    if (this.phase == Phase.Content || this.phase == Phase.Chunk) return this.takeData();
    const phase = this.phase;
    if (phase == Phase.Request) {
      const refused = beginning(this.input, this.taken);
      if (refused != GOES_ON) return refused;
    }
    const room = phase == Phase.Request ? HEAD_MAX : phase == Phase.Size ? 4096 : phase == Phase.Gap ? 1 : this.room;
    const status = this.findLine(room, phase == Phase.Size || phase == Phase.Gap ? 400 : 431);
    if (status != GOES_ON) return status;
    const line = this.taking;
    if (phase == Phase.Request) return this.begin(line);
    if (phase == Phase.Fields) {
      this.room -= line.length + 2;
      if (line == "") return this.headIsWhole();
      this.count++;
      return this.count > FIELDS_MAX ? 431 : this.request!.takeField(line);
    }
    if (phase == Phase.Size) return this.takeSize(line);
    if (phase == Phase.Gap) {
      this.phase = Phase.Size;
      return line == "" ? GOES_ON : 400;
    }
    this.room -= line.length + 2;
    return this.takeTrailer(line);
  }

  /** A line behind the last chunk. One that has two programs read the message differently is refused. */
  private takeTrailer(line: string): i32 {
    if (line == "") {
      this.isWhole();
      return GOES_ON;
    }
    this.count++;
    const colon = line.indexOf(":");
    if (colon < 0 || !isToken(line.substring(0, colon))) return 400;
    if (" content-length host transfer-encoding ".includes(" " + line.substring(0, colon).toLowerCase() + " ")) return 400;
    return this.count > FIELDS_MAX ? 431 : GOES_ON;
  }

  /** A line without its end, when it is there. */
  private findLine(room: i32, tooLong: i32): i32 {
    const input = this.input;
    const end = input.indexOf(10, max(this.searched, this.taken));
    const length = (end < 0 ? input.length : end) - this.taken;
    if (length > room) return tooLong;
    if (end < 0) {
      this.searched = input.length;
      return WAITS;
    }
    if (length == 0 || input[end - 1] != 13) return 400;
    for (let i = this.taken; i < end - 1; i++) {
      const c = input[i];
      if ((c < 0x20 && c != 9) || c == 0x7f || (c > 0x7f && this.phase == Phase.Request)) return 400;
    }
    this.taking = String.UTF8.decodeUnsafe(input.dataStart + this.taken, length - 1);
    this.taken = end + 1;
    return GOES_ON;
  }

  private begin(line: string): i32 {
    // Some clients send an empty line behind a body.
    this.empty = line == "" ? this.empty + 1 : 0;
    if (this.empty > EMPTY_MAX) return 400;
    if (line == "") return GOES_ON;
    this.isHead = line.startsWith("HEAD ");
    this.request = null;
    const request = new HttpRequest();
    const status = request.takeLine(line);
    if (status != GOES_ON) return status;
    this.request = request;
    this.room = HEAD_MAX - line.length;
    this.count = 0;
    this.phase = Phase.Fields;
    return GOES_ON;
  }

  private headIsWhole(): i32 {
    const request = this.request!;
    const status = request.check();
    if (status != GOES_ON) return status;
    this.pieces = [];
    this.size = 0;
    this.left = <i32>request.contentLength();
    if (!request.isChunked() && this.left == 0) {
      this.isWhole();
      return GOES_ON;
    }
    this.phase = request.isChunked() ? Phase.Size : Phase.Content;
    if (request.headers.has("expect") && !request.isHttp10) this.sendText("HTTP/1.1 100 Continue\r\n\r\n");
    return GOES_ON;
  }

  private takeSize(line: string): i32 {
    let end = 0;
    let size: i64 = 0;
    for (; end < line.length; end++) {
      const c = line.charCodeAt(end);
      const digit = c >= 0x30 && c <= 0x39 ? c - 0x30 : (c | 0x20) >= 0x61 && (c | 0x20) <= 0x66 ? (c | 0x20) - 0x57 : -1;
      if (digit < 0) break;
      size = min(size << 4 | digit, <i64>CONTENT_MAX + 1);
    }
    const rest = line.substring(end);
    if (end == 0 || end > 16 || (rest != "" && !trimmed(rest).startsWith(";"))) return 400;
    if (size + this.size > CONTENT_MAX) return 413;
    this.left = <i32>size;
    this.room = HEAD_MAX;
    this.count = 0;
    this.phase = size == 0 ? Phase.Trailers : Phase.Chunk;
    return GOES_ON;
  }

  private takeData(): i32 {
    const count = min(this.left, this.input.length - this.taken);
    if (count == 0) return WAITS;
    this.pieces.push(this.input.slice(this.taken, this.taken + count));
    this.size += count;
    this.taken += count;
    this.left -= count;
    if (this.left == 0) {
      if (this.phase == Phase.Chunk) this.phase = Phase.Gap;
      else this.isWhole();
    }
    return GOES_ON;
  }

  private isWhole(): void {
    const request = this.request!;
    const content = new Uint8Array(this.size);
    for (let i = 0, at = 0; i < this.pieces.length; i++) {
      content.set(this.pieces[i], at);
      at += this.pieces[i].length;
    }
    this.pieces = [];
    request.content = content;
    this.phase = Phase.Answer;
    this.processHttpRequest(request, new HttpResponse(this, request));
  }

  /** For the answer. */
  respond(request: HttpRequest, status: i32, fields: string, content: Uint8Array): void {
    if (this.phase != Phase.Answer || this.request !== request) return;
    this.phase = Phase.Request;
    this.write(status, fields, content);
    if (this.isPaused()) this.resume();
    this.run();
  }

  /** For a request that is none, or comes too late. */
  refuse(status: i32): void {
    this.phase = Phase.Over;
    const words = String.UTF8.encode(status.toString() + " " + reason(status) + "\n");
    this.write(status, "Content-Type: text/plain\r\n", Uint8Array.wrap(words));
  }

  private write(status: i32, fields: string, content: Uint8Array): void {
    const request = this.request;
    if (this.isDraining || !request || !request.keepsOpen()) this.phase = Phase.Over;
    const isOver = this.phase == Phase.Over;
    const isBare = status == 204 || status == 304;
    let head = "HTTP/1.1 " + status.toString() + " " + reason(status) + "\r\n" + fields;
    if (!isBare) head += "Content-Length: " + content.length.toString() + "\r\n";
    if (isOver) head += "Connection: close\r\n";
    else if (request && request.isHttp10) head += "Connection: keep-alive\r\n";
    this.sendText(head + "Date: " + new Date(now()).toUTCString() + "\r\n\r\n");
    if (!isBare && !this.isHead && content.length > 0) this.sendData(content);
    if (isOver) this.end();
  }

  /** A close would be a reset where the peer still sends, which takes along what it has not read. */
  private end(): void {
    this.input = new Uint8Array(0);
    this.taken = 0;
    this.stopTimer();
    if (this.halfClose() != ErrorCode.None) this.closeConnection();
    else this.timer = addTimer<HttpServer>(LINGER, this, (server) => server.closeConnection());
  }
}

/** The status of what no line of a request begins with. */
function beginning(input: Uint8Array, from: i32): i32 {
  if (from == input.length || input[from] == 13) return GOES_ON;
  const space = input.indexOf(32, from);
  const method = min(space < 0 ? input.length - from : space - from, METHOD_MAX + 1);
  for (let i = 0; i < method; i++) {
    if (!isTokenCode(input[from + i])) return 400;
  }
  if (method > METHOD_MAX) return 501;
  if (space < 0 || input.length - space - 1 <= TARGET_MAX) return GOES_ON;
  for (let i = space + 1; i <= space + 1 + TARGET_MAX; i++) {
    if (input[i] == 32) return GOES_ON;
  }
  return 414;
}

/** A host with or without a port. */
function isHost(word: string): bool {
  let name = word;
  const colon = word.lastIndexOf(":");
  if (colon >= 0 && !word.endsWith("]")) {
    const port = word.substring(colon + 1);
    if (port != "" && (!isDigits(port) || F64.parseFloat(port) > 65535)) return false;
    name = word.substring(0, colon);
  }
  const isAddress = name.startsWith("[");
  if (isAddress && (name.length < 3 || !name.endsWith("]"))) return false;
  for (let i = isAddress ? 1 : 0, end = isAddress ? name.length - 1 : name.length; i < end; i++) {
    const c = name.charCodeAt(i);
    const isDigit = c >= 0x30 && c <= 0x39;
    const isHex = isDigit || ((c | 0x20) >= 0x61 && (c | 0x20) <= 0x66);
    const isLetter = isDigit || ((c | 0x20) >= 0x61 && (c | 0x20) <= 0x7a);
    if (isAddress ? !isHex && c != 0x3a && c != 0x2e : !isLetter && !"!$&'()*+;=%_.~-".includes(name.charAt(i))) return false;
  }
  return true;
}

function isToken(word: string): bool {
  for (let i = 0; i < word.length; i++) {
    if (!isTokenCode(word.charCodeAt(i))) return false;
  }
  return word.length > 0;
}

function isTokenCode(c: i32): bool {
  const isAlphanumeric = (c >= 0x30 && c <= 0x39) || ((c | 0x20) >= 0x61 && (c | 0x20) <= 0x7a);
  return isAlphanumeric || "!#$%&'*+.^_`|~-".includes(String.fromCharCode(c));
}

function isDigits(word: string): bool {
  for (let i = 0; i < word.length; i++) {
    if (word.charCodeAt(i) < 0x30 || word.charCodeAt(i) > 0x39) return false;
  }
  return word.length > 0;
}

function hasControl(text: string): bool {
  for (let i = 0; i < text.length; i++) {
    const c = text.charCodeAt(i);
    if ((c < 0x20 && c != 9) || c == 0x7f) return true;
  }
  return false;
}

/** Without blanks and tabs at its ends; other white space is a part of it. */
function trimmed(text: string): string {
  let from = 0;
  let to = text.length;
  while (from < to && (text.charAt(from) == " " || text.charAt(from) == "\t")) from++;
  while (from < to && (text.charAt(to - 1) == " " || text.charAt(to - 1) == "\t")) to--;
  return text.substring(from, to);
}

/** The members of a list, in lower case. */
function members(list: string): string[] {
  const all = list.toLowerCase().split(",");
  for (let i = 0; i < all.length; i++) all[i] = trimmed(all[i]);
  return all;
}

function reason(status: i32): string {
  switch (status) {
    case 200: return "OK";
    case 201: return "Created";
    case 202: return "Accepted";
    case 204: return "No Content";
    case 206: return "Partial Content";
    case 301: return "Moved Permanently";
    case 302: return "Found";
    case 303: return "See Other";
    case 304: return "Not Modified";
    case 307: return "Temporary Redirect";
    case 308: return "Permanent Redirect";
    case 400: return "Bad Request";
    case 401: return "Unauthorized";
    case 403: return "Forbidden";
    case 404: return "Not Found";
    case 405: return "Method Not Allowed";
    case 408: return "Request Timeout";
    case 409: return "Conflict";
    case 410: return "Gone";
    case 413: return "Content Too Large";
    case 414: return "URI Too Long";
    case 415: return "Unsupported Media Type";
    case 417: return "Expectation Failed";
    case 422: return "Unprocessable Content";
    case 429: return "Too Many Requests";
    case 431: return "Request Header Fields Too Large";
    case 500: return "Internal Server Error";
    case 501: return "Not Implemented";
    case 502: return "Bad Gateway";
    case 503: return "Service Unavailable";
    case 504: return "Gateway Timeout";
    case 505: return "HTTP Version Not Supported";
    default: return "";
  }
}
