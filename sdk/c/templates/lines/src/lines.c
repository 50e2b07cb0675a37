// Answers each line with itself; "quit", and five seconds without a line, with "bye".

#define SANDLOOP_IMPLEMENTATION
#include "sandloop.h"

#include <string.h>

typedef struct lines {
  sl_handle idle;
} lines;

static void bye(void *c) {
  sl_puts(c, "bye\n");
  sl_close_after_writing(c);
}

static void wait_for_line(sl_conn *c) {
  lines *me = c->state;
  sl_cancel_timer(me->idle);
  me->idle = sl_timer(5000, bye, c);
}

static void receive_line(sl_conn *c, char *line, size_t size) {
  if (strcmp(line, "quit") == 0) {
    bye(c);
    return;
  }
  line[size] = '\n';
  sl_send(c, line, size + 1);
  wait_for_line(c);
}

SL_HANDLERS({.name = "lines", .size = sizeof(lines), .post_init = wait_for_line, .receive_line = receive_line});
