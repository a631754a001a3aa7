// Which function answers which address. The table is what docs/openapi.yaml documents; a test holds
// both together. Immutable once filled; then thread-safe.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "serve/http.h"

namespace assay::serve {

struct Route {
  std::string method;   // "GET", "POST" or "DELETE"
  std::string pattern;  // "/api/runs/{run}"; a {name} stands for one segment
  std::function<Reply(const Request&)> answer;
};

class Router {
 public:
  void Add(std::string method, std::string pattern, std::function<Reply(const Request&)> answer);
  const std::vector<Route>& routes() const { return routes_; }

  // The route of a decoded path, with its {names} in `request`; null if there is none.
  // `allowed` becomes the methods with which the path exists: "GET, POST".
  const Route* Match(std::string_view method, std::string_view path, Request& request,
                     std::string& allowed) const;

  // Runs the route; base::Error becomes an error reply, anything else a 500 without its text.
  Reply Answer(std::string_view method, std::string_view path, Request request) const;

 private:
  std::vector<Route> routes_;
};

}  // namespace assay::serve
