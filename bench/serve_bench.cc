// The page's server over a large run (built in a temporary folder; one unit in 300 has everything a
// page shows), against the limits that Assay sets itself for 300,000 graphs: cold start 2 s, a
// neuron's page 100 ms and a search 200 ms at the 95th percentile with 8 clients, memory flat.
//   serve_bench               100,000 graphs, 20,000 requests
//   serve_bench --full        300,000 graphs, 100,000 requests
//   serve_bench --graphs N    another size
// Exits with 1 when a limit is missed.
#include <fmt/format.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "bench/synthetic_run.h"
#include "serve/raw_client.h"
#include "serve/server.h"
#include "serve/service.h"

namespace {

namespace fs = std::filesystem;
using assay::base::Rng;
using assay::bench::UnitAt;
using assay::bench::ZipfTokens;
using assay::serve::RawClient;
using assay::store::RunStore;
using Clock = std::chrono::steady_clock;

constexpr int kClients = 8;
constexpr int kWholeUnitEvery = 300;
constexpr int kTimeout = 60;  // seconds; a busy machine misses limits, and is not a failure

double MillisecondsSince(Clock::time_point start) {
  return std::chrono::duration<double, std::milli>(Clock::now() - start).count();
}

double MemoryMb() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("VmRSS:")) return std::stod(line.substr(6)) / 1024;
  }
  return 0;
}

void Build(const fs::path& folder, int graphs, const ZipfTokens& tokens) {
  RunStore store = RunStore::Open(folder, RunStore::Mode::kWrite);
  store.PutManifest("model",
                    {{"folder", "/models/synthetic"}, {"hook", "blocks.{}.mlp.hook_post"}});
  assay::bench::BuildGraphs(store, graphs, tokens);
  store.Transaction([&] {
    for (int i = 0; i < graphs; ++i) {
      if (i % kWholeUnitEvery == 0) {
        assay::bench::PutWholeUnit(store, i, tokens);
      } else {
        store.Put(assay::store::UnitStats{UnitAt(i), 1'000'000, 0.1, 0.2, 1.0, -0.2, 0.05});
      }
    }
  });
}

// The server on a thread of its own.
class Served {
 public:
  explicit Served(const fs::path& folder)
      : service_(assay::serve::OpenRuns({folder}), {}),
        router_(assay::serve::MakeRouter(service_)),
        server_({.port = 0}, router_, {}),
        port(server_.Bind()),
        thread_([this] { server_.Run(); }) {}
  ~Served() {
    server_.Stop();
    thread_.join();
  }

 private:
  assay::serve::Service service_;
  assay::serve::Router router_;
  assay::serve::Server server_;

 public:
  const int port;

 private:
  std::thread thread_;
};

// Bytes of the answer; throws when it is no 200.
size_t Get(RawClient& client, int port, const std::string& target) {
  client.Send(fmt::format("GET {} HTTP/1.1\r\nHost: 127.0.0.1:{}\r\n\r\n", target, port));
  const std::string answer = client.Receive();
  if (assay::serve::StatusOf(answer) != 200)
    assay::base::Fail(assay::base::ErrorKind::kInternal, "{}: {}", target, answer.substr(0, 300));
  return answer.size();
}

struct Requests {
  const ZipfTokens& tokens;
  int graphs;
  std::string run;

  std::vector<std::string> NeuronPage(Rng& rng) const {
    const auto whole = static_cast<uint64_t>((graphs + kWholeUnitEvery - 1) / kWholeUnitEvery);
    const auto unit = UnitAt(static_cast<int>(rng.Below(whole)) * kWholeUnitEvery);
    const std::string neuron = fmt::format("{}/neurons/{}/{}", run, unit.layer, unit.index);
    return {neuron, neuron + "/graph", neuron + "/examples?kind=top&limit=10"};
  }
  std::string Search(Rng& rng) const {
    const auto word = [&] {
      const int k = tokens.Draw(rng);
      return fmt::format("{}w{}", k % 2 == 0 ? "%20" : "", k / 2);
    };
    switch (rng.Below(5)) {
      case 0:
        return fmt::format("{}/search?activating={}", run, word());
      case 1:
        return fmt::format("{}/search?activating={}&context={}", run, word(), word());
      case 2:
        return fmt::format("{}/search?context={}&layer={}&min_f1=0.5", run, word(), rng.Below(24));
      case 3:
        return fmt::format("{}/search?repeated=true", run);
      default:
        return fmt::format("{}/search?label={}", run, word());
    }
  }
};

struct Times {
  double p50 = 0, p95 = 0, largest = 0, seconds = 0;
};

