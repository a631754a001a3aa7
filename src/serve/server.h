// The HTTP server: the API's routes and the page's files, on one address. Every request is checked
// before it reaches a route: its Host must be the server's own, a change must come from the same
// Origin, sizes and times are bounded. A client that is slow holds up nobody: it has a thread of
// its own, and when too many connections are open the one that has kept the server waiting longest
// ends. Thread-safe: Bind and Run from one thread, Stop from any.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/options.h"
#include "serve/router.h"

namespace assay::serve {

struct ServerOptions {
  std::string host = "127.0.0.1";
  int port = 8321;
  int connections = 200;
  int threads = 8;
  int64_t max_body_bytes = 64 << 10;
  int request_timeout_ms = 5000;
  int answer_timeout_ms = 15000;
  int idle_timeout_ms = 15000;
  std::vector<std::string> names;  // further host names that the server answers to, without port

  template <typename Visitor>
  void VisitFields(Visitor&& visit) {
    using base::Between;
    visit(
        "host", host,
        "address to listen on; anything but 127.0.0.1 lets other machines in, without a password");
    visit("port", port, "port to listen on; 0 takes a free one", Between(0, 65535));
    visit("connections", connections, "open connections, at most", Between(1, 4096));
    visit("threads", threads, "requests worked on at a time", Between(1, 256));
    visit("max-body-bytes", max_body_bytes, "longest request body", Between(1, 1 << 24));
    visit("request-timeout-ms", request_timeout_ms, "longest time for a request to come in",
          Between(10, 600000));
    visit("answer-timeout-ms", answer_timeout_ms, "longest time for a client to take an answer",
          Between(10, 600000));
    visit("idle-timeout-ms", idle_timeout_ms, "longest wait for the next request of a connection",
          Between(10, 600000));
  }
};

// The page's files, read into memory: no request names a file on disk.
struct Asset {
  std::string type, bytes;
};
std::map<std::string, Asset> LoadAssets(const std::filesystem::path& folder);  // "/index.html"

class Server {
 public:
  // `router` is borrowed. Without assets only the API answers.
  Server(const ServerOptions& options, const Router& router, std::map<std::string, Asset> assets);
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  // Takes the port; returns it. Throws kIo when it is taken, kUsage when the host is no address.
  int Bind();
  void Run();   // serves until Stop, after Bind; returns when the last connection has ended
  void Stop();  // from any thread, once or more

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace assay::serve
