// Which requests are for us: the server's own Host, and no requests that another site's page makes
// a browser send. Thread-safe: pure functions.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "serve/http_message.h"

namespace assay::serve {

struct OwnNames {
  std::string host;  // that the server listens on
  int port = 0;
  std::vector<std::string> names;  // further ones it answers to
};

// Whether a Host header names this server. A page elsewhere could point a name of its own at this
// machine (DNS rebinding), so names are those of loopback, the one listened on, this machine's and
// the given ones; where others are let in, also any numeric address.
bool IsOwnHost(const OwnNames& own, std::string_view host);

// Why a request is refused, if it is: Host, Origin, Sec-Fetch-Site.
std::optional<Refusal> CheckOrigin(const OwnNames& own, const RequestHead& head,
                                   std::string_view path);

}  // namespace assay::serve
