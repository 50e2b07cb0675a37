// An echo that goes on with TLS when its peer says STARTTLS: the profile `server` of plugins.toml has the certificate.

#define SANDLOOP_IMPLEMENTATION
#include "sandloop.h"

static void receive_data(sl_conn *c, const uint8_t *data, size_t size) {
  static const char word[] = "STARTTLS\n";
  // The whole of what came: whatever stood behind the word came from somebody in between, and is no word of this protocol.
  if (size != sizeof word - 1 || memcmp(data, word, size) != 0) {
    sl_send(c, data, size);
    return;
  }
  sl_puts(c, "220 go on\n");  // goes out in plain, before the handshake
  sl_tls tls = {.profile = "server", .verification = SL_VERIFY_HOST_AND_PLUGIN};
  sl_error error = sl_start_tls(c, &tls);
  if (error) {
    sl_err("no TLS: %s", sl_error_text(error));
    sl_close(c);
  }
}

// The handshake is complete.
static void tls_completed(sl_conn *c) {
  sl_tls_session session;
  if (sl_get_tls_session(c, &session)) sl_puts(c, session.is_tls13 ? "TLS 1.3\n" : "TLS 1.2\n");
}

// Whether a certificate has these letters somewhere, as the names do that it is for.
static bool has_letters(const sl_bytes *certificate, const char *letters) {
  size_t length = strlen(letters);
  for (size_t at = 0; at + length <= certificate->size; at++) {
    if (memcmp(certificate->data + at, letters, length) == 0) return true;
  }
  return false;
}

// Asked where the client shows a certificate, which the host has verified already: of those whom it trusts, one is taken.
static bool verify_peer(sl_conn *c, const sl_bytes *chain, size_t count) {
  (void)c;
  return count > 0 && has_letters(&chain[0], "client.example");  // the first is the client's own
}

SL_HANDLERS({.name = "starttls", .receive_data = receive_data, .tls_completed = tls_completed, .verify_peer = verify_peer});
