// SHA-256 (OpenSSL), as others state it of files that they publish. For anything of our own,
// base/hash.h is faster.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

namespace assay::base {

std::string Sha256OfText(std::string_view bytes);  // 64 hex digits
// Throws kNotFound or kIo naming the file.
std::string Sha256OfFile(const std::filesystem::path& path);

}  // namespace assay::base
