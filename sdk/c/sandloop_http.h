// sandloop_http.h: a server of HTTP/1.1 (RFC 9110, 9112) over sandloop.h.
//
//     #define SANDLOOP_IMPLEMENTATION        // in one file of the plugin
//     #include "sandloop_http.h"
//
//     static void process_http_request(sl_conn *c, const sl_http_request *request) {
//       sl_http_send_response(c, 200, "text/plain", "hello\n", 6);
//     }
//
//     static void post_init(sl_conn *c) { sl_http_begin(c, process_http_request); }
//
//     SL_HANDLERS({.name = "hello", .post_init = post_init, SL_HTTP_CALLBACKS});
//
// Requests come whole, one after the other; the next one waits for the answer. A head has 16 KiB and 100 fields at most, a body 1 MiB,
// and a request 30 seconds. What is no request, or could be understood in two ways, is refused with its status; nothing is repaired.

#ifndef SANDLOOP_HTTP_H
#define SANDLOOP_HTTP_H

#include "sandloop.h"

#include <stdlib.h>
#include <string.h>

#ifdef __cplusplus
extern "C" {
#endif

// A request with its whole content. It holds until it is answered.
typedef struct sl_http_request {
  const char *method;
  // As it came, as are its parts: percent-encoded.
  const char *target, *path, *query_string;
  bool is_http10;
  sl_bytes content;
} sl_http_request;

typedef void sl_http_process(sl_conn *c, const sl_http_request *request);

enum { SL__HTTP_HEAD = 16384, SL__HTTP_FIELDS = 100, SL__HTTP_TARGET = 8192, SL__HTTP_CONTENT = 1 << 20, SL__HTTP_EMPTY = 10 };

// What comes next: a line of the request, bytes of its content; nothing before the answer; nothing at all.
typedef enum sl__http_phase {
  SL__HTTP_REQUEST, SL__HTTP_FIELD, SL__HTTP_BODY, SL__HTTP_SIZE, SL__HTTP_CHUNK, SL__HTTP_GAP, SL__HTTP_TRAILER,
  SL__HTTP_ANSWER, SL__HTTP_OVER
} sl__http_phase;

typedef struct sl__http_buffer {
  char *data;
  size_t size, room;
} sl__http_buffer;

// A connection's server, at its `state`, or at the beginning of a struct that is there. The fields are the SDK's.
typedef struct sl_http {
  sl_conn *conn;
  sl_http_process *process;
  // In the place of `process`, of a server that is a part of something else.
  void (*call)(void *owner, const sl_http_request *request);
  void *owner;
  sl__http_buffer input, head, content, out;
  // How much of the input has no end of a line.
  size_t searched;
  size_t room, left;
  sl_http_request request;
  // Where each field begins in the head: its name, then its value.
  uint32_t fields[SL__HTTP_FIELDS];
  uint32_t count;
  // Empty lines before a request.
  uint32_t empty, trailers;
  // Ends a request that does not become whole; behind the last answer, the connection.
  sl_handle whole;
  sl__http_phase phase;
  // The answer to such a request has no content, also where it is refused.
  bool is_head;
  bool is_draining, is_running, keeps_open;
} sl_http;

// For the handler: its state is the server, and these are its callbacks.
#define SL_HTTP_CALLBACKS \
  .size = sizeof(sl_http), .receive_data = sl_http_receive_data, .unbind = sl_http_unbind, .draining = sl_http_draining

// In post_init.
void sl_http_begin(sl_conn *c, sl_http_process *process);
void sl_http_receive_data(sl_conn *c, const uint8_t *data, size_t size);
void sl_http_unbind(sl_conn *c, sl_close_reason reason);
sl_drain sl_http_draining(sl_conn *c, uint32_t milliseconds);

// The first field of this name, in whatever case, of the request that is not answered yet; or NULL.
const char *sl_http_header(sl_conn *c, const char *name);
// Adds a field to the answer that comes next. Length, `Connection` and `Date` are the server's: false for those, and for what is no field.
bool sl_http_add_header(sl_conn *c, const char *name, const char *value);
// Answers the request, here or later, with a status of 200 to 999. `type` may be NULL. Without a request it does nothing.
void sl_http_send_response(sl_conn *c, int status, const char *type, const void *content, size_t size);

// The same of a server that is somewhere else.
void sl__http_open(sl_http *h, sl_conn *c);
void sl__http_feed(sl_http *h, const uint8_t *data, size_t size);
void sl__http_free(sl_http *h);
sl_drain sl__http_drain(sl_http *h);
const char *sl__http_find(const sl_http *h, const char *name);
bool sl__http_add(sl_http *h, const char *name, const char *value);
void sl__http_respond(sl_http *h, int status, const char *type, const void *content, size_t size);

#ifdef __cplusplus
}
#endif

