#include "serve/http.h"

#include <charconv>
#include <cmath>

namespace assay::serve {
namespace {

using base::ErrorKind;
using base::Fail;

template <typename Number>
std::optional<Number> Parse(const std::string& text) {
  Number value{};
  const char* end = text.data() + text.size();
  const auto [at, error] = std::from_chars(text.data(), end, value);
  if (error != std::errc() || at != end || text.empty()) return std::nullopt;
  return value;
}

const std::string* Find(const Request& request, const std::string& name) {
  if (const auto found = request.path.find(name); found != request.path.end())
    return &found->second;
  const auto found = request.query.find(name);
  return found == request.query.end() ? nullptr : &found->second;
}

int StatusOf(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::kUsage:
      return 400;
    case ErrorKind::kBadInput:
      return 422;
    case ErrorKind::kNotFound:
      return 404;
    case ErrorKind::kUnsupported:
      return 501;
    case ErrorKind::kIo:
      return 503;
    case ErrorKind::kInternal:
      return 500;
  }
  return 500;
}

}  // namespace

std::string Request::Text(const std::string& name, const std::string& otherwise) const {
  const std::string* found = Find(*this, name);
  return found ? *found : otherwise;
}

bool Request::Flag(const std::string& name) const {
  const std::string text = Text(name, "false");
  if (text == "true" || text == "1") return true;
  if (text == "false" || text == "0") return false;
  Fail(ErrorKind::kUsage, "{} is '{}'; expected true or false", name, text);
}

int64_t Request::Integer(const std::string& name, int64_t low, int64_t high,
                         std::optional<int64_t> otherwise) const {
  const std::string* text = Find(*this, name);
  if (!text && otherwise) return *otherwise;
  const auto value = text ? Parse<int64_t>(*text) : std::nullopt;
  if (!value || *value < low || *value > high) {
    Fail(ErrorKind::kUsage, "{} is '{}'; expected a whole number from {} to {}", name,
         text ? *text : "", low, high);
  }
  return *value;
}

std::optional<double> Request::Number(const std::string& name, double low, double high) const {
  const std::string* text = Find(*this, name);
  if (!text || text->empty()) return std::nullopt;
  const auto value = Parse<double>(*text);
  if (!value || !(*value >= low && *value <= high)) {
    Fail(ErrorKind::kUsage, "{} is '{}'; expected a number from {} to {}", name, *text, low, high);
  }
  return value;
}

base::UnitId Request::Unit() const {
  return {static_cast<int>(Integer("layer", 0, 1'000'000)),
          static_cast<int>(Integer("index", 0, 1'000'000'000))};
}

std::optional<std::string> Request::OptionalBodyText(const std::string& name, size_t limit) const {
  if (!body.is_object()) Fail(ErrorKind::kUsage, "the body is no JSON object");
  const auto found = body.find(name);
  if (found == body.end() || found->is_null()) return std::nullopt;
  if (!found->is_string())
    Fail(ErrorKind::kUsage, "'{}' is {}; expected a text", name, found->type_name());
  std::string text = found->get<std::string>();
  if (text.size() > limit)
    Fail(ErrorKind::kUsage, "'{}' has {} bytes; at most {} are accepted", name, text.size(), limit);
  return text;
}

std::string Request::BodyText(const std::string& name, size_t limit) const {
  const auto text = OptionalBodyText(name, limit);
  if (!text) Fail(ErrorKind::kUsage, "the body has no '{}'", name);
  return *text;
}

int64_t Request::BodyInteger(const std::string& name, int64_t low, int64_t high) const {
  if (!body.is_object()) Fail(ErrorKind::kUsage, "the body is no JSON object");
  const auto found = body.find(name);
  if (found == body.end() || !found->is_number_integer())
    Fail(ErrorKind::kUsage, "'{}' is no whole number", name);
  const auto value = found->get<int64_t>();
  if (value < low || value > high)
    Fail(ErrorKind::kUsage, "'{}' is {}; expected {} to {}", name, value, low, high);
  return value;
}

Reply JsonReply(const Json& json, int status) {
  return {.status = status, .body = json.dump(-1, ' ', false, Json::error_handler_t::replace)};
}

Reply ErrorReply(const base::Error& error) {
  return ErrorReply(StatusOf(error.kind()), std::string(base::ErrorKindName(error.kind())),
                    error.what());
}

Reply ErrorReply(int status, const std::string& kind, const std::string& message) {
  return JsonReply({{"error", {{"kind", kind}, {"message", message}}}}, status);
}

Reply MethodReply(const std::string& allow) {
  Reply reply = ErrorReply(405, "usage", "this address takes " + allow);
  reply.allow = allow;
  return reply;
}

Json NumberOrNull(std::optional<double> value) {
  return value && std::isfinite(*value) ? Json(*value) : Json(nullptr);
}

}  // namespace assay::serve
