#include "serve/connection.h"

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

namespace assay::serve {
namespace {

constexpr std::string_view kHeadEnd = "\r\n\r\n";
constexpr auto kLinger = std::chrono::milliseconds(500);
constexpr size_t kLingerBytes = 4 << 20;

}  // namespace

Connection::Connection(int socket, const ConnectionLimits& limits)
    : limits_(limits), socket_(socket), waiting_since_(Clock::now().time_since_epoch().count()) {}

Connection::~Connection() { Release(); }

void Connection::Release() {
  const std::lock_guard lock(mutex_);
  if (socket_ >= 0) ::close(std::exchange(socket_, -1));
}

void Connection::Shut() {
  const std::lock_guard lock(mutex_);
  if (socket_ >= 0) ::shutdown(socket_, SHUT_RDWR);
}

std::optional<Connection::Clock::time_point> Connection::waiting_since() const {
  const Clock::rep since = waiting_since_;
  if (since == 0) return std::nullopt;
  return Clock::time_point(Clock::duration(since));
}

bool Connection::Wait(short events, Clock::time_point deadline) {
  while (true) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now()).count();
    if (left <= 0) return false;
    pollfd wanted{.fd = socket_, .events = events, .revents = 0};
    const int ready = ::poll(&wanted, 1, static_cast<int>(left));
    if (ready > 0) return true;  // also when the connection broke: the next call tells
    if (ready < 0 && errno != EINTR) return false;
  }
}

bool Connection::Receive(Clock::time_point deadline) {
  char bytes[16 << 10];
  while (true) {
    const ssize_t count = ::recv(socket_, bytes, sizeof bytes, 0);
    if (count > 0) {
      buffer_.append(bytes, static_cast<size_t>(count));
      return true;
    }
    if (count == 0) return false;
    if (errno == EINTR) continue;
    if (errno != EAGAIN && errno != EWOULDBLOCK) return false;
    if (!Wait(POLLIN, deadline)) return false;
  }
}

std::optional<Connection::Message> Connection::Read() {
  const auto start = Clock::now();
  waiting_since_ = start.time_since_epoch().count();
  if (buffer_.empty() && !Receive(start + limits_.idle)) return std::nullopt;
  const auto deadline = Clock::now() + limits_.request;
  const auto more = [&] {
    if (Receive(deadline)) return true;
    if (Clock::now() >= deadline) throw Refusal{408, "the request did not come in time"};
    return false;  // gone
  };
  size_t searched = 0, end = std::string::npos;
  while ((end = buffer_.find(kHeadEnd, searched)) == std::string::npos) {
    if (buffer_.size() > limits_.head_bytes) throw Refusal{431, "the request's head is too long"};
    searched = buffer_.size() < 3 ? 0 : buffer_.size() - 3;
    if (!more()) return std::nullopt;
  }
  end += kHeadEnd.size();
  if (end > limits_.head_bytes) throw Refusal{431, "the request's head is too long"};
  Message message{.head = ParseHead(std::string_view(buffer_).substr(0, end)), .body = {}};
  const size_t length = message.head.body_bytes;
  if (length > limits_.body_bytes) throw Refusal{413, "the body is too long"};
  const std::string* expect = message.head.Find("expect");
  if (expect && *expect == "100-continue" && buffer_.size() < end + length &&
      !Write("HTTP/1.1 100 Continue\r\n\r\n")) {
    return std::nullopt;
  }
  while (buffer_.size() < end + length) {
    if (!more()) return std::nullopt;
  }
  message.body = buffer_.substr(end, length);
  buffer_.erase(0, end + length);
  waiting_since_ = 0;
  return message;
}

bool Connection::Write(std::string_view bytes) {
  const auto start = Clock::now();
  waiting_since_ = start.time_since_epoch().count();
  const auto deadline = start + limits_.answer;
  while (!bytes.empty()) {
    const ssize_t count = ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (count >= 0) {
      bytes.remove_prefix(static_cast<size_t>(count));
    } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
      if (!Wait(POLLOUT, deadline)) return false;
    } else if (errno != EINTR) {
      return false;
    }
  }
  return true;
}

void Connection::Close() {
  waiting_since_ = Clock::now().time_since_epoch().count();
  ::shutdown(socket_, SHUT_WR);
  const auto deadline = Clock::now() + kLinger;
  for (size_t dropped = 0; dropped < kLingerBytes; dropped += buffer_.size()) {
    buffer_.clear();
    if (!Receive(deadline)) return;
  }
}

}  // namespace assay::serve