#ifdef SANDLOOP_IMPLEMENTATION

#include <stdio.h>
#include <strings.h>
#include <time.h>

#ifdef __cplusplus
extern "C" {
#endif

static const char *sl__http_reason(int status) {
  static const struct {
    int status;
    const char *words;
  } all[] = {
      {200, "OK"}, {201, "Created"}, {202, "Accepted"}, {204, "No Content"}, {206, "Partial Content"}, {301, "Moved Permanently"},
      {302, "Found"}, {303, "See Other"}, {304, "Not Modified"}, {307, "Temporary Redirect"}, {308, "Permanent Redirect"},
      {400, "Bad Request"}, {401, "Unauthorized"}, {403, "Forbidden"}, {404, "Not Found"}, {405, "Method Not Allowed"},
      {408, "Request Timeout"}, {409, "Conflict"}, {410, "Gone"}, {413, "Content Too Large"}, {414, "URI Too Long"},
      {415, "Unsupported Media Type"}, {417, "Expectation Failed"}, {422, "Unprocessable Content"}, {429, "Too Many Requests"},
      {431, "Request Header Fields Too Large"}, {500, "Internal Server Error"}, {501, "Not Implemented"}, {502, "Bad Gateway"},
      {503, "Service Unavailable"}, {504, "Gateway Timeout"}, {505, "HTTP Version Not Supported"},
  };
  for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
    if (all[i].status == status) return all[i].words;
  }
  return "";
}

static void sl__http_push(sl__http_buffer *to, const void *data, size_t size) {
  if (size > to->room - to->size) {
    size_t room = to->room * 2 > to->size + size ? to->room * 2 : to->size + size;
    char *wider = (char *)realloc(to->data, room);
    if (!wider) sl__die("out of memory: a request or its answer", NULL);
    to->data = wider;
    to->room = room;
  }
  if (size) memcpy(to->data + to->size, data, size);
  to->size += size;
}

static void sl__http_clear(sl__http_buffer *it) {
  free(it->data);
  it->data = NULL;
  it->size = it->room = 0;
}

static bool sl__http_is_token(const char *word, size_t size) {
  static const char all[] = "!#$%&'*+.^_`|~-0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
  for (size_t i = 0; i < size; i++) {
    if (!word[i] || !strchr(all, word[i])) return false;
  }
  return size > 0;
}

static bool sl__http_has_control(const char *line, size_t size) {
  for (size_t i = 0; i < size; i++) {
    if (((unsigned char)line[i] < ' ' && line[i] != '\t') || line[i] == 0x7f) return true;
  }
  return false;
}

// A host with or without a port.
static bool sl__http_is_host(const char *word, size_t size) {
  size_t end = size;
  unsigned port = 0;
  while (end && word[end - 1] >= '0' && word[end - 1] <= '9') end--;
  if (end && word[end - 1] == ':') {
    for (size_t i = end; i < size; i++) {
      port = port * 10 + (unsigned)(word[i] - '0');
      if (port > 65535) return false;
    }
    size = end - 1;
  }
  bool is_address = size > 2 && word[0] == '[' && word[size - 1] == ']';
  for (size_t i = is_address; i < size - is_address; i++) {
    char c = word[i];
    bool is_hex = (c >= '0' && c <= '9') || ((c | 32) >= 'a' && (c | 32) <= 'f') || c == '.';
    bool is_letter = is_hex || ((c | 32) >= 'a' && (c | 32) <= 'z') || (c && strchr("!$&'()*+;=%_~-", c));
    if (is_address ? !is_hex && c != ':' : !is_letter) return false;
  }
  return true;
}

