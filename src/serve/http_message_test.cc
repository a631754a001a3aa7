#include "serve/http_message.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "serve/request_checks.h"

namespace assay::serve {
namespace {

using ::testing::EndsWith;
using ::testing::HasSubstr;

int StatusOf(const std::string& head) {
  try {
    ParseHead(head);
    return 200;
  } catch (const Refusal& refusal) {
    return refusal.status;
  }
}

TEST(ParseHeadTest, ReadsLineAndHeaders) {
  const RequestHead head = ParseHead(
      "POST /api/jobs?a=1 HTTP/1.1\r\nHost: 127.0.0.1:8321\r\nCONTENT-length:\t12 "
      "\r\nX-Empty:\r\n\r\n");
  EXPECT_EQ(head.method, "POST");
  EXPECT_EQ(head.target, "/api/jobs?a=1");
  EXPECT_TRUE(head.keep_alive);
  EXPECT_EQ(head.body_bytes, 12u);
  EXPECT_EQ(*head.Find("host"), "127.0.0.1:8321");
  EXPECT_EQ(*head.Find("x-empty"), "");
  EXPECT_EQ(head.Find("origin"), nullptr);
  EXPECT_FALSE(ParseHead("GET / HTTP/1.0\r\n\r\n").keep_alive);
  EXPECT_FALSE(ParseHead("GET / HTTP/1.1\r\nConnection: Close\r\n\r\n").keep_alive);
}

TEST(ParseHeadTest, RepeatedHeaderIsNoAnswer) {
  const RequestHead head = ParseHead("GET / HTTP/1.1\r\nHost: a\r\nhost: b\r\n\r\n");
  EXPECT_EQ(head.Find("host"), nullptr);
}

TEST(ParseHeadTest, RefusesWhatCouldBeReadInTwoWays) {
  const std::string get = "GET / HTTP/1.1\r\n", end = "\r\n\r\n";
  EXPECT_EQ(StatusOf(get + "Host: a" + end), 200);
  EXPECT_EQ(StatusOf(get + "Transfer-Encoding: chunked" + end), 501);
  EXPECT_EQ(StatusOf(get + "Content-Encoding: gzip" + end), 415);
  EXPECT_EQ(StatusOf(get + "Content-Length: 5\r\nContent-Length: 6" + end), 400);
  EXPECT_EQ(StatusOf(get + "Content-Length: 5\r\nContent-Length: 5" + end), 400);
  for (const char* length : {"-1", "+5", "0x5", "5 5", "5,5", ""}) {
    EXPECT_EQ(StatusOf(get + "Content-Length: " + length + end), 400) << length;
  }
  EXPECT_EQ(StatusOf(get + "Content-Length: 99999999999999999999" + end), 413);
  EXPECT_EQ(StatusOf(get + "Content-Length : 5" + end), 400);
  EXPECT_EQ(StatusOf(get + " folded: 1" + end), 400);
  EXPECT_EQ(StatusOf(get + "A: b\nHost: c" + end), 400);
  EXPECT_EQ(StatusOf(get + "A: b\rc" + end), 400);
  EXPECT_EQ(StatusOf(get + std::string("A: b\0c", 6) + end), 400);
  EXPECT_EQ(StatusOf(get + "no colon" + end), 400);
}

TEST(ParseHeadTest, RefusesOtherLines) {
  for (const char* line :
       {"", "GET", "GET /", "GET  HTTP/1.1", "GET http://a/ HTTP/1.1", "G(T / HTTP/1.1",
        "GET /a b HTTP/1.1", "GET /\x01 HTTP/1.1", "OPTIONS * HTTP/1.1"}) {
    EXPECT_EQ(StatusOf(std::string(line) + "\r\n\r\n"), 400) << line;
  }
  EXPECT_EQ(StatusOf("GET / HTTP/2.0\r\n\r\n"), 505);
  EXPECT_EQ(StatusOf("GET /" + std::string(kLongestTarget, 'a') + " HTTP/1.1\r\n\r\n"), 414);
  std::string many = "GET / HTTP/1.1\r\n";
  for (size_t i = 0; i <= kMostHeaders; ++i) many += "A" + std::to_string(i) + ": b\r\n";
  EXPECT_EQ(StatusOf(many + "\r\n"), 431);
  EXPECT_EQ(StatusOf("GET / HTTP/1.1\r\n"), 400);
}

TEST(ParseTargetTest, DecodesOnce) {
  const Target target = ParseTarget("/a%2Fb%252e/c+d?x=1&y=a+b%26c&x=2&flag&=&%7a=%E2%82%AC");
  EXPECT_EQ(target.path, "/a/b%2e/c+d");
  EXPECT_EQ(target.query.at("x"), "2");
  EXPECT_EQ(target.query.at("y"), "a b&c");
  EXPECT_EQ(target.query.at("flag"), "");
  EXPECT_EQ(target.query.at("z"), "€");
  for (const char* broken : {"/%", "/%4", "/%zz", "/a?b=%f"})
    EXPECT_THROW(ParseTarget(broken), Refusal) << broken;
}

TEST(FormatReplyTest, HeadHasTheLengthWithoutTheBody) {
  const Reply reply{.type = "text/plain", .body = "hello"};
  const std::string whole = FormatReply(reply, true, false, "today"),
                    head = FormatReply(reply, false, true, "today");
  EXPECT_THAT(whole, EndsWith("\r\n\r\nhello"));
  EXPECT_THAT(head, EndsWith("\r\n\r\n"));
  EXPECT_THAT(head, HasSubstr("Content-Length: 5\r\n"));
  EXPECT_THAT(head, HasSubstr("Connection: close\r\n"));
  EXPECT_THAT(whole, HasSubstr("Connection: keep-alive\r\n"));
  EXPECT_THAT(whole, HasSubstr("default-src 'none'"));
  EXPECT_THAT(FormatReply(MethodReply("GET"), true, false, ""),
              HasSubstr("405 Method Not Allowed"));
  EXPECT_THAT(FormatReply(MethodReply("GET"), true, false, ""), HasSubstr("\r\nAllow: GET\r\n"));
  EXPECT_THAT(HttpDate(), EndsWith(" GMT"));
}

TEST(RequestChecksTest, LoopbackServerAnswersToItsNamesOnly) {
  const OwnNames own{"127.0.0.1", 8321, {}};
  for (const char* host : {"127.0.0.1:8321", "localhost:8321", "LocalHost:8321", "[::1]:8321"})
    EXPECT_TRUE(IsOwnHost(own, host)) << host;
  for (const char* host :
       {"127.0.0.1", "localhost:80", "evil.example:8321", "localhost:8321.evil.example",
        "127.0.0.1:83210", "127.0.0.1:8321@evil.example", "", ":8321", "192.168.1.5:8321"})
    EXPECT_FALSE(IsOwnHost(own, host)) << host;
  EXPECT_TRUE(IsOwnHost({"127.0.0.1", 8321, {"box.lan"}}, "BOX.lan:8321"));
  EXPECT_TRUE(IsOwnHost({"127.0.0.1", 80, {}}, "localhost"));
}

TEST(RequestChecksTest, OpenServerAnswersToNumbersAndNotToAnyName) {
  const OwnNames own{"0.0.0.0", 8321, {}};
  EXPECT_TRUE(IsOwnHost(own, "192.168.1.5:8321"));
  EXPECT_TRUE(IsOwnHost(own, "[fe80::1]:8321"));
  EXPECT_FALSE(IsOwnHost(own, "evil.example:8321"));  // DNS rebinding
  EXPECT_FALSE(IsOwnHost(own, "[evil]:8321"));
}

TEST(RequestChecksTest, OtherSitesAreRefused) {
  const OwnNames own{"127.0.0.1", 8321, {}};
  const auto status = [&](const std::string& headers, const std::string& path = "/api/runs",
                          const std::string& method = "GET") {
    const auto refused =
        CheckOrigin(own, ParseHead(method + " / HTTP/1.1\r\n" + headers + "\r\n\r\n"), path);
    return refused ? refused->status : 200;
  };
  const std::string host = "Host: 127.0.0.1:8321";
  EXPECT_EQ(status(host), 200);
  EXPECT_EQ(status("A: b"), 421);
  EXPECT_EQ(status(host + "\r\n" + host), 421);
  EXPECT_EQ(status(host + "\r\nOrigin: http://127.0.0.1:8321"), 200);
  for (const char* origin :
       {"http://evil.example", "null", "https://127.0.0.1:8321", "http://localhost:8321",
        "http://127.0.0.1:8321.evil.example", "http://127.0.0.1:9999"})
    EXPECT_EQ(status(host + "\r\nOrigin: " + origin), 403) << origin;
  EXPECT_EQ(status(host + "\r\nOrigin: http://127.0.0.1:8321\r\nOrigin: http://evil.example"), 403);
  EXPECT_EQ(status(host + "\r\nSec-Fetch-Site: same-origin"), 200);
  EXPECT_EQ(status(host + "\r\nSec-Fetch-Site: cross-site"), 403);
  EXPECT_EQ(status(host + "\r\nSec-Fetch-Site: same-site"), 403);
  const std::string link = host + "\r\nSec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: navigate";
  EXPECT_EQ(status(link, "/"), 200);  // a link to the page
  EXPECT_EQ(status(link, "/api/runs"), 403);
  EXPECT_EQ(status(link, "/", "POST"), 403);
}

}  // namespace
}  // namespace assay::serve
