#include "data/synthetic_tissue.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "base/error.h"
#include "base/rng.h"
#include "data/value_noise.h"

namespace assay::data {
namespace {

using Vector = std::array<double, 3>;

// Stains and lamp of one patient.
struct Staining {
  Vector haematoxylin, eosin;  // optical density for red, green, blue at concentration 1
  double haematoxylin_strength = 1, eosin_strength = 1;
  Vector lamp;  // 0..255
};

double Between(base::Rng& rng, double low, double high) {
  return low + (high - low) * rng.Uniform();
}

Vector Tilted(const Vector& stain, double amount, base::Rng& rng) {
  Vector out;
  double norm = 0;
  for (size_t c = 0; c < 3; ++c) {
    out[c] = std::max(0.01, stain[c] + amount * rng.Normal());
    norm += out[c] * out[c];
  }
  for (double& value : out) value /= std::sqrt(norm);
  return out;
}

Staining StainingOf(const SynthesisOptions& options, int patient) {
  base::Rng rng(options.seed, "synthetic patient", static_cast<uint64_t>(patient));
  const double vary = options.stain_variation;
  Staining staining;
  staining.haematoxylin = Tilted({0.61, 0.70, 0.36}, 0.035 * vary, rng);
  staining.eosin = Tilted({0.14, 0.90, 0.41}, 0.035 * vary, rng);
  staining.haematoxylin_strength = std::exp(0.14 * vary * rng.Normal());
  staining.eosin_strength = std::exp(0.18 * vary * rng.Normal());
  const double light = 243 - 5 * vary * rng.Uniform();
  for (double& level : staining.lamp) level = light + 2.5 * vary * rng.Normal();
  return staining;
}

// The outline of a nucleus is a radius that varies with the angle.
struct Outline {
  double x = 0, y = 0, radius = 0, stretch = 1, turn = 0;
  std::array<double, 4> wave{}, phase{};  // of 2 to 5 bumps around it
  bool atypical = false;
  double depth = 1;      // amount of haematoxylin
  double vesicular = 0;  // how much paler the middle is than the rim
  double clumps = 0;     // contrast of the chromatin
  double nucleolus_x = 0, nucleolus_y = 0, nucleolus_radius = 0;
  uint64_t texture = 0;

