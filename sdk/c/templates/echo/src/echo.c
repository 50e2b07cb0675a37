// Sends back what comes.

#define SANDLOOP_IMPLEMENTATION
#include "sandloop.h"

static void receive_data(sl_conn *c, const uint8_t *data, size_t size) { sl_send(c, data, size); }

SL_HANDLERS({.name = "echo", .receive_data = receive_data});
