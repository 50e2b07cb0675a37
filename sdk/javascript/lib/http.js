// A server of HTTP/1.1 (RFC 9110, 9112): requests come whole, one after the other, and are answered now or later.
// What two programs could understand differently is refused, with its status; nothing is repaired.
import { Connection } from './connection.js';
import { bytesOf, text } from './text.js';

const HEAD_MAX = 16384;
const FIELDS_MAX = 100;
const TARGET_MAX = 8192;
const EMPTY_MAX = 10;
const CONTENT_MAX = 1048576;
/** Milliseconds between two requests, for a whole request, and for a peer to end its side after the last answer. */
const IDLE = 60000;
const WHOLE = 30000;
const LINGER = 2000;

const REASONS = {
  200: 'OK', 201: 'Created', 202: 'Accepted', 204: 'No Content', 206: 'Partial Content', 301: 'Moved Permanently', 302: 'Found',
  303: 'See Other', 304: 'Not Modified', 307: 'Temporary Redirect', 308: 'Permanent Redirect', 400: 'Bad Request', 401: 'Unauthorized',
  403: 'Forbidden', 404: 'Not Found', 405: 'Method Not Allowed', 408: 'Request Timeout', 409: 'Conflict', 410: 'Gone',
  413: 'Content Too Large', 414: 'URI Too Long', 415: 'Unsupported Media Type', 417: 'Expectation Failed', 422: 'Unprocessable Content',
  429: 'Too Many Requests', 431: 'Request Header Fields Too Large', 500: 'Internal Server Error', 501: 'Not Implemented',
  502: 'Bad Gateway', 503: 'Service Unavailable', 504: 'Gateway Timeout', 505: 'HTTP Version Not Supported',
};

const TOKEN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;
/** Words with which two programs would read a message differently, behind it. */
const NO_TRAILER = /^(content-length|host|transfer-encoding)$/;
const CONTROL = /[\0-\x08\n-\x1f\x7f]/;
/** What only the server says. */
const RESERVED = /^(connection|content-length|date|keep-alive|transfer-encoding|upgrade)$/i;

class Refusal {
  constructor(status) {
    this.status = status;
  }
}

