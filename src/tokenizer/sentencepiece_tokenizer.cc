#include "tokenizer/sentencepiece_tokenizer.h"

#include <dlfcn.h>

#include <filesystem>
#include <vector>

#include "base/error.h"

// libsentencepiece exports the symbols of the protocol buffers it bundles. In one process with
// libtorch, which uses another version of the same library, either would call the other's functions
// and crash at start-up. So the library is loaded only when a tokenizer.model is read, with its own
// symbols first and out of everybody else's sight.

namespace assay::tokenizer {
namespace {

namespace fs = std::filesystem;
using Make = Tokenizer* (*)(const std::string_view*, const std::string_view*,
                            const TokenizerConfig*);

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define ASSAY_ADDRESS_SANITIZER  // clang's way of saying it
#endif
#endif

#if defined(__SANITIZE_ADDRESS__) || defined(ASSAY_ADDRESS_SANITIZER)
constexpr int kLoadFlags = RTLD_NOW | RTLD_LOCAL;  // the sanitizer refuses RTLD_DEEPBIND
#else
constexpr int kLoadFlags = RTLD_NOW | RTLD_LOCAL | RTLD_DEEPBIND;
#endif

Make LoadPlugin() {
  const fs::path name = "libassay_sentencepiece.so";
  std::vector<fs::path> places;
  std::error_code code;
  const fs::path program = fs::read_symlink("/proc/self/exe", code);
  if (!code) places.push_back(program.parent_path() / ".." / "lib" / "assay" / name);
  places.push_back(fs::path(ASSAY_BUILD_DIR) / name);
  std::string reasons;
  for (const fs::path& place : places) {
    if (void* library = ::dlopen(place.c_str(), kLoadFlags)) {
      if (void* symbol = ::dlsym(library, "assay_make_sentencepiece_tokenizer")) {
        return reinterpret_cast<Make>(symbol);
      }
    }
    const char* reason = ::dlerror();
    reasons += fmt::format("\n  {}: {}", place.string(), reason != nullptr ? reason : "no symbol");
  }
  base::Fail(base::ErrorKind::kUnsupported, "the SentencePiece part of Assay cannot be loaded:{}",
             reasons);
}

}  // namespace

std::unique_ptr<Tokenizer> MakeSentencePieceTokenizer(std::string_view model, std::string_view file,
                                                      const TokenizerConfig& config) {
  static const Make make = LoadPlugin();
  return std::unique_ptr<Tokenizer>(make(&model, &file, &config));
}

}  // namespace assay::tokenizer
