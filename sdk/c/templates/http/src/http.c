// Says hello, and sends back what is posted to /echo.

#define SANDLOOP_IMPLEMENTATION
#include "sandloop_http.h"

static void process_http_request(sl_conn *c, const sl_http_request *request) {
  if (strcmp(request->path, "/") == 0) {
    sl_http_send_response(c, 200, "text/plain", "hello\n", 6);
  } else if (strcmp(request->path, "/echo") == 0) {
    sl_http_send_response(c, 200, "text/plain", request->content.data, request->content.size);
  } else {
    sl_http_send_response(c, 404, "text/plain", "not found\n", 10);
  }
}

static void post_init(sl_conn *c) { sl_http_begin(c, process_http_request); }

SL_HANDLERS({.name = "hello", .post_init = post_init, SL_HTTP_CALLBACKS});
