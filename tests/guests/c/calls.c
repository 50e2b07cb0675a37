// Every call of the C SDK, one for each word that a peer says: what comes back is what the host has said.

#define SANDLOOP_IMPLEMENTATION
#include "sandloop.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct calls {
  char where[64], color[16];
  sl_handle timer, room, watch;
  int ticks;
} calls;

static void address(sl_conn *c, bool is_there, const sl_address *a) {
  static const char *const kinds[] = {"tcp", "udp", "unix"};
  if (is_there) sl_sendf(c, "%s %s %u\n", kinds[a->kind], a->host, a->port);
  else sl_puts(c, "none\n");
}

static void said(sl_conn *c, sl_error error) { sl_sendf(c, "%.*s\n", (int)strcspn(sl_error_text(error), ":"), sl_error_text(error)); }

static void file_said(sl_conn *c, sl_file_error error) { sl_sendf(c, "%.*s\n", (int)strcspn(sl_file_error_text(error), ":"), sl_file_error_text(error)); }

static void fired(void *c) { sl_puts(c, "fired\n"); }
static void again(void *context) {
  calls *me = context;  // the connection's state ends with it, too
  if (++me->ticks == 3) {
    sl_cancel_timer(me->timer);
    sl_push("calls", "three", 5);
  }
}
static void heard(void *c, const uint8_t *message, size_t size) { sl_sendf(c, "heard %.*s\n", (int)size, (const char *)message); }
static void popped(void *c, const uint8_t *item, size_t size) { sl_sendf(c, "popped %.*s\n", (int)size, (const char *)item); }
static void sent(void *c, sl_file_error error, uint64_t bytes) {
  sl_sendf(c, "sent %.*s %" PRIu64 "\n", (int)strcspn(sl_file_error_text(error), ":"), sl_file_error_text(error), bytes);
}
static void changed(void *c, sl_watch_event event, sl_watch_error error) {
  static const char *const events[] = {"modified", "moved", "deleted", "ended"};
  sl_sendf(c, "%s %.*s\n", events[event], (int)strcspn(sl_watch_error_text(error), ":"), sl_watch_error_text(error));
}
static void exited(void *c, uint32_t process, sl_exit_reason reason) { sl_sendf(c, "exited %d %d\n", process != 0, reason); }

static void backwards(sl_job *job, const uint8_t *argument, size_t size) {
  if (size == 0) {
    sl_fail(job, "nothing to turn");
    return;
  }
  if (memcmp(argument, "trap", size) == 0) __builtin_trap();
  char *text = malloc(size);
  for (size_t i = 0; i < size; i++) text[i] = (char)argument[size - 1 - i];
  sl_succeed(job, text, size);
  free(text);
}
static void done(void *c, sl_failure failure, const uint8_t *data, size_t size) {
  sl_sendf(c, "done %d %.*s\n", failure, (int)size, (const char *)data);
}

// An outgoing connection whose context is the one that asked for it.
static void out_completed(sl_conn *c) {
  sl_conn *asked = c->context;
  sl_proxy_error one = sl_proxy_incoming_to(c, asked, 0, 5);
  sl_sendf(asked, "connected %d\n", one);
}
static void out_proxied(sl_conn *c) {
  sl_sendf(c->context, "\nproxied %" PRIu64 "\n", sl_get_proxied_bytes(c));
  sl_close(c);
}
static void out_unbind(sl_conn *c, sl_close_reason reason) { sl_sendf(c->context, "unbound %s\n", sl_close_reason_text(reason)); }
static const sl_handler out = {.connection_completed = out_completed, .proxy_completed = out_proxied, .unbind = out_unbind};

static int again_count;
static void again_unbind(sl_conn *c, sl_close_reason reason) {
  sl_error error = ++again_count < 3 ? sl_reconnect(c, "127.0.0.1", 1) : SL_OK;
  if (again_count == 3 || error) sl_sendf(c->context, "again %d %s %s\n", again_count, sl_close_reason_text(reason), (char *)c->state);
}
static void again_init(sl_conn *c) { strcpy(c->state, "kept"); }
static const sl_handler persistent = {.size = 8, .post_init = again_init, .unbind = again_unbind};

static void datagram(sl_conn *c, const uint8_t *data, size_t size) {
  sl_address from;
  if (size > 1 && data[0] == '>' && sl_peer_address(c, &from)) sl_send_datagram(c, data + 1, size - 1, from.host, from.port);
  else sl_send(c, data, size);
}
static const sl_handler datagrams = {.receive_data = datagram};

