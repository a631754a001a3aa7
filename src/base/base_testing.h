// For tests of every folder: a folder for a test's files that goes away, and caught errors.
#pragma once

#include <gtest/gtest.h>
#include <stdlib.h>

#include <exception>
#include <filesystem>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>

#include "base/error.h"
#include "base/file.h"

namespace assay::base {

class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::string name = (std::filesystem::temp_directory_path() / "assay_test_XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error("mkdtemp failed");
    path_ = name;
  }
  ~TemporaryFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;

  // Writes the file (its folders too) and returns its path.
  std::filesystem::path Write(const std::string& name, std::string_view bytes) const {
    WriteFile(path_ / name, bytes);
    return path_ / name;
  }
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

// What `action` throws; fails the test when it throws nothing or something else.
template <typename Action>
Error ErrorOf(Action&& action) {
  try {
    action();
  } catch (const Error& error) {
    return error;
  } catch (const std::exception& error) {
    ADD_FAILURE() << "expected base::Error, got " << error.what();
    return {ErrorKind::kInternal, "not a base::Error"};
  }
  ADD_FAILURE() << "expected an error, none came";
  return {ErrorKind::kInternal, "no error"};
}

}  // namespace assay::base