// The status of what no line of a request begins with.
static int sl__http_beginning(const char *input, size_t size) {
  const char *space = (const char *)memchr(input, ' ', size);
  size_t method = space ? (size_t)(space - input) : size;
  if (size == 0 || *input == '\r') return 0;
  if (method && !sl__http_is_token(input, method < 33 ? method : 33)) return 400;
  if (method > 32) return 501;
  if (!space || size - method - 1 <= SL__HTTP_TARGET) return 0;
  return memchr(space + 1, ' ', SL__HTTP_TARGET + 1) ? 0 : 414;
}

// What the members of a list say, in all fields of this name.
typedef struct sl__http_list {
  uint32_t fields, members;
  // Members that are the word, and whether the last one is.
  uint32_t found;
  bool is_last;
} sl__http_list;

static sl__http_list sl__http_members(const sl_http *h, const char *name, const char *word) {
  sl__http_list list = {0, 0, 0, false};
  for (uint32_t i = 0; i < h->count; i++) {
    const char *field = h->head.data + h->fields[i];
    if (strcasecmp(field, name) != 0) continue;
    list.fields++;
    for (const char *at = field + strlen(field) + 1; at; at = strchr(at, ',') ? strchr(at, ',') + 1 : NULL) {
      at += strspn(at, " \t");
      size_t size = strcspn(at, ",");
      while (size && strchr(" \t", at[size - 1])) size--;
      list.members++;
      list.is_last = size == strlen(word) && strncasecmp(at, word, size) == 0;
      list.found += list.is_last;
    }
  }
  return list;
}

SL__WEAK const char *sl__http_find(const sl_http *h, const char *name) {
  for (uint32_t i = 0; i < h->count; i++) {
    const char *field = h->head.data + h->fields[i];
    if (strcasecmp(field, name) == 0) return field + strlen(field) + 1;
  }
  return NULL;
}

static void sl__http_closed(void *h) { sl_close(((sl_http *)h)->conn); }

static void sl__http_write(sl_http *h, int status, const void *content, size_t size) {
  bool has_request = h->request.method != NULL;
  if (h->is_draining || !has_request || !h->keeps_open) h->phase = SL__HTTP_OVER;
  bool is_over = h->phase == SL__HTTP_OVER, is_bare = status == 204 || status == 304;
  char line[160], date[40];
  time_t now = time(NULL);
  strftime(date, sizeof date, "%a, %d %b %Y %H:%M:%S GMT", gmtime(&now));
  sl__http_buffer out = {NULL, 0, 0};
  sl__http_push(&out, line, (size_t)snprintf(line, sizeof line, "HTTP/1.1 %d %s\r\n", status, sl__http_reason(status)));
  sl__http_push(&out, h->out.data, h->out.size);
  if (!is_bare) sl__http_push(&out, line, (size_t)snprintf(line, sizeof line, "Content-Length: %zu\r\n", size));
  const char *stays = is_over ? "Connection: close\r\n" : h->request.is_http10 ? "Connection: keep-alive\r\n" : "";
  sl__http_push(&out, line, (size_t)snprintf(line, sizeof line, "%sDate: %s\r\n\r\n", stays, date));
  if (!is_bare && !h->is_head) sl__http_push(&out, content, size);
  sl_send(h->conn, out.data, out.size);
  free(out.data);
  sl__http_clear(&h->out);
  sl__http_clear(&h->head);
  sl__http_clear(&h->content);
  h->request.method = NULL;
  h->count = 0;
  if (!is_over) return;
  // A close would be a reset where the peer still sends, which takes along what it has not read.
  sl__http_clear(&h->input);
  sl_cancel_timer(h->whole);
  h->whole = 0;
  if (sl_half_close(h->conn)) sl_close(h->conn);
  else h->whole = sl_timer(2000, sl__http_closed, h);
}

