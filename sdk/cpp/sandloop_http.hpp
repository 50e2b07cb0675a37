// sandloop_http.hpp: a server of HTTP/1.1 for plugins in C++, over sandloop_http.h.
//
//     #define SANDLOOP_IMPLEMENTATION        // in one file of the plugin
//     #include "sandloop_http.hpp"
//
//     struct Hello : sandloop::HttpServer {
//       void process_http_request(const sandloop::HttpRequest &, sandloop::HttpResponse &response) override {
//         response.content_type("text/plain");
//         response.content = "hello\n";
//         response.send_response();
//       }
//     };
//
//     SANDLOOP_PLUGIN(Hello)

#ifndef SANDLOOP_HTTP_HPP
#define SANDLOOP_HTTP_HPP

#include "sandloop.hpp"
#include "sandloop_http.h"

namespace sandloop {

// A request with its whole content. What it gives holds until the request is answered.
class HttpRequest {
 public:
  HttpRequest(const sl_http *server, const sl_http_request &raw) : server_(server), raw_(raw) {}

  std::string_view method() const { return raw_.method; }
  // As it came, as are its parts: percent-encoded.
  std::string_view target() const { return raw_.target; }
  std::string_view path() const { return raw_.path; }
  std::string_view query_string() const { return raw_.query_string; }
  // The first field of this name, in whatever case.
  std::optional<std::string_view> header(const char *name) const {
    const char *value = sl__http_find(server_, name);
    return value ? std::optional<std::string_view>(value) : std::nullopt;
  }
  bytes content() const { return {raw_.content.data, raw_.content.size}; }

 private:
  const sl_http *server_;
  const sl_http_request &raw_;
};

// The answer to one request.
class HttpResponse {
 public:
  explicit HttpResponse(sl_http *server) : server_(server) {}

  int status = 200;
  std::string content;

  // Adds a field. Length, `Connection` and `Date` are the server's: false for those, and for what is no field.
  bool header(const std::string &name, const std::string &value) { return sl__http_add(server_, name.c_str(), value.c_str()); }
  bool content_type(const std::string &value) { return header("Content-Type", value); }
  // Sends the answer, once.
  void send_response() { sl__http_respond(server_, status, nullptr, content.data(), content.size()); }

 private:
  sl_http *server_;
};

// A connection whose peer sends requests, HTTP/1.1 and 1.0: they come whole, one after the other. The next one waits for the answer,
// which is sent here or later: a copy of `response` may be kept, for as long as the connection is there.
class HttpServer : public Connection {
 public:
  virtual void process_http_request(const HttpRequest &request, HttpResponse &response) = 0;

  HttpServer() {
    sl__http_open(&http_, raw());
    http_.call = process;
    http_.owner = this;
  }
  ~HttpServer() override { sl__http_free(&http_); }
  void receive_data(bytes data) override { sl__http_feed(&http_, data.data(), data.size()); }
  drain draining(milliseconds) override { return sl__http_drain(&http_); }
  void unbind(close_reason) override { sl__http_free(&http_); }

 private:
  static void process(void *owner, const sl_http_request *raw) {
    auto *self = static_cast<HttpServer *>(owner);
    HttpResponse response(&self->http_);
    self->process_http_request(HttpRequest(&self->http_, *raw), response);
  }

  sl_http http_;
};

}  // namespace sandloop

#endif  // SANDLOOP_HTTP_HPP