/** A host with or without a port. */
function isHost(word) {
  const port = /:(\d*)$/.exec(word);
  const name = port ? word.slice(0, port.index) : word;
  return /^([\w.~!$&'()*+;=%-]*|\[[0-9A-Fa-f:.]+\])$/.test(name) && Number(port?.[1] ?? 0) < 65536;
}

/** The status of a beginning that no line of a request has. */
function beginning(bytes) {
  if (bytes[0] === 13) return 0;
  const space = bytes.indexOf(32);
  const method = latin(bytes.subarray(0, space < 0 ? 33 : Math.min(space, 33)));
  if (method && !TOKEN.test(method)) return 400;
  if (method.length > 32) return 501;
  return space >= 0 && bytes.length - space - 1 > TARGET_MAX && bytes.subarray(space + 1, space + 2 + TARGET_MAX).indexOf(32) < 0 ? 414 : 0;
}

const refuse = (status) => {
  throw new Refusal(status);
};

/** The name of a field, in lower case. */
function nameOf(line) {
  const colon = line.indexOf(':');
  if (colon < 0 || !TOKEN.test(line.slice(0, colon))) refuse(400);
  return line.slice(0, colon).toLowerCase();
}

function join(pieces, size) {
  if (pieces.length === 1) return pieces[0];
  const all = new Uint8Array(size);
  let at = 0;
  for (const piece of pieces) {
    all.set(piece, at);
    at += piece.length;
  }
  return all;
}

const latin = (bytes) => {
  let all = '';
  for (let at = 0; at < bytes.length; at += 8192) all += String.fromCharCode.apply(null, bytes.subarray(at, at + 8192));
  return all;
};

class Request {
  content = new Uint8Array(0);
  headers = new Map();

  constructor(line) {
    const parts = line.split(' ');
    if (parts.length !== 3 || !TOKEN.test(parts[0]) || !/^[!"$-~]+$/.test(parts[1])) refuse(400);
    const [method, target, version] = parts;
    this.method = method;
    if (!/^HTTP\/\d\.\d$/.test(version)) refuse(400);
    if (!version.startsWith('HTTP/1.')) refuse(505);
    this.version = version === 'HTTP/1.0' ? '1.0' : '1.1';
    if (target.length > TARGET_MAX) refuse(414);
    // Only proxies have tunnels.
    if (method === 'CONNECT') refuse(/:\d+$/.test(target) && isHost(target) ? 501 : 400);
    const host = /^https?:\/\/([^/?]+)/i.exec(target);
    if (host && !isHost(host[1])) refuse(400);
    const path = host ? target.slice(host[0].length) : target;
    const isWhole = host !== null;
    if (!(isWhole ? /^([/?]|$)/ : /^(\/|\*$)/).test(path) || (target === '*' && method !== 'OPTIONS')) refuse(400);
    const query = path.indexOf('?');
    this.target = target;
    this.path = (query < 0 ? path : path.slice(0, query)) || '/';
    this.queryString = query < 0 ? '' : path.slice(query + 1);
  }

  header(name) {
    return this.headers.get(name.toLowerCase());
  }

  text() {
    return text(this.content);
  }

  /** For the server: a line of the head. */
  take(line) {
    const name = nameOf(line);
    const colon = name.length;
    const value = line.slice(colon + 1).replace(/^[ \t]+|[ \t]+$/g, '');
    const before = this.headers.get(name);
    if (before !== undefined && (name === 'host' || name === 'content-length')) refuse(400);
    this.headers.set(name, before === undefined ? value : `${before}, ${value}`);
  }

  /** For the server: how many bytes of content follow, or 'chunked'. */
  check() {
    const host = this.headers.get('host');
    if (host === undefined ? this.version === '1.1' : !isHost(host)) refuse(400);
    const length = this.headers.get('content-length');
    const coding = this.headers.get('transfer-encoding')?.toLowerCase();
    if (length !== undefined && !/^\d+$/.test(length)) refuse(400);
    if (coding !== undefined) {
      if (length !== undefined || this.version === '1.0') refuse(400);
      const codings = coding.split(',').map((one) => one.trim());
      if (codings.indexOf('chunked') !== codings.length - 1) refuse(400);
      if (codings.length > 1) refuse(501);
    }
    const expected = this.headers.get('expect');
    if (expected !== undefined && this.version === '1.1' && expected.toLowerCase() !== '100-continue') refuse(417);
    if (Number(length ?? 0) > CONTENT_MAX) refuse(413);
    return coding ? 'chunked' : Number(length ?? 0);
  }

  get keepsOpen() {
    const options = (this.headers.get('connection') ?? '').toLowerCase().split(',').map((one) => one.trim());
    return !options.includes('close') && (this.version === '1.1' || options.includes('keep-alive'));
  }
}

class Response {
  status = 200;
  content = '';
  #fields = [];
  #send;

  constructor(send) {
    this.#send = send;
  }

  header(name, value) {
    if (!TOKEN.test(name) || CONTROL.test(String(value))) throw new TypeError(`header ${JSON.stringify(name)}: a name is a word, and a value one line`);
    if (RESERVED.test(name)) throw new TypeError(`header ${name}: the server says it itself; leave it out`);
    this.#fields.push(`${name}: ${value}\r\n`);
    return this;
  }

  contentType(type) {
    return this.header('Content-Type', type);
  }

  sendResponse(content = this.content) {
    const { status } = this;
    if (!Number.isInteger(status) || status < 200 || status > 999) throw new RangeError(`status ${status}: an answer has one from 200 to 999`);
    const send = this.#send;
    if (!send) throw new Error('sendResponse: this request has its answer already');
    const bytes = bytesOf(content, 'sendResponse');
    this.#send = undefined;
    send(status, this.#fields.join(''), bytes);
  }
}

export class HttpServer extends Connection {
  #input = new Uint8Array(0);
  /** How much of it has no end of a line. */
  #searched = 0;
  /** What comes next: request, fields, content, size, chunk, gap, trailers; answer: nothing before the answer; over. */
  #phase = 'request';
  #request;
  #room = 0;
  #fields = 0;
  /** Empty lines before a request. */
  #empty = 0;
  #pieces = [];
  #size = 0;
  #left = 0;
  #timer;
  #isDraining = false;
  #isRunning = false;
  /** The answer to such a request has no content, also where it is refused. */
  #isHead = false;

  constructor(options) {
    super(options);
    this.setCommInactivityTimeout(IDLE);
  }

  processHttpRequest(request, response) {
    response.status = 404;
    response.sendResponse();
  }

  receiveData(data) {
    if (this.#phase === 'over') return;
    this.#input = this.#input.length ? join([this.#input, data], this.#input.length + data.length) : data;
    this.#run();
  }

  draining(milliseconds) {
    this.#isDraining = true;
    return this.#isBetween ? 'when-idle' : 'until-closed';
  }

  get #isBetween() {
    return this.#phase === 'request' && this.#input.length === 0;
  }

  #run() {
    if (this.#isRunning) return;
    this.#isRunning = true;
    try {
      while (this.#phase !== 'answer' && this.#phase !== 'over' && this.#step());
    } catch (refusal) {
      if (!(refusal instanceof Refusal)) throw refusal;
      this.#phase = 'over';
      const { status } = refusal;
      this.#answer(status, 'Content-Type: text/plain\r\n', bytesOf(`${status} ${REASONS[status]}\n`, 'refuse'));
    } finally {
      this.#isRunning = false;
    }
    const isBegun = this.#phase !== 'answer' && this.#phase !== 'over' && !this.#isBetween;
    if (isBegun) {
      this.#timer ??= this.setTimeout(() => this.#tooLate(), WHOLE);
    } else {
      this.#timer?.cancel();
      this.#timer = undefined;
    }
    // Whoever waits for an answer is not read from; nor is its end seen before.
    if (this.#phase === 'answer') this.pause();
  }

  #tooLate() {
    this.#phase = 'over';
    this.#answer(408, '', new Uint8Array(0));
  }

  /** Takes one thing out of the input; false when it is not there yet. */
  #step() {
    switch (this.#phase) {
      case 'content':
      case 'chunk':
        return this.#data();
      case 'request': {
        const status = beginning(this.#input);
        if (status) refuse(status);
        const line = this.#line(HEAD_MAX, 431);
        // Some clients send an empty line behind a body.
        if (line === '' && ++this.#empty > EMPTY_MAX) refuse(400);
        if (line) {
          this.#empty = 0;
          this.#request = undefined;
          this.#isHead = line.startsWith('HEAD ');
          this.#request = new Request(line);
          this.#room = HEAD_MAX - line.length;
          this.#fields = 0;
          this.#phase = 'fields';
        }
        return line !== undefined;
      }
      case 'fields': {
        const line = this.#line(this.#room, 431);
        if (line === '') this.#headIsWhole();
        else if (line !== undefined) {
          this.#room -= line.length + 2;
          this.#fields += 1;
          if (this.#fields > FIELDS_MAX) refuse(431);
          this.#request.take(line);
        }
        return line !== undefined;
      }
      case 'size': {
        const line = this.#line(4096, 400);
        if (line !== undefined) this.#chunk(line);
        return line !== undefined;
      }
      case 'gap': {
        const line = this.#line(1, 400);
        if (line) refuse(400);
        if (line === '') this.#phase = 'size';
        return line !== undefined;
      }
      default: {
        const line = this.#line(this.#room, 431);
        if (line === '') this.#isWhole();
        else if (line !== undefined) {
          this.#room -= line.length + 2;
          this.#fields += 1;
          if (NO_TRAILER.test(nameOf(line))) refuse(400);
          if (this.#fields > FIELDS_MAX) refuse(431);
        }
        return line !== undefined;
      }
    }
  }

  /** A line without its end; undefined when it is not there yet. */
  #line(room, status) {
    const input = this.#input;
    const end = input.indexOf(10, this.#searched);
    if ((end < 0 ? input.length : end) > room) refuse(status);
    if (end < 0) {
      this.#searched = input.length;
      return undefined;
    }
    if (end === 0 || input[end - 1] !== 13) refuse(400);
    const line = latin(input.subarray(0, end - 1));
    if (CONTROL.test(line)) refuse(400);
    this.#input = input.subarray(end + 1);
    this.#searched = 0;
    return line;
  }

  #headIsWhole() {
    const request = this.#request;
    const length = request.check();
    this.#pieces = [];
    this.#size = 0;
    if (length === 0) return this.#isWhole();
    this.#left = length === 'chunked' ? 0 : length;
    this.#phase = length === 'chunked' ? 'size' : 'content';
    if (request.header('expect') && request.version === '1.1') this.sendData('HTTP/1.1 100 Continue\r\n\r\n');
  }

  #chunk(line) {
    const size = /^([0-9a-f]{1,16})([ \t]*;|$)/i.exec(line)?.[1] ?? refuse(400);
    this.#left = Number.parseInt(size, 16);
    if (this.#size + this.#left > CONTENT_MAX) refuse(413);
    this.#room = HEAD_MAX;
    this.#fields = 0;
    this.#phase = this.#left ? 'chunk' : 'trailers';
  }

  #data() {
    const piece = this.#input.subarray(0, this.#left);
    if (piece.length === 0) return false;
    this.#input = this.#input.subarray(piece.length);
    this.#pieces.push(piece);
    this.#size += piece.length;
    this.#left -= piece.length;
    if (this.#left === 0) {
      if (this.#phase === 'chunk') this.#phase = 'gap';
      else this.#isWhole();
    }
    return true;
  }

  #isWhole() {
    const request = this.#request;
    if (this.#size) request.content = join(this.#pieces, this.#size);
    this.#pieces = [];
    this.#phase = 'answer';
    return this.processHttpRequest(request, new Response((status, fields, content) => {
      if (this.closed !== undefined || this.#phase !== 'answer') return;
      this.#phase = 'request';
      this.#answer(status, fields, content);
      if (this.isPaused) this.resume();
      this.#run();
    }));
  }

  #answer(status, fields, content) {
    const request = this.#request;
    if (this.#isDraining || !request?.keepsOpen) this.#phase = 'over';
    const isOver = this.#phase === 'over';
    const isBare = status === 204 || status === 304;
    const length = isBare ? '' : `Content-Length: ${content.length}\r\n`;
    const connection = isOver ? 'Connection: close\r\n' : request.version === '1.0' ? 'Connection: keep-alive\r\n' : '';
    this.sendData(`HTTP/1.1 ${status} ${REASONS[status] ?? ''}\r\n${fields}${length}${connection}Date: ${new Date().toUTCString()}\r\n\r\n`);
    if (!isBare && !this.#isHead && content.length) this.sendData(content);
    if (isOver) this.#end();
  }

  /** A close would be a reset where the peer still sends, which takes along what it has not read. */
  #end() {
    this.#input = new Uint8Array(0);
    try {
      this.halfClose();
    } catch {
      return this.closeConnection();
    }
    this.setTimeout(() => this.closeConnection(), LINGER);
  }
}
