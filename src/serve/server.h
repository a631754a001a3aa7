// The HTTP server: the API's routes and the page's files, on one address. Every request is checked
// before it reaches a route: its Host must be the server's own, a change must come from the same
// Origin, bodies and waiting times are bounded. Thread-safe: Start and Stop from one thread.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <string>

#include "base/options.h"
#include "serve/router.h"

namespace assay::serve {

struct ServerOptions {
  std::string host = "127.0.0.1";
  int port = 8321;
  int threads = 32;
  int64_t max_body_bytes = 64 << 10;
  int read_timeout_ms = 5000;

  template <typename Visitor>
  void VisitFields(Visitor&& visit) {
    using base::Between;
    visit(
        "host", host,
        "address to listen on; anything but 127.0.0.1 lets other machines in, without a password");
    visit("port", port, "port to listen on; 0 takes a free one", Between(0, 65535));
    visit("threads", threads, "requests served at a time", Between(1, 256));
    visit("max-body-bytes", max_body_bytes, "longest request body", Between(1, 1 << 24));
    visit("read-timeout-ms", read_timeout_ms, "longest wait for a client's next bytes",
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

  // Takes the port; returns it. Throws kIo when it is taken.
  int Bind();
  void Run();   // serves until Stop; after Bind
  void Stop();  // from any thread

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace assay::serve
