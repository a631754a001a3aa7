// Content hashes (XXH3) for manifests, de-duplication and random streams. Not for security.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

namespace assay::base {

uint64_t HashBytes(std::string_view bytes, uint64_t seed = 0);  // XXH3, 64 bit
std::string HashText(std::string_view bytes);                   // XXH3, 128 bit, 32 hex digits

// The 128-bit hash of a file's content, read in pieces. Throws kNotFound or kIo naming the file.
std::string HashFile(const std::filesystem::path& path);

}  // namespace assay::base
