#include "serve/request_checks.h"

#include <arpa/inet.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>

namespace assay::serve {
namespace {

std::string Lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return out;
}

bool IsLoopback(const std::string& host) {
  return host == "127.0.0.1" || host == "localhost" || host == "::1";
}

bool IsNumeric(std::string name) {
  if (name.starts_with('[') && name.ends_with(']')) name = name.substr(1, name.size() - 2);
  unsigned char bytes[16];
  return ::inet_pton(AF_INET, name.c_str(), bytes) == 1 ||
         ::inet_pton(AF_INET6, name.c_str(), bytes) == 1;
}

std::string MachineName() {
  char name[256] = {};
  return ::gethostname(name, sizeof name - 1) == 0 ? Lower(name) : "";
}

}  // namespace

bool IsOwnHost(const OwnNames& own, std::string_view host) {
  std::string name = Lower(host);
  const std::string suffix = ":" + std::to_string(own.port);
  if (name.ends_with(suffix)) {
    name.resize(name.size() - suffix.size());
  } else if (own.port != 80) {
    return false;
  }
  if (name == "127.0.0.1" || name == "localhost" || name == "[::1]") return true;
  const auto same = [&](const std::string& given) { return Lower(given) == name; };
  if (std::any_of(own.names.begin(), own.names.end(), same)) return true;
  if (IsLoopback(own.host)) return false;
  return same(own.host) || (!name.empty() && same(MachineName())) || IsNumeric(name);
}

std::optional<Refusal> CheckOrigin(const OwnNames& own, const RequestHead& head,
                                   std::string_view path) {
  const std::string* host = head.Find("host");
  if (!host || !IsOwnHost(own, *host))
    return Refusal{421, "this server does not answer for that Host"};
  const Refusal foreign{403, "requests of other pages are refused"};
  if (head.headers.contains("origin")) {
    const std::string* origin = head.Find("origin");
    if (!origin || Lower(*origin) != "http://" + Lower(*host)) return foreign;
  }
  if (head.headers.contains("sec-fetch-site")) {
    const std::string* site = head.Find("sec-fetch-site");
    const std::string* mode = head.Find("sec-fetch-mode");
    const bool follows_link = (head.method == "GET" || head.method == "HEAD") && mode &&
                              *mode == "navigate" && !path.starts_with("/api/");
    if (!site || (*site != "same-origin" && *site != "none" && !follows_link)) return foreign;
  }
  return std::nullopt;
}

}  // namespace assay::serve