static const char *spawned(sl_process *process, const uint8_t *argument, size_t size) {
  memcpy(process->state, argument, size < 7 ? size : 7);
  return size ? NULL : "nothing was given";
}
static void notified(sl_process *process, const uint8_t *message, size_t size) {
  char text[64];
  snprintf(text, sizeof text, "%s %.*s", (char *)process->state, (int)size, (const char *)message);
  sl_push("calls", text, strlen(text));
  sl_exit();
}
SL_PROCESSES({.name = "worker", .size = 8, .spawned = spawned, .notified = notified});

static sl_conn *remembered;

static void post_init(sl_conn *c) {
  calls *me = c->state;
  const char *color = sl_listener_option(c, "color");
  snprintf(me->where, sizeof me->where, "%s", c->listener);
  snprintf(me->color, sizeof me->color, "%s", color ? color : "none");
}

static void receive_line(sl_conn *c, char *line, size_t size) {
  (void)size;
  calls *me = c->state;
  char *rest = strchr(line, ' ');
  if (rest) *rest++ = 0;
  sl_address a;
#define WORD(word) else if (strcmp(line, word) == 0)
  if (strcmp(line, "listener") == 0) sl_sendf(c, "%s %s\n", me->where, me->color);
  WORD("peer") address(c, sl_peer_address(c, &a), &a);
  WORD("local") address(c, sl_local_address(c, &a), &a);
  WORD("numbers") {
    sl_set_comm_inactivity_timeout(c, 70000);
    sl_error zero = sl_set_pending_connect_timeout(c, 0);
    sl_sendf(c, "%u %u %d %d %d\n", sl_comm_inactivity_timeout(c), sl_outbound_data_size(c), zero, sl_id(c) > 0, sl_idle_time(c) < 60000);
  }
  WORD("states") {
    sl_pause(c);
    bool paused = sl_is_paused(c);
    sl_resume(c);
    sl_keep_half_open(c, true);
    sl_sendf(c, "%d %d %d %d\n", paused, sl_is_paused(c), sl_peer_finished(c), sl_is_running());
  }
  WORD("keepalive") {
    sl_probes probes = {0, 0, 0};
    sl_error error = sl_enable_keepalive(c, 11, 12, 13);
    bool is_there = sl_keepalive(c, &probes);
    sl_sendf(c, "%d %d %u %u %u", error, is_there, probes.idle, probes.interval, probes.count);
    error = sl_disable_keepalive(c);
    sl_sendf(c, " %d %d", error, sl_keepalive(c, &probes));
    error = sl_set_nodelay(c, false);
    sl_sendf(c, " %d %d\n", error, sl_nodelay(c));
  }
  WORD("half") said(c, sl_half_close(c));
  WORD("option") {
    char *value = sl_option(rest);
    sl_sendf(c, "%s\n", value ? value : "none");
    free(value);
  }
  WORD("options") {
    size_t count;
    sl_option_value *all = sl_options(&count);
    for (size_t i = 0; i < count; i++) sl_sendf(c, "%s=%s;", all[i].key, all[i].value);
    sl_puts(c, "\n");
    free(all);
  }
  WORD("server") {
    sl_listener listener;
    sl_option_value options[] = {{"color", "blue"}, {"", ""}};
    sl_listen_error error = sl_start_server(SL_TCP, "127.0.0.1", 0, "calls", options, 2, &listener);
    if (error) sl_sendf(c, "%s\n", sl_listen_error_text(error));
    else address(c, true, &listener.address);
  }
  WORD("denied") {
    sl_listener listener;
    sl_sendf(c, "%d %d %d\n", sl_start_server(SL_TCP, "127.0.0.2", 1, "", NULL, 0, &listener), sl_open_datagram_socket("name", 1, &datagrams, NULL, NULL),
             sl_connect("127.0.0.2", 1, &out, NULL));
  }
  WORD("datagrams") {
    sl_listen_error error = sl_open_datagram_socket("127.0.0.1", 0, &datagrams, NULL, &a);
    if (error) sl_sendf(c, "%s\n", sl_listen_error_text(error));
    else address(c, true, &a);
  }
  WORD("file") file_said(c, sl_send_file(c, rest, 0, SL_TO_END, sent, c));
  WORD("part") file_said(c, sl_send_file(c, rest, 1, 3, sent, c));
  WORD("version") {
    sl_file_version version = {6, 1, 2};
    file_said(c, sl_send_file_version(c, rest, 0, SL_TO_END, &version, sent, c));
  }
  WORD("watch") sl_sendf(c, "%d\n", sl_watch_file(rest, changed, c, &me->watch));
  WORD("unwatch") sl_unwatch(me->watch);
  WORD("connect") said(c, sl_connect_to(rest, &out, c));
  WORD("from") said(c, sl_bind_connect("127.0.0.1", 0, "127.0.0.1", (uint16_t)atoi(rest), &out, c));
  WORD("unix") said(c, sl_connect_unix(rest, &out, c));
  WORD("again") said(c, sl_connect("127.0.0.1", 1, &persistent, c));
  WORD("count") sl_sendf(c, "%u\n", sl_connection_count());
  WORD("timer") sl_timer((uint32_t)atoi(rest), fired, c);
  WORD("cancelled") {
    sl_handle timer = sl_timer(0, fired, c);
    sl_cancel_timer(timer);
    sl_cancel_timer(timer);
    sl_cancel_timer(0);
    sl_puts(c, "cancelled\n");
  }
  WORD("periodic") me->timer = sl_periodic_timer(1, again, me);
  WORD("zero") sl_sendf(c, "%d\n", sl_periodic_timer(0, again, me) == 0);
  WORD("tick") sl_next_tick(fired, c);
  WORD("defer") said(c, sl_defer(backwards, rest ? rest : "", rest ? strlen(rest) : 0, done, c));
  WORD("subscribe") {
    me->room = sl_subscribe("calls", heard, c);
    sl_sendf(c, "%u %d\n", sl_num_subscribers("calls"), sl_subscribe("", heard, c) == 0);
  }
  WORD("unsubscribe") {
    sl_unsubscribe(me->room);
    sl_sendf(c, "%u\n", sl_num_subscribers("calls"));
  }
  WORD("push") sl_push("calls", rest, strlen(rest));
  WORD("others") sl_push_to_others(me->room, rest, strlen(rest));
  WORD("item") said(c, sl_queue_push("calls", rest, strlen(rest)));
  WORD("pop") {
    sl_handle cancelled = sl_queue_pop("calls", popped, c);
    sl_queue_pop("calls", popped, c);
    sl_queue_cancel_pop(cancelled);
    sl_sendf(c, "%u %u\n", sl_queue_num_waiting("calls"), sl_queue_size("calls"));
  }
  WORD("spawn") {
    uint32_t process = 0;
    sl_error error = sl_spawn(NULL, "worker", "given", 5, exited, c, &process);
    said(c, error ? error : sl_notify(process, "told", 4));
  }
  WORD("kill") {
    uint32_t process = 0;
    sl_spawn(NULL, "worker", "given", 5, exited, c, &process);
    sl_kill(process);
  }
  WORD("session") {
    sl_tls_session s;
    size_t count;
    sl_bytes *chain = sl_peer_certificates(c, &count);
    if (!sl_get_tls_session(c, &s)) sl_puts(c, "none\n");
    else sl_sendf(c, "%d %d %s %u %s %s %zu %d\n", s.is_tls13, s.resumed, s.cipher, s.cipher_bits, s.alpn, s.server_name, count, sl_end_of_stream(c));
    free(chain);
  }
  WORD("remember") remembered = c;
  WORD("stale") sl_puts(remembered, "stale\n");
  WORD("bounds") {
    static int four[4];
    sl_sendf(c, "%d\n", four[atoi(rest)]);
  }
  WORD("null") {
    calls *none = atoi(rest) ? me : NULL;
    none->ticks = 1;
  }
  WORD("print") printf("%s", rest);
  WORD("abrupt") sl_close(c);
  WORD("quit") sl_close_after_writing(c);
  WORD("stop") sl_stop();
  else sl_puts(c, "what?\n");
}

static sl_drain draining(sl_conn *c, uint32_t milliseconds) {
  sl_sendf(c, "draining %d\n", milliseconds > 0);
  sl_close_after_writing(c);
  return SL_UNTIL_CLOSED;
}

static void unbind(sl_conn *c, sl_close_reason reason) {
  sl_tls_failure failure;
  if (sl_get_tls_failure(c, &failure)) sl_warn("handshake %d %s", failure.kind, failure.words);
  sl_info("unbind %s", sl_close_reason_text(reason));
}

SL_HANDLERS({.name = "calls", .size = sizeof(calls), .post_init = post_init, .receive_line = receive_line, .max_line = 100,
             .draining = draining, .unbind = unbind},
            {.name = "deaf"});
