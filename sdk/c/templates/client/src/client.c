// Connects to the option `server`, says hello, and logs the first line of the answer.

#define SANDLOOP_IMPLEMENTATION
#include "sandloop.h"

static bool is_answered;
static void dial(void *unused);

static void connection_completed(sl_conn *c) { sl_puts(c, "hello\n"); }

static void receive_line(sl_conn *c, char *line, size_t size) {
  (void)size;
  if (is_answered) return;
  is_answered = true;
  sl_info("answer: %s", line);
  sl_close(c);
  sl_stop();
}

static void unbind(sl_conn *c, sl_close_reason reason) {
  (void)c;
  if (is_answered) return;
  sl_warn("no answer: %s; again in a second", sl_close_reason_text(reason));
  sl_timer(1000, dial, NULL);
}

static const sl_handler client = {
    .connection_completed = connection_completed, .receive_line = receive_line, .unbind = unbind};

static void dial(void *unused) {
  (void)unused;
  char *server = sl_option("server");
  sl_error error = server ? sl_connect_to(server, &client, NULL) : SL_INVALID_ARGUMENT;
  if (error) sl_err("no connect to the option `server`: %s", sl_error_text(error));
  free(server);
}

static const char *start(void) {
  dial(NULL);
  return NULL;
}

SL_PROGRAM(.start = start);