static void sl__http_refuse(sl_http *h, int status) {
  char words[64];
  size_t size = (size_t)snprintf(words, sizeof words, "%d %s\n", status, sl__http_reason(status));
  h->phase = SL__HTTP_OVER;
  sl__http_clear(&h->out);
  sl__http_push(&h->out, "Content-Type: text/plain\r\n", 26);
  sl__http_write(h, status, words, size);
}

static void sl__http_too_late(void *context) {
  sl_http *h = (sl_http *)context;
  h->whole = 0;
  sl__http_refuse(h, 408);
}

// The parts of the first line, which stands in the head. 0, or the status of a refusal.
static int sl__http_first_line(sl_http *h) {
  char *method = h->head.data, *target = strchr(method, ' ');
  char *version = target ? strchr(target + 1, ' ') : NULL;
  if (!version || !sl__http_is_token(method, (size_t)(target - method))) return 400;
  *target++ = *version++ = 0;
  for (const char *at = target; *at; at++) {
    if (*at < '!' || *at > '~' || *at == '#') return 400;
  }
  if (!*target || strlen(version) != 8 || strncmp(version, "HTTP/", 5) != 0 || version[6] != '.') return 400;
  if (version[5] < '0' || version[5] > '9' || version[7] < '0' || version[7] > '9') return 400;
  if (version[5] != '1') return 505;
  h->request.is_http10 = version[7] == '0';
  if (strlen(target) > SL__HTTP_TARGET) return 414;
  if (strcmp(method, "CONNECT") == 0) {
    // Only proxies have tunnels.
    const char *port = strrchr(target, ':');
    return port && port[1] && strspn(port + 1, "0123456789") == strlen(port + 1) && sl__http_is_host(target, strlen(target)) ? 501 : 400;
  }
  // The target as it came, and behind it once more, to be cut into its parts.
  size_t size = strlen(target);
  char *path = (char *)sl__allocate(1, 2 * size + 3);
  memcpy(path, target, size);
  memcpy(path + size + 1, target, size);
  bool is_whole = false;
  char *rest = path + size + 1;
  size_t scheme = strncasecmp(rest, "http://", 7) == 0 ? 7 : strncasecmp(rest, "https://", 8) == 0 ? 8 : 0;
  if (scheme) {
    size_t host = strcspn(rest + scheme, "/?");
    is_whole = host > 0 && sl__http_is_host(rest + scheme, host);
    if (is_whole) rest += scheme + host;
  }
  bool is_path = *rest == '/' || (is_whole && (!*rest || *rest == '?'));
  bool is_all = strcmp(rest, "*") == 0 && strcmp(method, "OPTIONS") == 0;
  char *query = strchr(rest, '?');
  if (query) *query = 0;
  // One block: method, target, path, query.
  sl__http_buffer parts = {NULL, 0, 0};
  sl__http_push(&parts, method, strlen(method) + 1);
  sl__http_push(&parts, path, size + 1);
  sl__http_push(&parts, *rest ? rest : "/", *rest ? strlen(rest) + 1 : 2);
  sl__http_push(&parts, query ? query + 1 : "", query ? strlen(query + 1) + 1 : 1);
  free(path);
  sl__http_clear(&h->head);
  h->head = parts;
  return is_path || is_all ? 0 : 400;
}

static int sl__http_take_field(sl_http *h, char *line, size_t size) {
  char *colon = (char *)memchr(line, ':', size);
  if (!colon || !sl__http_is_token(line, (size_t)(colon - line))) return 400;
  if (h->count == SL__HTTP_FIELDS) return 431;
  char *value = colon + 1, *end = line + size;
  while (value < end && (*value == ' ' || *value == '\t')) value++;
  while (end > value && (end[-1] == ' ' || end[-1] == '\t')) end--;
  h->fields[h->count++] = (uint32_t)h->head.size;
  sl__http_push(&h->head, line, (size_t)(colon - line));
  sl__http_push(&h->head, "", 1);
  sl__http_push(&h->head, value, (size_t)(end - value));
  sl__http_push(&h->head, "", 1);
  return 0;
}

