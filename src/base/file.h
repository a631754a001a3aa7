// Whole-file reading, and writing that never leaves a half-written file behind.
#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

namespace assay::base {

// The bytes of the file. Throws kNotFound if it does not exist or is not a regular file, kIo if
// reading fails.
std::string ReadFile(const std::filesystem::path& path);

// The parsed JSON of the file. Also throws kBadInput naming the file and the place of the syntax
// error.
nlohmann::json ReadJson(const std::filesystem::path& path);

// Writes to a temporary file beside `path`, syncs it, and renames it over `path`: readers see the
// old or the new content, never a part. Creates missing parent folders. Throws kIo naming the file
// and the system's reason.
void WriteFile(const std::filesystem::path& path, std::string_view bytes);

// Whether the bytes are well-formed UTF-8 (no overlong forms, no surrogates, nothing above
// U+10FFFF).
bool IsUtf8(std::string_view bytes);

}  // namespace assay::base
