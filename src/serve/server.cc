#include "serve/server.h"

#include <httplib.h>

#include <algorithm>
#include <utility>

#include "base/file.h"

namespace assay::serve {
namespace {

namespace fs = std::filesystem;
using base::ErrorKind;
using base::Fail;

std::string TypeOf(const fs::path& path) {
  const std::string end = path.extension().string();
  if (end == ".html") return "text/html; charset=utf-8";
  if (end == ".js") return "text/javascript; charset=utf-8";
  if (end == ".css") return "text/css; charset=utf-8";
  if (end == ".svg") return "image/svg+xml";
  if (end == ".json") return "application/json";
  return "application/octet-stream";
}

// Scripts only from this server, and nothing from elsewhere: a text that slipped through as markup
// could still not run.
constexpr const char* kPolicy =
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' "
    "data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

void AddSafetyHeaders(httplib::Response& response) {
  response.set_header("Content-Security-Policy", kPolicy);
  response.set_header("X-Content-Type-Options", "nosniff");
  response.set_header("Referrer-Policy", "no-referrer");
  response.set_header("Cross-Origin-Resource-Policy", "same-origin");
}

void Send(const Reply& reply, httplib::Response& response) {
  response.status = reply.status;
  response.set_header("Cache-Control",
                      reply.cacheable ? "public, max-age=31536000, immutable" : "no-cache");
  response.set_content(reply.body, reply.type.c_str());
}

}  // namespace

std::map<std::string, Asset> LoadAssets(const fs::path& folder) {
  std::map<std::string, Asset> assets;
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    if (!entry.is_regular_file()) continue;
    const std::string name = "/" + fs::relative(entry.path(), folder).generic_string();
    assets[name] = {TypeOf(entry.path()), base::ReadFile(entry.path())};
  }
  if (!assets.contains("/index.html"))
    Fail(ErrorKind::kNotFound, "{}: has no index.html; build the page first", folder.string());
  return assets;
}

struct Server::Impl {
  ServerOptions options;
  const Router& router;
  std::map<std::string, Asset> assets;
  httplib::Server http;
  int port = 0;

  // A page elsewhere could point a name of its own at this machine (DNS rebinding): only our own
  // names are answered. An address that was asked for explicitly is open to any name.
  bool OwnHost(const std::string& host) const {
    const std::string suffix = ":" + std::to_string(port);
    for (const char* name : {"127.0.0.1", "localhost", "[::1]"}) {
      if (host == name + suffix || (port == 80 && host == name)) return true;
    }
    const bool loopback =
        options.host == "127.0.0.1" || options.host == "localhost" || options.host == "::1";
    return !loopback && host.ends_with(suffix) &&
           (options.host == "0.0.0.0" || options.host == "::" || host == options.host + suffix);
  }

  bool Refuse(const httplib::Request& request, httplib::Response& response) const {
    AddSafetyHeaders(response);
    if (request.get_header_value_count("Host") != 1 || !OwnHost(request.get_header_value("Host"))) {
      Send(ErrorReply(421, "usage", "this server does not answer for that Host"), response);
      return true;
    }
    const std::string own = "http://" + request.get_header_value("Host");
    if (request.has_header("Origin") && request.get_header_value("Origin") != own) {
      Send(ErrorReply(403, "usage", "requests of other pages are refused"), response);
      return true;
    }
    if (request.has_header("Sec-Fetch-Site")) {
      const std::string site = request.get_header_value("Sec-Fetch-Site");
      const bool follows_link = request.method == "GET" &&
                                request.get_header_value("Sec-Fetch-Mode") == "navigate" &&
                                !request.path.starts_with("/api/");
      if (site != "same-origin" && site != "none" && !follows_link) {
        Send(ErrorReply(403, "usage", "requests of other pages are refused"), response);
        return true;
      }
    }
    return false;
  }

