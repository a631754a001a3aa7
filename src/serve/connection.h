// One client's connection: whole requests are read from its socket within bounds of size and time,
// and answers written within a bound of time, so that nothing after it ever waits for a client.
// Read, Write, Close and Release from one thread; Shut and waiting_since from any.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include "serve/http_message.h"

namespace assay::serve {

struct ConnectionLimits {
  size_t head_bytes = 16 << 10, body_bytes = 64 << 10;
  std::chrono::milliseconds idle{15000};    // until the first byte of a request
  std::chrono::milliseconds request{5000};  // from the first byte of a request to its last
  std::chrono::milliseconds answer{15000};  // until the client has taken an answer
};

class Connection {
 public:
  using Clock = std::chrono::steady_clock;
  struct Message {
    RequestHead head;
    std::string body;
  };

  // Owns the socket, which must not block.
  Connection(int socket, const ConnectionLimits& limits);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  // The next whole request; absent when the client has gone or sends none in time. Throws Refusal
  // for one that breaks the bounds or the rules: answer it, then Close.
  std::optional<Message> Read();
  // Whether all of it was taken in time.
  bool Write(std::string_view bytes);
  // Ends the connection so that the client sees the answer even if it still sends: what comes is
  // dropped, for a moment.
  void Close();

  void Release();  // closes the socket; nothing but Shut and waiting_since may follow
  void Shut();     // makes Read and Write return at once; from any thread
  // Since when the connection waits for its client; absent while it is worked for.
  std::optional<Clock::time_point> waiting_since() const;

 private:
  // Waits until `events` or the deadline, or Shut. False: not in time.
  bool Wait(short events, Clock::time_point deadline);
  // Appends what has come. False: the client has ended or broken the connection, or the deadline
  // has passed.
  bool Receive(Clock::time_point deadline);

  const ConnectionLimits limits_;
  std::mutex mutex_;  // of socket_ against Shut
  int socket_;
  std::string buffer_;                     // received, not yet returned
  std::atomic<Clock::rep> waiting_since_;  // 0: it is not
};

}  // namespace assay::serve
