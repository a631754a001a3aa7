// Attacks on image classifiers: the smallest or the worst change, within a budget per image, that
// an optimiser finds. Every attack has this one interface; MakeAttack makes them by name.
//
// No statistic crosses images: budgets, step sizes and random streams belong to the image (a stream
// is named by the image's content), so how images are batched does not matter beyond the rounding
// of the model's own arithmetic. Attacks are immutable and as thread-safe as the model.
#pragma once

#include <ATen/core/Tensor.h>

#include <memory>
#include <string>
#include <vector>

#include "base/options.h"
#include "measure/criterion.h"
#include "measure/distance.h"
#include "model/image_classifier.h"
#include "robustness/parameter_space.h"

namespace assay::robustness {

using measure::Norm;
using measure::Objective;

struct AttackInput {
  at::Tensor images;   // [B, C, H, W] float32 in [0, 1]
  at::Tensor labels;   // [B] int64
  at::Tensor targets;  // [B] int64; undefined: any wrong class will do
  at::Tensor budget;   // [B] float64 per image; undefined: the attack's own for all
  // Targets steer a targeted objective, but any wrong class counts as fooled.
  bool any_wrong_class = false;
};

// What an attack cost: images that went through the model, one by one.
struct ModelCalls {
  int64_t forwards = 0;
  int64_t backwards = 0;
  double seconds = 0;  // spent in them
  ModelCalls& operator+=(const ModelCalls& other);
};

// Signs that an attack did not work as it should, and robustness is therefore not shown.
struct AttackHealth {
  int64_t images = 0;         // that were attacked
  int64_t zero_gradient = 0;  // whose gradient was zero everywhere at some step
  int64_t flat_loss = 0;      // still right, and whose loss never rose above the clean one
  int64_t still_rising =
      0;  // still right, and whose loss still rose in the last tenth of the steps
  bool search_beats_gradient = false;  // set by ensembles: a search fooled what gradients did not
  bool no_gradients = false;  // set by ensembles: the classifier gives none, the search was alone
  std::vector<std::string> Flags() const;  // in words; empty when all is well
  AttackHealth& operator+=(const AttackHealth& other);
};

// States after each step of an attack that was asked for them.
struct Trajectory {
  std::vector<at::Tensor> images;  // [steps] of [B, C, H, W]
  std::vector<at::Tensor> logits;  // [steps] of [B, K]
  std::vector<at::Tensor> loss;    // [steps] of [B] float64, the objective
};

struct AttackResult {
  at::Tensor images;      // [B, C, H, W], in [0, 1]
  at::Tensor parameters;  // [B, ...] of the space that gave them
  at::Tensor logits;      // [B, K] on `images`
  at::Tensor loss;        // [B] float64, the objective on `images`
  at::Tensor fooled;      // [B] bool; true as well for images that were wrong from the start
  at::Tensor distance;    // [B] float64: of the parameters from the identity, in the attack's norm
  Trajectory trajectory;
  ModelCalls calls;
  AttackHealth health;
};

class Attack {
 public:
  virtual ~Attack() = default;
  virtual std::string name() const = 0;
  // Throws kBadInput when shapes, values or labels do not fit the model, when the model's logits
  // are not finite, or when it is not differentiable and the attack needs gradients.
  virtual AttackResult Run(const model::ImageClassifier& model, const AttackInput& input) const = 0;
};

struct AttackOptions {
  std::string attack = "pgd";
  std::string objective = "cross-entropy";
  std::string norm = "linf";
  double epsilon = 2.0 / 255;          // budget, in `norm`, of the parameters (pixels in [0, 1])
  double step = 0;                     // 0: 2.5 epsilon / steps; fgsm: epsilon
  int steps = 0;                       // 0: the attack's own, DefaultSteps
  std::string optimizer = "steepest";  // of pgd
  bool random_start = true;            // of pgd and apgd, else from the identity
  int restarts = 1;                    // random starts; images already fooled take part in none
  int draws = 10;                      // of search
  double give_up = 0;                  // of search: standard deviations
  int queries = 1000;                  // of square
  bool last_iterate = false;           // return the last state, not the best; nothing leaves early
  bool early_stop = true;              // images leave once fooled
  bool keep_trajectory = false;        // of fgsm, pgd and apgd
  uint64_t seed = 0;

  static std::vector<std::string> AttackNames();
  template <typename Visitor>
  void VisitFields(Visitor&& visit) {
    visit("attack", attack, "name of the attack", base::OneOf(AttackNames()));
    visit("objective", objective, "what is raised", base::OneOf(measure::ObjectiveNames()));
    visit("norm", norm, "in which budget and distance are measured",
          base::OneOf(measure::NormNames()));
    visit("epsilon", epsilon, "budget per image; of the least-distance attacks the largest tried",
          base::Between(0, 1e9));
    visit("step", step, "step size; 0: from budget and steps", base::Between(0, 1e9));
    visit("steps", steps, "gradient steps, or refinements of the search; 0: the attack's own",
          base::Between(0, 1e6));
    visit("optimizer", optimizer, "how a gradient becomes a step of pgd",
          base::OneOf({"steepest", "sign", "rmsprop", "adam"}));
    visit("random-start", random_start, "start at random within the budget");
    visit("restarts", restarts, "independent starts", base::Between(1, 1e6));
    visit("draws", draws, "random draws of the search", base::Between(0, 1e6));
    visit("give-up", give_up,
          "of search: after five draws, images leave whose answers came no closer to fooling than "
          "this many of their standard deviations; 0: never",
          base::Between(0, 1e6));
    visit("queries", queries, "model calls an image of square", base::Between(1, 1e9));
    visit("last-iterate", last_iterate, "return the last state, not the best");
    visit("early-stop", early_stop, "images leave once fooled");
    visit("seed", seed, "of every random draw");
  }
};
// fgsm 1, pgd 40, apgd and ensemble 100, search 50, deepfool 50, ddn 200, bisection 40 a probe.
int DefaultSteps(const std::string& attack);

// "fgsm", "pgd", "apgd", "square", "search", "ensemble" raise the objective within the budget;
// "deepfool", "ddn", "bisection" look for the least distance that fools. FGSM always returns its
// one step. Throws kUsage for options that are out of range or do not go together.
std::unique_ptr<Attack> MakeAttack(const AttackOptions& options,
                                   std::shared_ptr<const ParameterSpace> space);
std::unique_ptr<Attack> MakeAttack(const AttackOptions& options);  // on pixels

}  // namespace assay::robustness
