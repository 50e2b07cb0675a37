// Says hello, and sends back what is posted to /echo.

#define SANDLOOP_IMPLEMENTATION
#include "sandloop_http.hpp"

struct Hello : sandloop::HttpServer {
  void process_http_request(const sandloop::HttpRequest &request, sandloop::HttpResponse &response) override {
    response.content_type("text/plain");
    if (request.path() == "/") {
      response.content = "hello\n";
    } else if (request.path() == "/echo") {
      response.content = sandloop::text(request.content());
    } else {
      response.status = 404;
      response.content = "not found\n";
    }
    response.send_response();
  }
};

SANDLOOP_PLUGIN(Hello)
