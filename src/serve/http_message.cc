#include "serve/http_message.h"

#include <fmt/format.h>

#include <algorithm>
#include <ctime>

namespace assay::serve {
namespace {

bool IsTokenCharacter(char c) {
  return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
         std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos;
}

bool IsToken(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), IsTokenCharacter);
}

std::string Lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  return out;
}

std::string_view Trim(std::string_view text) {
  const auto blank = [](char c) { return c == ' ' || c == '\t'; };
  while (!text.empty() && blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && blank(text.back())) text.remove_suffix(1);
  return text;
}

// The text up to the next line end, which is taken off `rest`. A line end is CR LF.
std::string_view NextLine(std::string_view& rest) {
  const size_t end = rest.find("\r\n");
  if (end == std::string_view::npos) throw Refusal{400, "the request's head is cut off"};
  const std::string_view line = rest.substr(0, end);
  rest.remove_prefix(end + 2);
  return line;
}

void ParseRequestLine(std::string_view line, RequestHead& head) {
  const size_t first = line.find(' '), last = line.rfind(' ');
  if (first == std::string_view::npos || first == last)
    throw Refusal{400, "the request line is no METHOD TARGET VERSION"};
  const std::string_view target = line.substr(first + 1, last - first - 1);
  const std::string_view version = line.substr(last + 1);
  head.method = line.substr(0, first);
  if (!IsToken(head.method)) throw Refusal{400, "the method is no word"};
  if (target.size() > kLongestTarget) throw Refusal{414, "the address is too long"};
  const auto graphic = [](unsigned char c) { return c > 0x20 && c != 0x7f; };
  if (!target.starts_with('/') || !std::all_of(target.begin(), target.end(), graphic))
    throw Refusal{400, "the address is no path"};
  if (version != "HTTP/1.1" && version != "HTTP/1.0")
    throw Refusal{505, "only HTTP/1.1 and HTTP/1.0 are understood"};
  head.target = target;
  head.keep_alive = version == "HTTP/1.1";
}

void ParseHeaderLine(std::string_view line, RequestHead& head) {
  const size_t colon = line.find(':');
  if (colon == std::string_view::npos || !IsToken(line.substr(0, colon)))
    throw Refusal{400, "a header line is no NAME: VALUE"};
  const std::string name = Lower(line.substr(0, colon));
  const std::string_view value = Trim(line.substr(colon + 1));
  const auto printable = [](unsigned char c) { return (c >= 0x20 && c != 0x7f) || c == '\t'; };
  if (!std::all_of(value.begin(), value.end(), printable))
    throw Refusal{400, "a header has control characters"};
  if (!head.headers.emplace(name, value).second) head.repeated.push_back(name);
}

size_t ParseLength(const std::string& text) {
  const auto digit = [](char c) { return c >= '0' && c <= '9'; };
  if (text.empty() || !std::all_of(text.begin(), text.end(), digit))
    throw Refusal{400, "Content-Length is no number"};
  if (text.size() > 15) throw Refusal{413, "the body is too long"};
  return std::stoull(text);
}

const char* Reason(int status) {
  switch (status) {
    case 200:
      return "OK";
    case 202:
      return "Accepted";
    case 400:
      return "Bad Request";
    case 403:
      return "Forbidden";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 408:
      return "Request Timeout";
    case 413:
      return "Content Too Large";
    case 414:
      return "URI Too Long";
    case 415:
      return "Unsupported Media Type";
    case 421:
      return "Misdirected Request";
    case 422:
      return "Unprocessable Content";
    case 431:
      return "Request Header Fields Too Large";
    case 500:
      return "Internal Server Error";
    case 501:
      return "Not Implemented";
    case 503:
      return "Service Unavailable";
    case 505:
      return "HTTP Version Not Supported";
    default:
      return "Answer";
  }
}

