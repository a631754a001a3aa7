// The server over real sockets, as clients and attackers see it. Every wait is bounded.
#include "serve/server.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "serve/raw_client.h"
#include "serve/serve_testing.h"

namespace assay::serve {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;
using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

class ServerTest : public ::testing::Test {
 protected:
  void SetUp() override { Start({}); }
  void TearDown() override { End(); }

  void Start(ServerOptions options) {
    End();
    options.port = 0;
    server_ = std::make_unique<Server>(
        options, api_.router,
        std::map<std::string, Asset>{{"/index.html", {"text/html; charset=utf-8", "<p>page</p>"}},
                                     {"/assets/a-1.js", {"text/javascript", "1"}}});
    port_ = server_->Bind();
    running_ = std::thread([this] { server_->Run(); });
  }
  void End() {
    if (!server_) return;
    server_->Stop();
    running_.join();
    server_.reset();
  }
  std::string Head(const std::string& method, const std::string& target,
                   const std::string& more = "") const {
    return method + " " + target + " HTTP/1.1\r\nHost: 127.0.0.1:" + std::to_string(port_) +
           "\r\n" + more + "\r\n";
  }
  std::string Raw(const std::string& bytes, bool head_only = false) const {
    RawClient client(port_);
    client.Send(bytes);
    return client.Receive(head_only);
  }
  std::string Get(const std::string& target, const std::string& more = "") const {
    return Raw(Head("GET", target, more));
  }
  std::string Post(const std::string& target, const std::string& body,
                   const std::string& type = "application/json") const {
    return Raw(Head("POST", target,
                    "Content-Type: " + type + "\r\nContent-Length: " + std::to_string(body.size()) +
                        "\r\n") +
               body);
  }
  // The server still answers, and at once.
  void ExpectAlive() const {
    const auto start = Clock::now();
    EXPECT_EQ(StatusOf(Get("/api/runs")), 200);
    EXPECT_LT(Clock::now() - start, milliseconds(2000));
  }

  static ModelWork SlowWork() {
    ModelWork work;
    work.try_text = [](const ServedRun&, const Json& request) -> Json {
      std::this_thread::sleep_for(milliseconds(600));
      return {{"text", request["text"]}};
    };
    return work;
  }

