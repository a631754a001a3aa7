#include "serve/server.h"

#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <condition_variable>
#include <cstring>
#include <list>
#include <mutex>
#include <semaphore>
#include <thread>
#include <utility>

#include "base/file.h"
#include "serve/connection.h"
#include "serve/request_checks.h"

namespace assay::serve {
namespace {

namespace fs = std::filesystem;
using base::ErrorKind;
using base::Fail;

constexpr int kMostRequests = 10'000;  // of one connection
constexpr int kChangesAtATime =
    4;  // POST and DELETE: they may take long, and must not hold up the rest
constexpr auto kMakeRoom = std::chrono::milliseconds(500);  // longest wait for a place
constexpr auto kLookAgain = std::chrono::milliseconds(10);

std::string TypeOf(const fs::path& path) {
  const std::string end = path.extension().string();
  if (end == ".html") return "text/html; charset=utf-8";
  if (end == ".js") return "text/javascript; charset=utf-8";
  if (end == ".css") return "text/css; charset=utf-8";
  if (end == ".svg") return "image/svg+xml";
  if (end == ".png") return "image/png";
  if (end == ".woff2") return "font/woff2";
  if (end == ".json") return "application/json";
  return "application/octet-stream";
}

// Depth is bounded: nlohmann's values are destroyed recursively. Discarded: no JSON, or too deep.
Json ParseBody(const std::string& body) {
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

class SlotGuard {
 public:
  explicit SlotGuard(std::counting_semaphore<>& slots) : slots_(slots) { slots_.acquire(); }
  ~SlotGuard() { slots_.release(); }
  SlotGuard(const SlotGuard&) = delete;
  SlotGuard& operator=(const SlotGuard&) = delete;

 private:
  std::counting_semaphore<>& slots_;
};

// A socket that listens. Throws kUsage for a host that is no address, kIo when the port is taken.
int Listen(const std::string& host, int port) {
  addrinfo wanted{};
  wanted.ai_family = AF_UNSPEC;
  wanted.ai_socktype = SOCK_STREAM;
  wanted.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
  addrinfo* found = nullptr;
  if (const int failed =
          ::getaddrinfo(host.c_str(), std::to_string(port).c_str(), &wanted, &found)) {
    Fail(ErrorKind::kUsage, "--host {}: {}; expected an address of this machine", host,
         ::gai_strerror(failed));
  }
  const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> freed(found, &::freeaddrinfo);
  int error = 0;
  for (const addrinfo* at = found; at != nullptr; at = at->ai_next) {
    const int fd = ::socket(at->ai_family, at->ai_socktype | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    const int yes = 1;
    if (fd >= 0 && ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes) == 0 &&
        ::bind(fd, at->ai_addr, at->ai_addrlen) == 0 && ::listen(fd, 128) == 0) {
      return fd;
    }
    error = errno;
    if (fd >= 0) ::close(fd);
  }
  Fail(ErrorKind::kIo,
       "{}:{}: cannot listen there: {}; is another server running? --port 0 takes a free port",
       host, port, std::strerror(error));
}

int PortOf(int fd) {
  sockaddr_storage address{};
  socklen_t length = sizeof address;
  if (::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &length) != 0)
    Fail(ErrorKind::kIo, "cannot read the port: {}", std::strerror(errno));
  return ntohs(address.ss_family == AF_INET6
                   ? reinterpret_cast<const sockaddr_in6&>(address).sin6_port
                   : reinterpret_cast<const sockaddr_in&>(address).sin_port);
}

}  // namespace

std::map<std::string, Asset> LoadAssets(const fs::path& folder) {
  std::map<std::string, Asset> assets;
  std::error_code failed;
  for (auto at = fs::recursive_directory_iterator(folder, failed);
       !failed && at != fs::recursive_directory_iterator(); at.increment(failed)) {
    if (!at->is_regular_file()) continue;
    const std::string name = "/" + fs::relative(at->path(), folder).generic_string();
    assets[name] = {TypeOf(at->path()), base::ReadFile(at->path())};
  }
  if (failed) Fail(ErrorKind::kIo, "{}: {}", folder.string(), failed.message());
  if (!assets.contains("/index.html"))
    Fail(ErrorKind::kNotFound, "{}: has no index.html; build the page first", folder.string());
  return assets;
}

struct Server::Impl {
  struct Open {
    explicit Open(int socket, const ConnectionLimits& limits) : connection(socket, limits) {}
    Connection connection;
    std::atomic<bool> ended = false;
    std::thread thread;
  };

  Impl(const ServerOptions& given, const Router& routes, std::map<std::string, Asset> files)
      : options(given),
        router(routes),
        assets(std::move(files)),
        reads(given.threads),
        changes(kChangesAtATime) {
    limits.body_bytes = static_cast<size_t>(given.max_body_bytes);
    limits.idle = std::chrono::milliseconds(given.idle_timeout_ms);
    limits.request = std::chrono::milliseconds(given.request_timeout_ms);
    limits.answer = std::chrono::milliseconds(given.answer_timeout_ms);
  }
  ~Impl() {
    if (listening >= 0) ::close(listening);
    ::close(wake);
  }

  Reply AnswerApi(const Connection::Message& message, Target target) {
    Request request{.path = {}, .query = std::move(target.query), .body = {}};
    if (!message.body.empty()) {
      const std::string* type = message.head.Find("content-type");
      if (!type || !type->starts_with("application/json"))
        return ErrorReply(415, "usage", "the body must be application/json");
      request.body = ParseBody(message.body);
      if (request.body.is_discarded())
        return ErrorReply(400, "usage", "the body is no JSON, or nested too deeply");
    }
    const std::string& method = message.head.method;
    const bool reading = method == "GET" || method == "HEAD";
    const SlotGuard slot(reading ? reads : changes);
    return router.Answer(reading ? "GET" : method, target.path, std::move(request));
  }