// `rounds` in all, by clients at once; each asks for the targets of `make` one after the other.
template <typename Make>
Times Measure(int port, int clients, int rounds, Make make) {
  std::vector<std::vector<double>> times(static_cast<size_t>(clients));
  std::atomic<int> next = 0;
  std::atomic<bool> failed = false;
  std::string failure;
  const auto start = Clock::now();
  std::vector<std::thread> threads;
  for (auto& own : times) {
    threads.emplace_back([&] {
      try {
        std::unique_ptr<RawClient> client;
        for (int round = next++, own_rounds = 0; round < rounds && !failed;
             round = next++, ++own_rounds) {
          // As browsers do: the server ends a connection after 10,000 requests.
          if (own_rounds % 1000 == 0) client = std::make_unique<RawClient>(port, kTimeout);
          Rng rng(7, "request", static_cast<uint64_t>(round));
          const std::vector<std::string> targets = make(rng);
          const auto begin = Clock::now();
          for (const std::string& target : targets) Get(*client, port, target);
          own.push_back(MillisecondsSince(begin));
        }
      } catch (const std::exception& error) {
        if (!failed.exchange(true)) failure = error.what();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  if (failed) assay::base::Fail(assay::base::ErrorKind::kInternal, "{}", failure);
  std::vector<double> all;
  for (const auto& own : times) all.insert(all.end(), own.begin(), own.end());
  std::sort(all.begin(), all.end());
  const auto at = [&](double share) {
    return all[static_cast<size_t>(share * static_cast<double>(all.size() - 1))];
  };
  return {at(0.5), at(0.95), all.back(), MillisecondsSince(start) / 1000};
}

bool good = true;

void Print(const std::string& what, const Times& times, double limit_ms) {
  const bool met = times.p95 <= limit_ms;
  good = good && met;
  fmt::print("{:<44} p50 {:7.2f} ms   p95 {:7.2f} ms   most {:7.2f} ms   limit {:.0f} ms: {}\n",
             what, times.p50, times.p95, times.largest, limit_ms, met ? "met" : "MISSED");
}

double ProcessorMilliseconds() {
  timespec now{};
  ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return 1e3 * static_cast<double>(now.tv_sec) + 1e-6 * static_cast<double>(now.tv_nsec);
}

void PrintLoad() {
  double load = 0;
  std::ifstream("/proc/loadavg") >> load;
  fmt::print("load of the machine: {:.1f} on {} processors\n", load,
             std::thread::hardware_concurrency());
}

void ColdStart(const fs::path& folder, const std::string& run) {
  const auto start = Clock::now();
  const double processor = ProcessorMilliseconds();
  const Served served(folder);
  RawClient client(served.port, kTimeout);
  Get(client, served.port, "/api/runs");
  const double first = MillisecondsSince(start);
  Get(client, served.port, run);
  const double overview = MillisecondsSince(start);
  const bool met = overview <= 2000;
  good = good && met;
  fmt::print(
      "cold start: first answer after {:.0f} ms, overview after {:.0f} ms ({:.0f} ms of processor) "
      "  limit 2000 ms: {}\n",
      first, overview, ProcessorMilliseconds() - processor, met ? "met" : "MISSED");
}

void FlatMemory(int port, const Requests& requests, int count) {
  const auto mixed = [&](Rng& rng) {
    std::vector<std::string> targets = requests.NeuronPage(rng);
    targets.push_back(requests.Search(rng));
    return targets;
  };
  const int rounds = count / 4;
  Measure(port, kClients, rounds / 10, mixed);  // connections and caches fill
  const double before = MemoryMb();
  const Times times = Measure(port, kClients, rounds, mixed);
  const double after = MemoryMb();
  const bool met = after <= 1.05 * before + 8;
  good = good && met;
  fmt::print(
      "memory over {} requests: {:.0f} MB before, {:.0f} MB after ({:+.1f} %)   limit +5 %: {}\n"
      "{:.0f} requests/s\n",
      4 * rounds, before, after, 100 * (after / before - 1), met ? "met" : "MISSED",
      4 * rounds / times.seconds);
}

}  // namespace

int main(int argc, char** argv) {
  int graphs = 100'000, requests_to_send = 20'000;
  for (int i = 1; i < argc; ++i) {
    if (std::string_view(argv[i]) == "--full") {
      graphs = 300'000;
      requests_to_send = 100'000;
    }
    if (std::string_view(argv[i]) == "--graphs" && i + 1 < argc) graphs = std::atoi(argv[++i]);
  }
  if (graphs < 1) {
    fmt::print(stderr, "usage: serve_bench [--full] [--graphs N]\n");
    return 2;
  }
  const auto parent = fs::temp_directory_path() / fmt::format("serve_bench_{}", ::getpid());
  try {
    PrintLoad();
    const ZipfTokens tokens;
    const fs::path folder = parent / "run";
    const auto start = Clock::now();
    Build(folder, graphs, tokens);
    fmt::print("{} graphs built in {:.1f} s, {:.0f} MB\n", graphs, MillisecondsSince(start) / 1000,
               static_cast<double>(fs::file_size(folder / "assay.db")) / 1e6);
    const Requests requests{tokens, graphs, "/api/runs/run"};
    ColdStart(folder, requests.run);
    const Served served(folder);
    Print("neuron page (3 requests), 1 client",
          Measure(served.port, 1, 200, [&](Rng& rng) { return requests.NeuronPage(rng); }), 100);
    Print(fmt::format("neuron page (3 requests), {} clients", kClients),
          Measure(served.port, kClients, 1600, [&](Rng& rng) { return requests.NeuronPage(rng); }),
          100);
    Print(fmt::format("search, {} clients", kClients),
          Measure(served.port, kClients, 1600,
                  [&](Rng& rng) { return std::vector{requests.Search(rng)}; }),
          200);
    Print(fmt::format("map of a layer, {} clients", kClients),
          Measure(served.port, kClients, 200,
                  [&](Rng& rng) {
                    return std::vector{fmt::format("{}/layers/{}", requests.run, rng.Below(24))};
                  }),
          1000);
    FlatMemory(served.port, requests, requests_to_send);
  } catch (const std::exception& error) {
    fmt::print(stderr, "{}\n", error.what());
    fs::remove_all(parent);
    return 1;
  }
  fs::remove_all(parent);
  return good ? 0 : 1;
}