// What the head says of the content: its length, or that it comes in chunks.
static int sl__http_check(sl_http *h, size_t *length, bool *is_chunked) {
  sl__http_list hosts = sl__http_members(h, "host", ""), lengths = sl__http_members(h, "content-length", "");
  const char *host = sl__http_find(h, "host"), *number = sl__http_find(h, "content-length");
  const char *expected = sl__http_find(h, "expect");
  if (hosts.fields > 1 || lengths.fields > 1 || (!host && !h->request.is_http10)) return 400;
  if (host && !sl__http_is_host(host, strlen(host))) return 400;
  if (number && (!*number || strspn(number, "0123456789") != strlen(number))) return 400;
  sl__http_list codings = sl__http_members(h, "transfer-encoding", "chunked");
  *is_chunked = codings.fields > 0;
  if (*is_chunked) {
    if (number || h->request.is_http10 || codings.found != 1 || !codings.is_last) return 400;
    if (codings.members > 1) return 501;
  }
  if (expected && !h->request.is_http10 && strcasecmp(expected, "100-continue") != 0) return 417;
  // Past all numbers it is the largest one.
  unsigned long long bytes = number ? strtoull(number, NULL, 10) : 0;
  if (bytes > SL__HTTP_CONTENT) return 413;
  *length = (size_t)bytes;
  h->keeps_open = sl__http_members(h, "connection", "close").found == 0 &&
                  (!h->request.is_http10 || sl__http_members(h, "connection", "keep-alive").found > 0);
  return 0;
}

static void sl__http_is_whole(sl_http *h) {
  // Nothing is moved any more.
  h->request.method = h->head.data;
  h->request.target = h->request.method + strlen(h->request.method) + 1;
  h->request.path = h->request.target + strlen(h->request.target) + 1;
  h->request.query_string = h->request.path + strlen(h->request.path) + 1;
  h->request.content.data = h->content.data ? (const uint8_t *)h->content.data : (const uint8_t *)"";
  h->request.content.size = h->content.size;
  h->phase = SL__HTTP_ANSWER;
  if (h->call) h->call(h->owner, &h->request);
  else h->process(h->conn, &h->request);
}

static int sl__http_head_is_whole(sl_http *h) {
  bool is_chunked;
  int status = sl__http_check(h, &h->left, &is_chunked);
  if (status) return status;
  if (!is_chunked && h->left == 0) {
    sl__http_is_whole(h);
    return 0;
  }
  h->phase = is_chunked ? SL__HTTP_SIZE : SL__HTTP_BODY;
  if (sl__http_find(h, "expect") && !h->request.is_http10) sl_puts(h->conn, "HTTP/1.1 100 Continue\r\n\r\n");
  return 0;
}

static int sl__http_size_line(sl_http *h, const char *line) {
  size_t digits = strspn(line, "0123456789abcdefABCDEF"), blanks = strspn(line + digits, " \t");
  if (digits == 0 || digits > 16 || (line[digits] && line[digits + blanks] != ';')) return 400;
  unsigned long long size = strtoull(line, NULL, 16);
  if (size > SL__HTTP_CONTENT || h->content.size + size > SL__HTTP_CONTENT) return 413;
  h->left = (size_t)size;
  h->room = SL__HTTP_HEAD;
  h->trailers = 0;
  h->phase = size ? SL__HTTP_CHUNK : SL__HTTP_TRAILER;
  return 0;
}

// A line behind the last chunk. One that has two programs read the message differently is refused.
static int sl__http_take_trailer(sl_http *h, const char *line, size_t size) {
  static const char *const never[] = {"content-length", "host", "transfer-encoding"};
  if (size == 0) {
    sl__http_is_whole(h);
    return 0;
  }
  const char *colon = (const char *)memchr(line, ':', size);
  size_t name = colon ? (size_t)(colon - line) : 0;
  if (!sl__http_is_token(line, name)) return 400;
  for (size_t i = 0; i < sizeof never / sizeof *never; i++) {
    if (name == strlen(never[i]) && strncasecmp(line, never[i], name) == 0) return 400;
  }
  return ++h->trailers > SL__HTTP_FIELDS ? 431 : 0;
}

