// Each line goes to everyone else.

#define SANDLOOP_IMPLEMENTATION
#include "sandloop.h"

typedef struct chat {
  sl_handle room;
} chat;

static void heard(void *c, const uint8_t *line, size_t size) { sl_send(c, line, size); }

static void post_init(sl_conn *c) {
  chat *me = c->state;
  me->room = sl_subscribe("chat", heard, c);
}

static void receive_line(sl_conn *c, char *line, size_t size) {
  chat *me = c->state;
  line[size] = '\n';
  sl_push_to_others(me->room, line, size + 1);
}

SL_HANDLERS({.name = "chat", .size = sizeof(chat), .post_init = post_init, .receive_line = receive_line});
