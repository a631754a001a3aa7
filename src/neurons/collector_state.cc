// ExampleCollector's state on disk, for resuming: a plain dump of its fields. Read back only by the
// same build and options on the same machine (the caller checks that through the run's manifest).
#include <cstring>

#include "base/error.h"
#include "base/file.h"
#include "neurons/example_collector.h"

namespace assay::neurons {
namespace {

constexpr std::string_view kMagic = "assay collector 1\n";

class Writer {
 public:
  template <typename T>
  void Value(const T& value) {
    static_assert(std::is_trivially_copyable_v<T>);
    bytes_.append(reinterpret_cast<const char*>(&value), sizeof value);
  }
  template <typename T>
  void Values(const std::vector<T>& values) {
    Value(values.size());
    bytes_.append(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T));
  }
  void Text(const std::string& text) {
    Value(text.size());
    bytes_ += text;
  }
  void Sequence(const store::Sequence& sequence) {
    Value(sequence.id);
    Text(sequence.source);
    Value(sequence.document);
    Value(sequence.begin);
    Values(sequence.tokens);
  }
  std::string& bytes() { return bytes_; }

 private:
  std::string bytes_{kMagic};
};

class Reader {
 public:
  explicit Reader(const std::string& path) : path_(path), bytes_(base::ReadFile(path)) {
    if (!bytes_.starts_with(kMagic))
      base::Fail(base::ErrorKind::kBadInput, "{}: no collection checkpoint", path);
    at_ = kMagic.size();
  }
  template <typename T>
  void Value(T& value) {
    std::memcpy(&value, Take(sizeof value), sizeof value);
  }
  template <typename T>
  void Values(std::vector<T>& values) {
    const size_t count = Count(sizeof(T));
    values.resize(count);
    if (count > 0) std::memcpy(values.data(), Take(count * sizeof(T)), count * sizeof(T));
  }
  void Text(std::string& text) {
    const size_t count = Count(1);
    text.assign(Take(count), count);
  }
  void Sequence(store::Sequence& sequence) {
    Value(sequence.id);
    Text(sequence.source);
    Value(sequence.document);
    Value(sequence.begin);
    Values(sequence.tokens);
  }
  size_t Count(size_t size) {
    size_t count = 0;
    Value(count);
    if (count > (bytes_.size() - at_) / size) Short();
    return count;
  }
  void CheckEnd() const {
    if (at_ != bytes_.size())
      base::Fail(base::ErrorKind::kBadInput, "{}: longer than expected", path_);
  }

 private:
  const char* Take(size_t count) {
    if (count > bytes_.size() - at_) Short();
    at_ += count;
    return bytes_.data() + at_ - count;
  }
  [[noreturn]] void Short() const {
    base::Fail(base::ErrorKind::kBadInput, "{}: cut short; delete it to start the collection again",
               path_);
  }

  std::string path_, bytes_;
  size_t at_ = 0;
};

}  // namespace

void ExampleCollector::Save(const std::string& path) const {
  Writer out;
  out.Value(sequences_done_);
  out.Value(tokens_done_);
  out.Value(counted_tokens_);
  out.Values(totals_);
  for (const auto* units : {&top_, &bottom_}) {
    out.Value(units->size());
    for (const std::vector<Entry>& entries : *units) {
      out.Value(entries.size());
      for (const Entry& entry : entries) {
        out.Value(entry.activation);
        out.Value(entry.sequence);
        out.Value(entry.pivot);
        out.Values(entry.activations);
      }
    }
  }
  out.Value(sampled_.size());
  for (const Sampled& sampled : sampled_) {
    out.Value(sampled.priority);
    out.Sequence(sampled.sequence);
    out.Values(sampled.maximum);
    out.Values(sampled.argmax);
  }
  out.Value(sequences_.size());
  for (const auto& [id, kept] : sequences_) {
    out.Sequence(kept.sequence);
    out.Value(kept.uses);
  }
  base::WriteFile(path, out.bytes());
}

void ExampleCollector::Restore(const std::string& path) {
  Reader in(path);
  in.Value(sequences_done_);
  in.Value(tokens_done_);
  in.Value(counted_tokens_);
  const size_t units = totals_.size();
  in.Values(totals_);
  if (totals_.size() != units)
    base::Fail(base::ErrorKind::kBadInput, "{}: has {} neurons; the model has {}", path,
               totals_.size(), units);
  for (auto* kept_units : {&top_, &bottom_}) {
    if (in.Count(1) != kept_units->size())
      base::Fail(base::ErrorKind::kBadInput, "{}: was saved with another value of bottom", path);
    for (std::vector<Entry>& entries : *kept_units) {
      entries.resize(in.Count(1));
      for (Entry& entry : entries) {
        in.Value(entry.activation);
        in.Value(entry.sequence);
        in.Value(entry.pivot);
        in.Values(entry.activations);
      }
    }
  }
  sampled_.resize(in.Count(1));
  for (Sampled& sampled : sampled_) {
    in.Value(sampled.priority);
    in.Sequence(sampled.sequence);
    in.Values(sampled.maximum);
    in.Values(sampled.argmax);
  }
  for (size_t left = in.Count(1); left > 0; --left) {
    Kept kept;
    in.Sequence(kept.sequence);
    in.Value(kept.uses);
    sequences_[kept.sequence.id] = std::move(kept);
  }
  in.CheckEnd();
}

}  // namespace assay::neurons