  ServedFolders folders_;
  Api api_{folders_.Open(), SlowWork()};
  std::unique_ptr<Server> server_;
  int port_ = 0;
  std::thread running_;
};

TEST_F(ServerTest, GivesPageAndApi) {
  EXPECT_THAT(Get("/"), HasSubstr("<p>page</p>"));
  EXPECT_THAT(Get("/index.html"), HasSubstr("no-cache"));
  EXPECT_THAT(Get("/assets/a-1.js"), HasSubstr("immutable"));
  const std::string runs = Get("/api/runs");
  EXPECT_THAT(runs, HasSubstr("application/json"));
  EXPECT_THAT(runs, HasSubstr("\"neurons\""));
  EXPECT_THAT(runs, HasSubstr("Content-Security-Policy: default-src 'none'"));
  EXPECT_EQ(StatusOf(Get("/absent")), 404);
  EXPECT_EQ(StatusOf(Get("/api/absent")), 404);
}

TEST_F(ServerTest, MethodsAreThoseOfTheAddress) {
  const std::string head = Raw(Head("HEAD", "/api/runs"), true);
  EXPECT_EQ(StatusOf(head), 200);
  EXPECT_THAT(head, HasSubstr("Content-Length: "));
  EXPECT_THAT(head, Not(HasSubstr("neurons\"")));
  EXPECT_EQ(StatusOf(Raw(Head("HEAD", "/"), true)), 200);
  EXPECT_THAT(Raw(Head("PUT", "/api/jobs")), HasSubstr("Allow: GET, POST"));
  for (const char* method :
       {"PUT", "PATCH", "OPTIONS", "TRACE", "CONNECT", "PRI", "DELETE", "FOO"}) {
    EXPECT_EQ(StatusOf(Raw(Head(method, "/"))), 405) << method;
    EXPECT_EQ(StatusOf(Raw(Head(method, "/api/runs"))), 405) << method;
  }
  EXPECT_EQ(StatusOf(Raw(Head("POST", "/"))), 405);
}

TEST_F(ServerTest, HostAndOriginAreChecked) {
  EXPECT_EQ(StatusOf(Raw("GET /api/runs HTTP/1.1\r\nHost: evil.example\r\n\r\n")), 421);
  EXPECT_EQ(
      StatusOf(Raw("GET / HTTP/1.1\r\nHost: evil.example:" + std::to_string(port_) + "\r\n\r\n")),
      421);
  EXPECT_EQ(StatusOf(Raw("GET /api/runs HTTP/1.1\r\n\r\n")), 421);
  EXPECT_EQ(StatusOf(Raw("GET /api/runs HTTP/1.0\r\n\r\n")), 421);
  EXPECT_EQ(StatusOf(Get("/api/runs", "Origin: http://evil.example\r\n")), 403);
  EXPECT_EQ(
      StatusOf(Get("/api/runs", "Origin: http://127.0.0.1:" + std::to_string(port_) + "\r\n")),
      200);
  EXPECT_EQ(StatusOf(Get("/api/runs", "Sec-Fetch-Site: cross-site\r\n")), 403);
  ExpectAlive();
}

TEST_F(ServerTest, BodyOfARefusedRequestIsNoSecondRequest) {
  // A page elsewhere can send such a body without asking; its text must not be taken as a request.
  const std::string inner = Head("DELETE", "/api/jobs/1");
  RawClient client(port_);
  client.Send(Head("POST", "/api/jobs",
                   "Origin: http://evil.example\r\nContent-Type: text/plain\r\nContent-Length: " +
                       std::to_string(inner.size()) + "\r\n") +
              inner + Head("GET", "/"));
  EXPECT_EQ(StatusOf(client.Receive()), 403);
  EXPECT_THAT(client.Receive(), HasSubstr("<p>page</p>"));  // the request after the body
  const std::string get = Raw(
      Head("GET", "/api/runs", "Content-Length: " + std::to_string(inner.size()) + "\r\n") + inner);
  EXPECT_EQ(StatusOf(get), 415);
}

TEST_F(ServerTest, NoPathLeadsOutOfTheRun) {
  WriteText(folders_.folder.path() / "images" / "secret.txt", "SECRET");
  for (const std::string up :
       {"..", "%2e%2e", "%2E%2e", "%252e%252e", "..%2f", "..%5c", "..\\", ".%2e", "%c0%ae%c0%ae"}) {
    for (const std::string& target :
         {"/" + up + "/" + up + "/etc/passwd", "/assets/" + up + "/" + up + "/etc/passwd",
          "/api/runs/" + up + "/robustness", "/api/runs/images/pictures/" + up + "/secret.png",
          "/api/runs/images/pictures/gallery/" + up + "%2fsecret.txt",
          "/api/runs/images/pictures/gallery/" + up + "/" + up + "/secret.png"}) {
      const std::string answer = Get(target);
      EXPECT_EQ(StatusOf(answer), 404) << target;
      EXPECT_THAT(answer, Not(HasSubstr("SECRET")));
      EXPECT_THAT(answer, Not(HasSubstr("root:")));
    }
  }
  EXPECT_EQ(StatusOf(Get("/api/runs/images/pictures/gallery/a.png%00.txt")), 404);
  EXPECT_EQ(StatusOf(Get("//etc/passwd")), 404);
  EXPECT_EQ(StatusOf(Get("/api/runs/images/pictures/%2fetc/passwd")), 404);
  EXPECT_EQ(StatusOf(Get("/%")), 400);
}

TEST_F(ServerTest, TokensThatReadAsMarkupComeAsJsonText) {
  const std::string answer = Get("/api/runs/neurons/neurons/0/0/examples");
  EXPECT_THAT(answer, HasSubstr("Content-Type: application/json"));
  EXPECT_THAT(answer, HasSubstr("X-Content-Type-Options: nosniff"));
  const Json body = Json::parse(answer.substr(answer.find("\r\n\r\n") + 4));
  EXPECT_EQ(body["examples"][0]["tokens"][0], kHostileToken);
  // What an error says about the request is JSON as well.
  const std::string error = Get("/api/runs/%3Cscript%3E%22%FF");
  EXPECT_EQ(StatusOf(error), 404);
  EXPECT_TRUE(Json::accept(error.substr(error.find("\r\n\r\n") + 4)));
}

TEST_F(ServerTest, BodiesMustBeJson) {
  const std::string path = "/api/runs/neurons/study";
  EXPECT_EQ(StatusOf(Post(path, "{}", "text/plain")), 415);
  EXPECT_EQ(StatusOf(Post(path, "a=1", "application/x-www-form-urlencoded")), 415);
  EXPECT_EQ(StatusOf(Post(path, "--x\r\n", "multipart/form-data; boundary=x")), 415);
  EXPECT_EQ(StatusOf(Post(path, "{")), 400);
  EXPECT_EQ(StatusOf(Post(path, "")), 400);
  EXPECT_EQ(StatusOf(Post(path, "\"\xff\xfe\"")), 400);
  EXPECT_EQ(StatusOf(Post(path, std::string(20000, '[') + std::string(20000, ']'))), 400);
  std::string deep = "1";
  for (int i = 0; i < 40; ++i) deep = "{\"seed\":" + deep + "}";
  EXPECT_EQ(StatusOf(Post(path, deep)), 400);
  EXPECT_EQ(StatusOf(Post(path, R"({"seed":1,"trial":0,"choice":"<script>","milliseconds":1})")),
            400);
  EXPECT_EQ(StatusOf(Post(path, R"({"seed":1,"trial":0,"choice":1e999,"milliseconds":1})")), 400);
  ExpectAlive();
}

TEST_F(ServerTest, LongRequestsAreRefused) {
  EXPECT_EQ(StatusOf(Post("/api/jobs", std::string((64 << 10) + 1, ' '))), 413);
  EXPECT_EQ(StatusOf(Raw(Head("POST", "/api/jobs", "Content-Length: 99999999999\r\n"))), 413);
  EXPECT_EQ(StatusOf(Get("/" + std::string(9000, 'a'))), 414);
  EXPECT_EQ(StatusOf(Get("/", "X: " + std::string(20 << 10, 'a') + "\r\n")), 431);
  std::string many;
  for (int i = 0; i < 101; ++i) many += "A" + std::to_string(i) + ": b\r\n";
  EXPECT_EQ(StatusOf(Get("/", many)), 431);
  EXPECT_EQ(StatusOf(Raw(Head("POST", "/api/jobs", "Transfer-Encoding: chunked\r\n") +
                         "5\r\nhello\r\n0\r\n\r\n")),
            501);
  EXPECT_EQ(
      StatusOf(Raw(Head("POST", "/api/jobs", "Content-Encoding: gzip\r\nContent-Length: 3\r\n") +
                   "abc")),
      415);
  ExpectAlive();
}

TEST_F(ServerTest, EndlessRequestsEnd) {
  for (const std::string begin :
       {"", "GET / HTTP/1.1\r\nX: ", "POST / HTTP/1.1\r\nContent-Length: 10\r\n\r\n"}) {
    RawClient client(port_);
    client.Send(begin);
    const std::string block(1 << 16, 'a');
    size_t sent = 0;
    while (sent < (64u << 20) && client.Send(block)) sent += block.size();
    EXPECT_LT(sent, 64u << 20);
  }
  ExpectAlive();
}

TEST_F(ServerTest, RangesAndUpgradesAreIgnored) {
  std::string ranges = "Range: bytes=0-";
  for (int i = 0; i < 1000; ++i) ranges += ",0-";
  const std::string answer =
      Get("/api/runs", ranges + "\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n");
  EXPECT_EQ(StatusOf(answer), 200);
  EXPECT_LT(answer.size(), 4000u);
}

TEST_F(ServerTest, RubbishIsRefused) {
  EXPECT_EQ(StatusOf(Raw(std::string("\x16\x03\x01\0 hello\r\n\r\n", 14))), 400);
  EXPECT_EQ(StatusOf(Raw(std::string("\0\0\0\0\r\n\r\n", 8))), 400);
  EXPECT_EQ(StatusOf(Raw("\r\n\r\n")), 400);
  EXPECT_EQ(StatusOf(Raw("GET / HTTP/1.1\nHost: a\n\r\n\r\n")), 400);
  EXPECT_EQ(StatusOf(Raw("GET http://127.0.0.1/ HTTP/1.1\r\n\r\n")), 400);
  ExpectAlive();
}

TEST_F(ServerTest, OneConnectionServesManyRequests) {
  RawClient client(port_);
  for (int i = 0; i < 50; ++i) {
    ASSERT_TRUE(client.Send(Head("GET", "/api/runs")));
    ASSERT_EQ(StatusOf(client.Receive()), 200);
  }
  client.Send(Head("GET", "/") + Head("GET", "/api/absent") + Head("GET", "/"));  // pipelined
  EXPECT_EQ(StatusOf(client.Receive()), 200);
  EXPECT_EQ(StatusOf(client.Receive()), 404);
  EXPECT_EQ(StatusOf(client.Receive()), 200);
  client.Send(Head("GET", "/", "Connection: close\r\n"));
  EXPECT_THAT(client.Receive(), HasSubstr("Connection: close"));
  EXPECT_TRUE(client.EndsWithin(milliseconds(2000)));
}

TEST_F(ServerTest, ExpectationOfABodyIsMet) {
  RawClient client(port_);
  const std::string body = R"({"text": "a"})";
  client.Send(Head("POST", "/api/runs/neurons/try",
                   "Expect: 100-continue\r\nContent-Type: application/json\r\nContent-Length: " +
                       std::to_string(body.size()) + "\r\n"));
  EXPECT_THAT(client.Receive(), StartsWith("HTTP/1.1 100"));
  client.Send(body);
  EXPECT_EQ(StatusOf(client.Receive()), 200);
}

TEST_F(ServerTest, SlowClientsEndInTimeAndHoldUpNobody) {
  Start({.connections = 8, .threads = 2, .request_timeout_ms = 400, .idle_timeout_ms = 700});
  std::vector<std::unique_ptr<RawClient>> slow;
  for (int i = 0; i < 40; ++i) {  // more than there may be connections
    slow.push_back(std::make_unique<RawClient>(port_));
    ASSERT_TRUE(slow.back()->connected);
    slow.back()->Send(i % 2 ? "GET / HT" : Head("POST", "/api/jobs", "Content-Length: 100\r\n"));
  }
  for (int i = 0; i < 5; ++i) ExpectAlive();
  for (const auto& client : slow) EXPECT_TRUE(client->EndsWithin(milliseconds(3000)));
}

TEST_F(ServerTest, RequestThatDripsInIsToldThatItIsLate) {
  Start({.request_timeout_ms = 300});
  RawClient client(port_);
  const auto start = Clock::now();
  while (Clock::now() - start < milliseconds(3000) && client.Send("G"))
    std::this_thread::sleep_for(milliseconds(50));
  EXPECT_LT(Clock::now() - start, milliseconds(2500));
  RawClient quiet(port_);
  quiet.Send("GET / ");
  EXPECT_EQ(StatusOf(quiet.Receive()), 408);
}

TEST_F(ServerTest, ClientThatDoesNotReadEndsInTime) {
  Start({.connections = 4, .answer_timeout_ms = 300});
  std::vector<std::unique_ptr<RawClient>> deaf;
  const std::string request = Head("GET", "/api/style.css");
  for (int i = 0; i < 4; ++i) {
    deaf.push_back(std::make_unique<RawClient>(port_));
    std::string many;
    for (int k = 0; k < 2000; ++k) many += request;  // far more answers than buffers hold
    std::thread([&client = *deaf.back(), many] { client.Send(many); }).join();
  }
  ExpectAlive();
}

TEST_F(ServerTest, ManyClientsGetTheirOwnAnswers) {
  std::atomic<int> good = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < 24; ++i) {
    threads.emplace_back([&, i] {
      RawClient client(port_);
      for (int k = 0; k < 20; ++k) {
        const int index = (i + k) % 6;
        client.Send(Head("GET", "/api/runs/neurons/neurons/" + std::to_string(index % 3) + "/" +
                                    std::to_string(index)));
        const std::string answer = client.Receive();
        if (StatusOf(answer) != 200) continue;
        const Json body = Json::parse(answer.substr(answer.find("\r\n\r\n") + 4));
        good += body["index"] == index ? 1 : 0;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(good, 24 * 20);
}

TEST_F(ServerTest, LongWorkDoesNotHoldUpReading) {
  Start({.threads = 1});
  std::vector<std::thread> posts;
  for (int i = 0; i < 8; ++i) {
    posts.emplace_back(
        [&] { EXPECT_EQ(StatusOf(Post("/api/runs/neurons/try", R"({"text": "a"})")), 200); });
  }
  std::this_thread::sleep_for(milliseconds(50));
  const auto start = Clock::now();
  EXPECT_EQ(StatusOf(Get("/api/runs")), 200);
  EXPECT_LT(Clock::now() - start, milliseconds(500));
  for (std::thread& thread : posts) thread.join();
}

TEST_F(ServerTest, StopEndsOpenConnections) {
  RawClient idle(port_);
  idle.Send(Head("GET", "/"));
  idle.Receive();
  const auto start = Clock::now();
  End();
  EXPECT_LT(Clock::now() - start, milliseconds(1500));
  EXPECT_TRUE(idle.EndsWithin(milliseconds(1000)));
}

TEST_F(ServerTest, TakenPortAndWrongHostAreTold) {
  Server second({.port = port_}, api_.router, {});
  EXPECT_THROW(second.Bind(), base::Error);
  Server wrong({.host = "no such host!", .port = 0}, api_.router, {});
  EXPECT_THROW(wrong.Bind(), base::Error);
  EXPECT_THROW(Server({.threads = 0}, api_.router, {}), base::Error);
}

TEST(LoadAssetsTest, ReadsAFolderOnce) {
  store::TemporaryFolder folder;
  EXPECT_THROW(LoadAssets(folder.path()), base::Error);
  EXPECT_THROW(LoadAssets(folder.path() / "absent"), base::Error);
  WriteText(folder.path() / "index.html", "<p>");
  WriteText(folder.path() / "assets" / "a.css", "a{}");
  const auto assets = LoadAssets(folder.path());
  EXPECT_EQ(assets.size(), 2u);
  EXPECT_EQ(assets.at("/assets/a.css").type, "text/css; charset=utf-8");
}

}  // namespace
}  // namespace assay::serve