static int sl__http_take_line(sl_http *h, char *line, size_t size) {
  size_t cost = size + 2;
  switch (h->phase) {
    case SL__HTTP_REQUEST:
      // Some clients send an empty line behind a body.
      if (size == 0) return ++h->empty > SL__HTTP_EMPTY ? 400 : 0;
      h->empty = 0;
      h->is_head = strncmp(line, "HEAD ", 5) == 0;
      h->room = SL__HTTP_HEAD - size;
      h->count = 0;
      h->phase = SL__HTTP_FIELD;
      sl__http_push(&h->head, line, size + 1);
      return sl__http_first_line(h);
    case SL__HTTP_FIELD:
      if (size == 0) return sl__http_head_is_whole(h);
      h->room = h->room > cost ? h->room - cost : 0;
      return sl__http_take_field(h, line, size);
    case SL__HTTP_SIZE: return sl__http_size_line(h, line);
    case SL__HTTP_GAP:
      h->phase = SL__HTTP_SIZE;
      return size == 0 ? 0 : 400;
    default:
      h->room = h->room > cost ? h->room - cost : 0;
      return sl__http_take_trailer(h, line, size);
  }
}

// Forgets the first bytes of the input.
static void sl__http_take(sl_http *h, size_t *at, size_t count) {
  *at += count;
  h->searched = *at;
}

// Takes one thing out of the input from `at`; false when it is not there yet. `status` is that of a refusal.
static bool sl__http_step(sl_http *h, size_t *at, int *status) {
  char *input = h->input.data + *at;
  size_t size = h->input.size - *at;
  if (h->phase == SL__HTTP_BODY || h->phase == SL__HTTP_CHUNK) {
    size_t count = size < h->left ? size : h->left;
    if (count == 0) return false;
    sl__http_push(&h->content, input, count);
    sl__http_take(h, at, count);
    h->left -= count;
    if (h->left) return true;
    if (h->phase == SL__HTTP_CHUNK) h->phase = SL__HTTP_GAP;
    else sl__http_is_whole(h);
    return true;
  }
  size_t room = h->phase == SL__HTTP_REQUEST ? SL__HTTP_HEAD : h->phase == SL__HTTP_SIZE ? 4096 : h->phase == SL__HTTP_GAP ? 1 : h->room;
  int too_long = h->phase == SL__HTTP_SIZE || h->phase == SL__HTTP_GAP ? 400 : 431;
  if (h->phase == SL__HTTP_REQUEST && (*status = sl__http_beginning(input, size)) != 0) return false;
  if (h->searched < *at) h->searched = *at;
  char *end = (char *)memchr(h->input.data + h->searched, '\n', h->input.size - h->searched);
  if ((end ? (size_t)(end - input) : size) > room) {
    *status = too_long;
    return false;
  }
  if (!end) {
    h->searched = h->input.size;
    return false;
  }
  if (end == input || end[-1] != '\r' || sl__http_has_control(input, (size_t)(end - 1 - input))) {
    *status = 400;
    return false;
  }
  end[-1] = 0;
  size_t line = (size_t)(end - 1 - input);
  sl__http_take(h, at, line + 2);
  *status = sl__http_take_line(h, input, line);
  return *status == 0;
}

static bool sl__http_is_between(const sl_http *h) { return h->phase == SL__HTTP_REQUEST && h->input.size == 0; }

static void sl__http_run(sl_http *h) {
  if (h->is_running) return;
  h->is_running = true;
  size_t at = 0;
  int status = 0;
  while (h->phase < SL__HTTP_ANSWER && sl__http_step(h, &at, &status)) {
  }
  if (status) sl__http_refuse(h, status);
  h->is_running = false;
  if (h->phase == SL__HTTP_OVER) return;
  if (at == h->input.size) {
    sl__http_clear(&h->input);
  } else if (at) {
    memmove(h->input.data, h->input.data + at, h->input.size - at);
    h->input.size -= at;
  }
  h->searched = h->searched > at ? h->searched - at : 0;
  if (h->phase == SL__HTTP_ANSWER || sl__http_is_between(h)) {
    sl_cancel_timer(h->whole);
    h->whole = 0;
  } else if (!h->whole) {
    h->whole = sl_timer(30000, sl__http_too_late, h);
  }
  // Whoever waits for an answer is not read from; nor is its end seen before.
  if (h->phase == SL__HTTP_ANSWER) sl_pause(h->conn);
}

