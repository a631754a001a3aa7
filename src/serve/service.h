// What the routes share: the runs, the jobs, and what the program that holds the models can do for
// them. Route files add their part of the API to a Router. Thread-safe as its parts are.
#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "serve/job_queue.h"
#include "serve/router.h"
#include "serve/served_run.h"

namespace assay::serve {

// What a kind of job does. `parameters` is the request's, a JSON object.
struct JobKind {
  // Whether the job can be asked for in a run at all. Null: in every run.
  std::function<bool(const ServedRun& run)> offered;
  // Throws kUsage or kNotFound for parameters that cannot be, before the job waits. Null: none are
  // refused early.
  std::function<void(const ServedRun& run, const Json& parameters)> check;
  // Called by the job worker; what it returns is the job's result.
  std::function<Json(const ServedRun& run, const Json& parameters, const JobContext& job)> work;
};

// Work that needs a model. `serve` knows none: the program registers it.
struct ModelWork {
  // POST .../try: see docs/openapi.yaml. Called from several threads. Null: there is none.
  std::function<Json(const ServedRun& run, const Json& request)> try_text;
  // A PNG of the image patches that a unit fires on, a cluster or all; see docs/openapi.yaml.
  // Called from several threads. Null: there is none.
  std::function<std::string(const ServedRun& run, base::UnitId unit, std::optional<int> cluster)>
      sheet;
  // What the job "evaluate" can do in a robustness run; see docs/openapi.yaml. Null: nothing.
  std::function<Json(const ServedRun& run)> evaluations;
  std::map<std::string, JobKind> jobs;  // by name: "graph", "evaluate"
};

class Service {
 public:
  Service(std::vector<std::unique_ptr<ServedRun>> runs, ModelWork work)
      : runs_(std::move(runs)), work_(std::move(work)) {}

  const std::vector<std::unique_ptr<ServedRun>>& runs() const { return runs_; }
  const ServedRun& Run(const std::string& name) const;  // throws kNotFound
  const ModelWork& work() const { return work_; }
  JobQueue& jobs() { return jobs_; }
  std::mutex& answers_mutex() { return answers_mutex_; }  // of the files with study answers

 private:
  std::vector<std::unique_ptr<ServedRun>> runs_;
  ModelWork work_;
  std::mutex answers_mutex_;
  JobQueue jobs_;  // last: ends before what its jobs use
};

// `service` is borrowed for the life of the router.
void AddRunRoutes(Router& router, Service& service);     // runs, overview, maps
void AddNeuronRoutes(Router& router, Service& service);  // one neuron, search, similar
void AddWorkRoutes(Router& router, Service& service);    // try it, jobs
void AddImageRoutes(Router& router, Service& service);   // robustness reports and their pictures
void AddStudyRoutes(Router& router, Service& service);   // the forced-choice task over neurons
void AddPairRoutes(Router& router, Service& service);    // the forced-choice task over pictures

Router MakeRouter(Service& service);

}  // namespace assay::serve
