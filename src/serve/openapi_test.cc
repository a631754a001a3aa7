// docs/openapi.yaml and the routes of the program agree, both ways. The document is read by its
// indentation: paths stand two deep, methods four. (tests/serve_api_test.py reads it as YAML and
// holds the answers of a running server against its schemas.)
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cctype>
#include <set>
#include <sstream>

#include "base/file.h"
#include "serve/serve_testing.h"

namespace assay::serve {
namespace {

std::set<std::string> DocumentedRoutes(const std::string& text) {
  std::set<std::string> out;
  std::istringstream lines(text);
  bool in_paths = false;
  std::string path;
  for (std::string line; std::getline(lines, line);) {
    if (!line.empty() && line[0] != ' ' && line[0] != '#') in_paths = line == "paths:";
    if (!in_paths) continue;
    if (line.starts_with("  /")) path = line.substr(2, line.size() - 3);
    for (const char* method : {"get", "post", "put", "patch", "delete"}) {
      if (line != "    " + std::string(method) + ":") continue;
      std::string upper = method;
      std::transform(upper.begin(), upper.end(), upper.begin(),
                     [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
      out.insert(upper + " " + path);
    }
  }
  return out;
}

TEST(OpenApiTest, DocumentAndRoutesAgree) {
  Api api({});
  std::set<std::string> routes;
  for (const Route& route : api.router.routes()) {
    EXPECT_TRUE(routes.insert(route.method + " " + route.pattern).second) << route.pattern;
  }
  EXPECT_GT(routes.size(), 15u);
  EXPECT_EQ(DocumentedRoutes(base::ReadFile(ASSAY_SOURCE_DIR "/docs/openapi.yaml")), routes);
}

}  // namespace
}  // namespace assay::serve