SL__WEAK void sl__http_open(sl_http *h, sl_conn *c) {
  memset(h, 0, sizeof *h);
  h->conn = c;
  sl_set_comm_inactivity_timeout(c, 60000);
}

SL__WEAK void sl__http_feed(sl_http *h, const uint8_t *data, size_t size) {
  if (h->phase == SL__HTTP_OVER) return;
  sl__http_push(&h->input, data, size);
  sl__http_run(h);
}

SL__WEAK void sl__http_free(sl_http *h) {
  sl_cancel_timer(h->whole);
  h->whole = 0;
  h->phase = SL__HTTP_OVER;
  sl__http_clear(&h->input);
  sl__http_clear(&h->head);
  sl__http_clear(&h->content);
  sl__http_clear(&h->out);
}

SL__WEAK sl_drain sl__http_drain(sl_http *h) {
  h->is_draining = true;
  return sl__http_is_between(h) ? SL_WHEN_IDLE : SL_UNTIL_CLOSED;
}

SL__WEAK bool sl__http_add(sl_http *h, const char *name, const char *value) {
  static const char *const own[] = {"connection", "content-length", "date", "keep-alive", "transfer-encoding", "upgrade"};
  if (!sl__http_is_token(name, strlen(name)) || sl__http_has_control(value, strlen(value))) return false;
  for (size_t i = 0; i < sizeof own / sizeof *own; i++) {
    if (strcasecmp(name, own[i]) == 0) return false;
  }
  sl__http_push(&h->out, name, strlen(name));
  sl__http_push(&h->out, ": ", 2);
  sl__http_push(&h->out, value, strlen(value));
  sl__http_push(&h->out, "\r\n", 2);
  return true;
}

SL__WEAK void sl__http_respond(sl_http *h, int status, const char *type, const void *content, size_t size) {
  if (h->phase != SL__HTTP_ANSWER) return;
  if (status < 200 || status > 999) sl__die("sl_http_send_response: an answer has a status from 200 to 999", NULL);
  if (type && !sl__http_add(h, "Content-Type", type)) sl__die("sl_http_send_response: the type of the content is no line of text", NULL);
  h->phase = SL__HTTP_REQUEST;
  sl__http_write(h, status, content, size);
  if (sl_is_paused(h->conn)) sl_resume(h->conn);
  if (h->phase != SL__HTTP_OVER) sl__http_run(h);
}

SL__WEAK void sl_http_begin(sl_conn *c, sl_http_process *process) {
  sl_http *h = (sl_http *)c->state;
  sl__http_open(h, c);
  h->process = process;
}
SL__WEAK void sl_http_receive_data(sl_conn *c, const uint8_t *data, size_t size) { sl__http_feed((sl_http *)c->state, data, size); }
SL__WEAK void sl_http_unbind(sl_conn *c, sl_close_reason reason) {
  (void)reason;
  sl__http_free((sl_http *)c->state);
}
SL__WEAK sl_drain sl_http_draining(sl_conn *c, uint32_t milliseconds) {
  (void)milliseconds;
  return sl__http_drain((sl_http *)c->state);
}
SL__WEAK const char *sl_http_header(sl_conn *c, const char *name) { return sl__http_find((sl_http *)c->state, name); }
SL__WEAK bool sl_http_add_header(sl_conn *c, const char *name, const char *value) { return sl__http_add((sl_http *)c->state, name, value); }
SL__WEAK void sl_http_send_response(sl_conn *c, int status, const char *type, const void *content, size_t size) {
  sl__http_respond((sl_http *)c->state, status, type, content, size);
}

#ifdef __cplusplus
}
#endif
#endif  // SANDLOOP_IMPLEMENTATION

#endif  // SANDLOOP_HTTP_H
