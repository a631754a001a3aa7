#include "neurons/unit_statistics.h"

#include "base/clones.h"

namespace assay::neurons {

void RowStatistics::Resize(size_t units) {
  for (auto* values : {&maximum, &minimum, &sum, &squares}) values->resize(units);
  for (auto* values : {&argmax, &argmin, &positive}) values->resize(units);
}

namespace {

struct Columns {
  float *maximum, *minimum, *sum, *squares;
  int32_t *argmax, *argmin, *positive;
};

ASSAY_CLONES void AddToken(const float* __restrict row, int64_t count, int32_t token, Columns out) {
  float* __restrict maximum = out.maximum;
  float* __restrict minimum = out.minimum;
  float* __restrict sum = out.sum;
  float* __restrict squares = out.squares;
  int32_t* __restrict argmax = out.argmax;
  int32_t* __restrict argmin = out.argmin;
  int32_t* __restrict positive = out.positive;
  for (int64_t u = 0; u < count; ++u) {
    const float value = row[u];
    argmax[u] = value > maximum[u] ? token : argmax[u];
    maximum[u] = value > maximum[u] ? value : maximum[u];
    argmin[u] = value < minimum[u] ? token : argmin[u];
    minimum[u] = value < minimum[u] ? value : minimum[u];
    sum[u] += value;
    squares[u] += value * value;
    positive[u] += value > 0 ? 1 : 0;
  }
}

}  // namespace

void ReduceRow(const float* activations, int64_t units, int64_t begin, int64_t tokens,
               int64_t first, int64_t last, size_t offset, RowStatistics& out) {
  const size_t at = offset + static_cast<size_t>(first);
  const Columns columns{out.maximum.data() + at, out.minimum.data() + at, out.sum.data() + at,
                        out.squares.data() + at, out.argmax.data() + at,  out.argmin.data() + at,
                        out.positive.data() + at};
  for (int64_t u = 0; u < last - first; ++u) {
    columns.maximum[u] = columns.minimum[u] = activations[begin * units + first + u];
    columns.argmax[u] = columns.argmin[u] = static_cast<int32_t>(begin);
    columns.sum[u] = columns.squares[u] = 0;
    columns.positive[u] = 0;
  }
  for (int64_t t = begin; t < tokens; ++t)
    AddToken(activations + t * units + first, last - first, static_cast<int32_t>(t), columns);
}

}  // namespace assay::neurons
