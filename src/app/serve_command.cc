// `assay serve`: the page and the API over one or several runs.
#include <fmt/core.h>

#include <csignal>
#include <filesystem>
#include <memory>
#include <thread>

#include "app/commands.h"
#include "app/loaded_model.h"
#include "app/machine.h"
#include "app/option_binding.h"
#include "app/served_models.h"
#include "serve/server.h"
#include "serve/service.h"

namespace assay::app {
namespace {

namespace fs = std::filesystem;

struct ServeArguments {
  std::vector<std::string> runs;
  std::string page, model, device = "cpu", dtype = "float32";
  serve::ServerOptions server;
};

// Where the built page is: beside an installed program, or in the build folder.
std::optional<fs::path> PageFolder() {
  std::error_code absent;
  const fs::path program = fs::read_symlink("/proc/self/exe", absent).parent_path();
  for (const fs::path& folder : {program / "../share/assay/page", program / "../../web/dist"}) {
    if (fs::exists(folder / "index.html")) return folder.lexically_normal();
  }
  return std::nullopt;
}

std::map<std::string, serve::Asset> LoadPage(const std::string& given) {
  const auto folder = given.empty() ? PageFolder() : std::optional<fs::path>(given);
  if (folder) return serve::LoadAssets(*folder);
  fmt::print(stderr,
             "warning: the page was not built (it needs node and npm); only the API answers\n");
  return {};
}

void RunServe(const ServeArguments& arguments) {
  // Before any thread starts, so that all of them inherit it and only this one sees the signals.
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  const std::vector<fs::path> folders(arguments.runs.begin(), arguments.runs.end());
  serve::Service service(serve::OpenRuns(folders),
                         ServedModels(arguments.model, arguments.device, arguments.dtype));
  const serve::Router router = serve::MakeRouter(service);
  serve::Server server(arguments.server, router, LoadPage(arguments.page));
  const int port = server.Bind();
  const std::string& host = arguments.server.host;
  fmt::print("http://{}:{}/\n", host.find(':') == std::string::npos ? host : "[" + host + "]",
             port);
  fmt::print("{} run{}; Ctrl-C ends\n", folders.size(), folders.size() == 1 ? "" : "s");
  std::fflush(stdout);
  std::thread serving([&server] { server.Run(); });
  int received = 0;
  sigwait(&signals, &received);
  server.Stop();
  serving.join();
}

}  // namespace

void AddServe(CLI::App& app) {
  auto arguments = std::make_shared<ServeArguments>();
  CLI::App* command =
      app.add_subcommand("serve", "Explore runs in a browser: a local page and its HTTP API");
  command->add_option("runs", arguments->runs, "run folders")->required();
  command->add_option("--page", arguments->page, "folder of the built page; absent: the installed");
  command->add_option("--model", arguments->model,
                      "model folder; absent: the one each run was collected with");
  command->add_option(
      "--name", arguments->server.names,
      "further host name that the server answers to, without the port (with --host)");
  AddDeviceOptions(*command, arguments->device, arguments->dtype);
  BindOptions(*command, arguments->server, "Server");
  command->callback([arguments] { RunServe(*arguments); });
}

}  // namespace assay::app
