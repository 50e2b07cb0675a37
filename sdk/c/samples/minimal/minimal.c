// The least that a plugin can be: an echo in the world `minimal`, which exports its handler and nothing else.

#define SANDLOOP_MINIMAL
#define SANDLOOP_IMPLEMENTATION
#include "sandloop.h"

static void receive_data(sl_conn *c, const uint8_t *data, size_t size) { sl_send(c, data, size); }

SL_HANDLERS({.name = "minimal", .receive_data = receive_data});
