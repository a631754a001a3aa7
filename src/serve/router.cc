#include "serve/router.h"

#include <utility>

namespace assay::serve {
namespace {

// The text up to the next '/', which is taken off `rest` as well.
std::string_view NextSegment(std::string_view& rest) {
  const size_t end = rest.find('/');
  const std::string_view segment = rest.substr(0, end);
  rest = end == std::string_view::npos ? std::string_view() : rest.substr(end + 1);
  return segment;
}

bool Fits(std::string_view pattern, std::string_view path,
          std::map<std::string, std::string>& names) {
  if (!path.starts_with('/')) return false;
  pattern.remove_prefix(1);
  path.remove_prefix(1);
  while (!pattern.empty() && !path.empty()) {
    const std::string_view wanted = NextSegment(pattern), segment = NextSegment(path);
    if (wanted.starts_with('{')) {
      if (segment.empty()) return false;
      names[std::string(wanted.substr(1, wanted.size() - 2))] = std::string(segment);
    } else if (wanted != segment) {
      return false;
    }
  }
  return pattern.empty() && path.empty();
}

}  // namespace

void Router::Add(std::string method, std::string pattern,
                 std::function<Reply(const Request&)> answer) {
  routes_.push_back({std::move(method), std::move(pattern), std::move(answer)});
}

const Route* Router::Match(std::string_view method, std::string_view path, Request& request,
                           std::string& allowed) const {
  for (const Route& route : routes_) {
    std::map<std::string, std::string> names;
    if (!Fits(route.pattern, path, names)) continue;
    if (route.method == method) {
      request.path = std::move(names);
      return &route;
    }
    allowed += (allowed.empty() ? "" : ", ") + route.method;
  }
  return nullptr;
}

Reply Router::Answer(std::string_view method, std::string_view path, Request request) const {
  std::string allowed;
  const Route* route = Match(method, path, request, allowed);
  if (!route && !allowed.empty()) return MethodReply(allowed);
  if (!route) return ErrorReply(404, "not found", "there is nothing at this address");
  try {
    return route->answer(request);
  } catch (const base::Error& error) {
    return ErrorReply(error);
  } catch (const std::exception&) {
    return ErrorReply(500, "internal", "unexpected failure");
  }
}

}  // namespace assay::serve