  void AnswerApi(const httplib::Request& request, httplib::Response& response) const {
    Request ours;
    for (const auto& [name, value] : request.params) ours.query[name] = value;
    if (!request.body.empty()) {
      if (!request.get_header_value("Content-Type").starts_with("application/json")) {
        Send(ErrorReply(415, "usage", "the body must be application/json"), response);
        return;
      }
      ours.body = ParseBody(request.body);
      if (ours.body.is_discarded()) {
        Send(ErrorReply(400, "usage", "the body is no JSON, or nested too deeply"), response);
        return;
      }
    }
    Send(router.Answer(request.method, request.path, std::move(ours)), response);
  }

  // Depth is bounded: nlohmann's values are destroyed recursively.
  static Json ParseBody(const std::string& body) {
    bool too_deep = false;
    Json parsed = Json::parse(
        body,
        [&](int depth, Json::parse_event_t, Json&) {
          too_deep = too_deep || depth > 32;
          return !too_deep;
        },
        false);
    return too_deep ? Json(Json::value_t::discarded) : parsed;
  }

  void AnswerAsset(const httplib::Request& request, httplib::Response& response) const {
    const auto found = assets.find(request.path == "/" ? "/index.html" : request.path);
    if (found == assets.end()) {
      Send(ErrorReply(404, "not found", "there is nothing at this address"), response);
      return;
    }
    // Vite puts a hash of the content into the names below assets/.
    Send({.type = found->second.type,
          .body = found->second.bytes,
          .cacheable = request.path.starts_with("/assets/")},
         response);
  }

  void Configure() {
    http.new_task_queue = [this] {
      return new httplib::ThreadPool(static_cast<size_t>(options.threads));
    };
    http.set_payload_max_length(static_cast<size_t>(options.max_body_bytes));
    http.set_read_timeout(std::chrono::milliseconds(options.read_timeout_ms));
    http.set_write_timeout(std::chrono::milliseconds(2 * options.read_timeout_ms));
    http.set_keep_alive_timeout(2);
    http.set_keep_alive_max_count(1000);
    http.set_tcp_nodelay(true);
    http.set_pre_routing_handler(
        [this](const httplib::Request& request, httplib::Response& response) {
          return Refuse(request, response) ? httplib::Server::HandlerResponse::Handled
                                           : httplib::Server::HandlerResponse::Unhandled;
        });
    const auto api = [this](const httplib::Request& request, httplib::Response& response) {
      AnswerApi(request, response);
    };
    http.Get("/api/.*", api).Post("/api/.*", api).Delete("/api/.*", api);
    http.Get(".*", [this](const httplib::Request& request, httplib::Response& response) {
      AnswerAsset(request, response);
    });
    http.set_error_handler([](const httplib::Request&, httplib::Response& response) {
      if (!response.body.empty()) return;
      AddSafetyHeaders(response);
      Send(ErrorReply(response.status, "usage", "the request was refused"), response);
    });
  }
};

Server::Server(const ServerOptions& options, const Router& router,
               std::map<std::string, Asset> assets)
    : impl_(new Impl{.options = options, .router = router, .assets = std::move(assets)}) {
  base::ValidateFields(options);
  impl_->Configure();
}

Server::~Server() { Stop(); }

int Server::Bind() {
  const std::string& host = impl_->options.host;
  const int wanted = impl_->options.port;
  impl_->port = wanted;
  const bool bound = wanted == 0 ? (impl_->port = impl_->http.bind_to_any_port(host)) > 0
                                 : impl_->http.bind_to_port(host, wanted);
  if (!bound) {
    Fail(ErrorKind::kIo,
         "{}:{}: cannot listen there; is another server running? --port 0 takes a "
         "free port",
         host, wanted);
  }
  return impl_->port;
}

void Server::Run() { impl_->http.listen_after_bind(); }
void Server::Stop() { impl_->http.stop(); }

}  // namespace assay::serve