// Scripts only from this server, and nothing from elsewhere: a text that slipped through as markup
// could still not run.
constexpr const char* kSafetyHeaders =
    "Content-Security-Policy: default-src 'none'; script-src 'self'; style-src 'self' "
    "'unsafe-inline'; img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action "
    "'none'; frame-ancestors 'none'\r\n"
    "X-Content-Type-Options: nosniff\r\n"
    "Referrer-Policy: no-referrer\r\n"
    "Cross-Origin-Resource-Policy: same-origin\r\n";

}  // namespace

const std::string* RequestHead::Find(const std::string& name) const {
  const auto found = headers.find(name);
  if (found == headers.end()) return nullptr;
  return std::find(repeated.begin(), repeated.end(), name) == repeated.end() ? &found->second
                                                                             : nullptr;
}

RequestHead ParseHead(std::string_view text) {
  RequestHead head;
  ParseRequestLine(NextLine(text), head);
  size_t lines = 0;
  for (std::string_view line = NextLine(text); !line.empty(); line = NextLine(text)) {
    if (++lines > kMostHeaders) throw Refusal{431, "there are too many headers"};
    ParseHeaderLine(line, head);
  }
  if (head.headers.contains("transfer-encoding"))
    throw Refusal{501, "a body must come with its Content-Length"};
  if (head.headers.contains("content-encoding"))
    throw Refusal{415, "compressed bodies are refused"};
  if (head.headers.contains("content-length")) {
    const std::string* length = head.Find("content-length");
    if (!length) throw Refusal{400, "Content-Length came more than once"};
    head.body_bytes = ParseLength(*length);
  }
  if (const std::string* connection = head.Find("connection"))
    head.keep_alive = head.keep_alive && Lower(*connection).find("close") == std::string::npos;
  return head;
}

std::optional<std::string> DecodePercent(std::string_view text, bool plus) {
  const auto digit = [](char c) {
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
  };
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      out += plus && text[i] == '+' ? ' ' : text[i];
      continue;
    }
    if (i + 2 >= text.size()) return std::nullopt;
    const int high = digit(text[i + 1]), low = digit(text[i + 2]);
    if (high < 0 || low < 0) return std::nullopt;
    out += static_cast<char>(16 * high + low);
    i += 2;
  }
  return out;
}

Target ParseTarget(std::string_view target) {
  const auto decode = [](std::string_view text, bool plus) {
    auto decoded = DecodePercent(text, plus);
    if (!decoded) throw Refusal{400, "a % in the address is not followed by two hex digits"};
    return *std::move(decoded);
  };
  const size_t question = target.find('?');
  Target out{.path = decode(target.substr(0, question), false)};
  if (question == std::string_view::npos) return out;
  std::string_view rest = target.substr(question + 1);
  while (!rest.empty()) {
    const size_t end = rest.find('&');
    const std::string_view pair = rest.substr(0, end);
    rest = end == std::string_view::npos ? std::string_view() : rest.substr(end + 1);
    if (pair.empty()) continue;
    const size_t equals = pair.find('=');
    out.query[decode(pair.substr(0, equals), true)] =
        equals == std::string_view::npos ? "" : decode(pair.substr(equals + 1), true);
  }
  return out;
}

std::string HttpDate() {
  const std::time_t now = std::time(nullptr);
  std::tm parts{};
  ::gmtime_r(&now, &parts);
  char text[40];
  const size_t length = std::strftime(text, sizeof text, "%a, %d %b %Y %H:%M:%S GMT", &parts);
  return {text, length};
}

std::string FormatReply(const Reply& reply, bool keep_alive, bool head_only,
                        const std::string& date) {
  std::string out = fmt::format(
      "HTTP/1.1 {} {}\r\nDate: {}\r\nContent-Type: {}\r\nContent-Length: {}\r\nCache-Control: "
      "{}\r\n"
      "Connection: {}\r\n{}",
      reply.status, Reason(reply.status), date, reply.type, reply.body.size(),
      reply.cacheable ? "public, max-age=31536000, immutable" : "no-cache",
      keep_alive ? "keep-alive" : "close", kSafetyHeaders);
  if (!reply.allow.empty()) out += "Allow: " + reply.allow + "\r\n";
  out += "\r\n";
  if (!head_only) out += reply.body;
  return out;
}

}  // namespace assay::serve