  // Distance to the outline in pixels, positive inside, and the relative radius of the point.
  double Inside(double px, double py, double* relative) const {
    const double dx = px - x, dy = py - y;
    const double u = (dx * std::cos(turn) + dy * std::sin(turn)) / std::sqrt(stretch);
    const double v = (-dx * std::sin(turn) + dy * std::cos(turn)) * std::sqrt(stretch);
    const double r = std::hypot(u, v), angle = std::atan2(v, u);
    double edge = 1;
    for (size_t k = 0; k < wave.size(); ++k)
      edge += wave[k] * std::cos(static_cast<double>(k + 2) * angle + phase[k]);
    edge *= radius;
    *relative = r / edge;
    return edge - r;
  }
};

Outline DrawOutline(bool atypical, int size, base::Rng& rng) {
  Outline out{.atypical = atypical};
  out.x = Between(rng, -4, size + 4);
  out.y = Between(rng, -4, size + 4);
  out.turn = Between(rng, 0, std::numbers::pi);
  out.texture = rng.Next();
  for (size_t k = 0; k < out.wave.size(); ++k) out.phase[k] = Between(rng, 0, 6.28);
  if (atypical) {
    out.radius = Between(rng, 9, 13);
    out.stretch = Between(rng, 1.0, 1.45);
    for (size_t k = 0; k < out.wave.size(); ++k)
      out.wave[k] = 0.07 * rng.Normal() / std::sqrt(static_cast<double>(k + 1));
    out.depth = Between(rng, 0.75, 1.15);
    out.vesicular = Between(rng, 0.25, 0.6);
    out.clumps = Between(rng, 0.3, 0.55);
    out.nucleolus_radius = Between(rng, 1.6, 2.8);
    const double far = Between(rng, 0, 0.35) * out.radius, way = Between(rng, 0, 6.28);
    out.nucleolus_x = out.x + far * std::cos(way);
    out.nucleolus_y = out.y + far * std::sin(way);
  } else {
    out.radius = Between(rng, 5.5, 7.5);
    out.stretch = rng.Uniform() < 0.3 ? Between(rng, 1.8, 3.0) : Between(rng, 1.0, 1.4);
    for (double& wave : out.wave) wave = 0.015 * rng.Normal();
    out.depth = Between(rng, 1.05, 1.5);
    out.vesicular = Between(rng, 0, 0.12);
    out.clumps = Between(rng, 0.08, 0.2);
  }
  return out;
}

// Nuclei that keep their distance, as many as find room.
std::vector<Outline> DrawNuclei(int size, base::Rng& rng) {
  const bool malignant = rng.Uniform() < 0.5;
  const double share = malignant ? Between(rng, 0.45, 1.0) : Between(rng, 0, 0.35);
  const double crowding = Between(rng, 0.75, 1.25);
  const auto wanted =
      std::max(3, static_cast<int>(std::lround(11 * crowding * size * size / (96.0 * 96.0))));
  std::vector<Outline> nuclei;
  for (int i = 0, tries = 0; i < wanted && tries < 40 * wanted; ++tries) {
    const Outline next = DrawOutline((i + 0.5) / wanted < share, size, rng);
    const auto crowds = [&](const Outline& other) {
      const double reach =
          next.radius * std::sqrt(next.stretch) + other.radius * std::sqrt(other.stretch);
      return std::hypot(next.x - other.x, next.y - other.y) < 0.92 * reach;
    };
    if (std::any_of(nuclei.begin(), nuclei.end(), crowds)) continue;
    nuclei.push_back(next);
    ++i;
  }
  return nuclei;
}

// Concentrations of the two stains, [size * size].
struct Concentrations {
  std::vector<double> haematoxylin, eosin;
};

// Collagen: streaks along a direction that bends slowly, with gaps between bundles.
void AddStroma(int size, Concentrations& field, base::Rng& rng) {
  const ValueNoise bend(rng.Next()), fibre(rng.Next()), fine(rng.Next()), gap(rng.Next()),
      tone(rng.Next());
  const double direction = Between(rng, 0, std::numbers::pi), fibrous = Between(rng, 0.25, 0.6);
  const double openness = Between(rng, -0.1, 0.35), base_level = Between(rng, 0.32, 0.5);
  for (int y = 0; y < size; ++y) {
    for (int x = 0; x < size; ++x) {
      const double wx = x + 14 * bend.At(x / 40.0, y / 40.0);
      const double wy = y + 14 * bend.At(x / 40.0 + 50, y / 40.0 + 50);
      const double along = wx * std::cos(direction) + wy * std::sin(direction);
      const double across = -wx * std::sin(direction) + wy * std::cos(direction);
      const double streak = 1 - std::abs(fibre.Fractal(along / 42, across / 7, 3)) * 2;
      const double grain = fine.Fractal(along / 9, across / 2.2, 2);
      double level =
          base_level * (1 + fibrous * streak + 0.22 * grain + 0.25 * tone.At(x / 30.0, y / 30.0));
      // Gaps open where a slow field, drawn out along the fibres, is high.
      const double hole = gap.Fractal(along / 34, across / 13, 3) - 0.42 + openness * 0.5;
      level *= 1 - std::clamp(hole * 6, 0.0, 0.93);
      const auto i = static_cast<size_t>(y * size + x);
      field.eosin[i] = std::max(0.015, level);
      field.haematoxylin[i] = std::max(0.0, 0.035 + 0.05 * level + 0.02 * grain);
    }
  }
}

void AddCytoplasm(int size, const std::vector<Outline>& nuclei, Concentrations& field,
                  base::Rng& rng) {
  const ValueNoise texture(rng.Next());
  for (const Outline& nucleus : nuclei) {
    const double bluish = nucleus.atypical ? Between(rng, 0.10, 0.2) : Between(rng, 0.03, 0.1);
    const double pinkness = Between(rng, 0.38, 0.6);
    const double extent = nucleus.atypical ? Between(rng, 1.5, 2.0) : Between(rng, 1.4, 1.9);
    for (int y = 0; y < size; ++y) {
      for (int x = 0; x < size; ++x) {
        double relative = 0;
        nucleus.Inside(x, y, &relative);
        if (relative > 1.3 * extent) continue;
        const double within = 1 / (1 + std::exp((relative - extent) * 9));
        const double grain = 1 + 0.2 * texture.Fractal(x / 5.0, y / 5.0, 3);
        const auto i = static_cast<size_t>(y * size + x);
        field.eosin[i] += within * (pinkness * grain - field.eosin[i]) * 0.85;
        field.haematoxylin[i] += within * (bluish * grain - field.haematoxylin[i]) * 0.85;
      }
    }
  }
}

void AddNucleus(int size, const Outline& nucleus, uint16_t id, Concentrations& field,
                std::vector<uint16_t>& labels) {
  const ValueNoise chromatin(nucleus.texture);
  for (int y = 0; y < size; ++y) {
    for (int x = 0; x < size; ++x) {
      double relative = 0;
      const double inside = nucleus.Inside(x, y, &relative);
      if (inside < -1) continue;
      const double cover = std::clamp(inside / 1.4 + 0.5, 0.0, 1.0);
      const double rim = std::exp(-std::pow((1 - relative) * nucleus.radius / 1.6, 2));
      const double scale = nucleus.atypical ? 3.6 : 2.2;
      const double clumps = chromatin.Fractal(x / scale, y / scale, 3);
      double amount = nucleus.depth * (1 - nucleus.vesicular * (1 - relative * relative)) *
                          (1 + nucleus.clumps * 2 * clumps) +
                      (nucleus.atypical ? 0.3 : 0.12) * rim;
      double eosin = 0.16;
      if (nucleus.nucleolus_radius > 0) {
        const double far = std::hypot(x - nucleus.nucleolus_x, y - nucleus.nucleolus_y);
        const double dot = std::clamp(nucleus.nucleolus_radius - far + 0.5, 0.0, 1.0);
        amount += dot * 0.55;
        eosin += dot * 0.4;  // nucleoli are reddish
      }
      const auto i = static_cast<size_t>(y * size + x);
      field.haematoxylin[i] += cover * (std::max(0.15, amount) - field.haematoxylin[i]);
      field.eosin[i] += cover * (eosin - field.eosin[i]);
      if (inside > 0) labels[i] = id;
    }
  }
}

// Gaussian blur of one plane, edges repeated.
void Blur(std::vector<double>& plane, int size, double sigma) {
  const int reach = static_cast<int>(std::ceil(3 * sigma));
  std::vector<double> kernel;
  double sum = 0;
  for (int k = -reach; k <= reach; ++k) {
    kernel.push_back(std::exp(-k * k / (2 * sigma * sigma)));
    sum += kernel.back();
  }
  for (const bool along_x : {true, false}) {
    std::vector<double> out(plane.size(), 0);
    for (int y = 0; y < size; ++y) {
      for (int x = 0; x < size; ++x) {
        double value = 0;
        for (int k = -reach; k <= reach; ++k) {
          const int sx = along_x ? std::clamp(x + k, 0, size - 1) : x;
          const int sy = along_x ? y : std::clamp(y + k, 0, size - 1);
          value +=
              kernel[static_cast<size_t>(k + reach)] * plane[static_cast<size_t>(sy * size + sx)];
        }
        out[static_cast<size_t>(y * size + x)] = value / sum;
      }
    }
    plane = std::move(out);
  }
}

// Light through the stains, the lens and the sensor.
std::vector<uint8_t> Photograph(int size, const Concentrations& field, const Staining& staining,
                                base::Rng& rng) {
  const auto count = static_cast<size_t>(size * size);
  std::vector<uint8_t> pixels(3 * count);
  const double sigma = Between(rng, 0.6, 0.95);
  for (size_t c = 0; c < 3; ++c) {
    std::vector<double> light(count);
    for (size_t i = 0; i < count; ++i) {
      const double density =
          staining.haematoxylin[c] * staining.haematoxylin_strength * field.haematoxylin[i] +
          staining.eosin[c] * staining.eosin_strength * field.eosin[i];
      light[i] = staining.lamp[c] * std::pow(10, -0.72 * density);
    }
    Blur(light, size, sigma);
    for (size_t i = 0; i < count; ++i) {
      const double noisy = light[i] + 1.6 * rng.Normal();
      pixels[3 * i + c] = static_cast<uint8_t>(std::lround(std::clamp(noisy, 0.0, 255.0)));
    }
  }
  return pixels;
}

// 60% of the patients train, 20% val, 20% test; every split has one.
std::string SplitOf(int patient, int patients) {
  const int test = std::max(1, patients / 5), val = std::max(1, patients / 5);
  if (patient >= patients - test) return "test";
  return patient >= patients - test - val ? "val" : "train";
}

}  // namespace

SyntheticTile SynthesizeTile(const SynthesisOptions& options, int64_t index) {
  base::ValidateFields(options);
  const int size = options.size_px;
  const auto count = static_cast<size_t>(size) * static_cast<size_t>(size);
  const int patient = static_cast<int>(index % options.patients);
  base::Rng rng(options.seed, "synthetic tile", static_cast<uint64_t>(index));
  Concentrations field{std::vector<double>(count), std::vector<double>(count)};
  const std::vector<Outline> outlines = DrawNuclei(size, rng);
  AddStroma(size, field, rng);
  AddCytoplasm(size, outlines, field, rng);
  SyntheticTile out;
  out.labels.assign(count, 0);
  for (size_t i = 0; i < outlines.size(); ++i)
    AddNucleus(size, outlines[i], static_cast<uint16_t>(i + 1), field, out.labels);
  std::vector<int64_t> areas(outlines.size() + 1, 0);
  for (const uint16_t id : out.labels) ++areas[id];
  int64_t atypical = 0;
  for (size_t i = 0; i < outlines.size(); ++i) {
    if (areas[i + 1] == 0) continue;  // wholly outside the tile
    const Outline& from = outlines[i];
    out.nuclei.push_back({.id = static_cast<uint16_t>(i + 1),
                          .atypical = from.atypical,
                          .x_px = from.x,
                          .y_px = from.y,
                          .radius_px = from.radius,
                          .area_px = areas[i + 1]});
    atypical += from.atypical;
  }
  out.atypical_share = out.nuclei.empty()
                           ? 0
                           : static_cast<double>(atypical) / static_cast<double>(out.nuclei.size());
  out.tile.name = fmt::format("tiles/{:05}.png", index);
  out.tile.label = out.atypical_share >= kAtypicalShare ? 1 : 0;
  out.tile.patient = out.tile.slide = fmt::format("p{:03}", patient);
  out.tile.split = SplitOf(patient, options.patients);
  out.tile.height = out.tile.width = size;
  out.tile.pixels = Photograph(size, field, StainingOf(options, patient), rng);
  return out;
}

}  // namespace assay::data