  Reply AnswerAsset(const std::string& method, const std::string& path) const {
    const auto found = assets.find(path == "/" ? "/index.html" : path);
    if (found == assets.end())
      return ErrorReply(404, "not found", "there is nothing at this address");
    if (method != "GET" && method != "HEAD") return MethodReply("GET, HEAD");
    // Vite puts a hash of the content into the names below assets/.
    return {.type = found->second.type,
            .body = found->second.bytes,
            .cacheable = path.starts_with("/assets/")};
  }

  Reply Answer(const Connection::Message& message) {
    Target target = ParseTarget(message.head.target);
    const OwnNames own{options.host, port, options.names};
    if (const auto refused = CheckOrigin(own, message.head, target.path))
      return ErrorReply(refused->status, "usage", refused->message);
    return target.path.starts_with("/api/") ? AnswerApi(message, std::move(target))
                                            : AnswerAsset(message.head.method, target.path);
  }

  void Serve(Connection& connection) {
    try {
      for (int i = 0; i < kMostRequests && !stopping; ++i) {
        const auto message = connection.Read();
        if (!message) return;
        const Reply reply = Answer(*message);
        const bool keep = message->head.keep_alive && !stopping;
        if (!connection.Write(FormatReply(reply, keep, message->head.method == "HEAD", HttpDate())))
          return;
        if (!keep) break;
      }
    } catch (const Refusal& refusal) {
      const Reply reply = ErrorReply(refusal.status, "usage", refusal.message);
      if (!connection.Write(FormatReply(reply, false, false, HttpDate()))) return;
    } catch (const std::exception&) {
      return;  // out of memory: this connection ends, the others go on
    }
    connection.Close();
  }

  // With the mutex held.
  void Reap() {
    for (auto at = open.begin(); at != open.end();) {
      if (!(*at)->ended) {
        ++at;
        continue;
      }
      (*at)->thread.join();
      at = open.erase(at);
    }
  }

  // With the mutex held: ends the connection that has waited for its client longest, if one waits.
  void EndStalest() {
    Open* stalest = nullptr;
    std::optional<Connection::Clock::time_point> oldest;
    for (const auto& one : open) {
      const auto since = one->connection.waiting_since();
      if (since && !one->ended && (!oldest || *since < *oldest)) {
        oldest = since;
        stalest = one.get();
      }
    }
    if (stalest) stalest->connection.Shut();
  }

  // False: the places are taken by connections that are being worked for, and stay so for a while.
  bool MakeRoom() {
    const auto deadline = Connection::Clock::now() + kMakeRoom;
    std::unique_lock lock(mutex);
    while (true) {
      Reap();
      if (open.size() < static_cast<size_t>(options.connections)) return true;
      if (Connection::Clock::now() >= deadline) return false;
      EndStalest();
      one_ended.wait_for(lock, kLookAgain, [this] {
        return std::any_of(open.begin(), open.end(),
                           [](const auto& one) { return one->ended.load(); });
      });
    }
  }

  void Accept() {
    const int fd = ::accept4(listening, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) {
      if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS) {
        MakeRoom();
        std::this_thread::sleep_for(std::chrono::milliseconds(10));
      }
      return;
    }
    const int yes = 1;
    ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    if (!MakeRoom()) {
      ::close(fd);
      return;
    }
    auto one = std::make_unique<Open>(fd, limits);
    Open* borrowed = one.get();
    const std::lock_guard lock(mutex);
    try {
      one->thread = std::thread([this, borrowed] {
        Serve(borrowed->connection);
        borrowed->connection.Release();
        {
          const std::lock_guard ended_lock(mutex);
          borrowed->ended = true;
        }
        one_ended.notify_all();
      });
    } catch (const std::system_error&) {
      return;  // no more threads: this client is turned away
    }
    open.push_back(std::move(one));
  }

  void Run() {
    while (!stopping) {
      pollfd wanted[] = {{.fd = listening, .events = POLLIN, .revents = 0},
                         {.fd = wake, .events = POLLIN, .revents = 0}};
      if (::poll(wanted, 2, -1) < 0 && errno != EINTR) break;
      if (!stopping && (wanted[0].revents & POLLIN)) Accept();
    }
    std::list<std::unique_ptr<Open>> last;
    {
      const std::lock_guard lock(mutex);
      for (const auto& one : open) one->connection.Shut();
      last.swap(open);
    }
    for (const auto& one : last) one->thread.join();
  }

  const ServerOptions options;
  ConnectionLimits limits;
  const Router& router;
  const std::map<std::string, Asset> assets;
  std::counting_semaphore<> reads, changes;
  int listening = -1, port = 0;
  const int wake = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  std::atomic<bool> stopping = false;
  std::mutex mutex;  // of `open`
  std::condition_variable one_ended;
  std::list<std::unique_ptr<Open>> open;
};

Server::Server(const ServerOptions& options, const Router& router,
               std::map<std::string, Asset> assets) {
  base::ValidateFields(options);
  impl_ = std::make_unique<Impl>(options, router, std::move(assets));
}

Server::~Server() { Stop(); }

int Server::Bind() {
  impl_->listening = Listen(impl_->options.host, impl_->options.port);
  return impl_->port = PortOf(impl_->listening);
}

void Server::Run() { impl_->Run(); }

void Server::Stop() {
  impl_->stopping = true;
  const uint64_t one = 1;
  [[maybe_unused]] const ssize_t written = ::write(impl_->wake, &one, sizeof one);
}

}  // namespace assay::serve
