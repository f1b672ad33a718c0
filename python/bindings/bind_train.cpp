#include <atomic>

#include "common.hpp"
#include "conditions.hpp"
#include "network.hpp"
#include "scorefield/base/check.hpp"
#include "scorefield/engine/make_engine.hpp"
#include "scorefield/train/contrastive_divergence.hpp"
#include "scorefield/train/cross_entropy.hpp"
#include "scorefield/train/denoising.hpp"
#include "scorefield/train/energy_matching.hpp"
#include "scorefield/train/hybrid.hpp"
#include "scorefield/train/score_matching_gradcheck.hpp"
#include "scorefield/train/trainer.hpp"
#include "state.hpp"

namespace scorefield::bindings {
namespace {

/// A Python callable that may be copied and dropped without the lock.
std::shared_ptr<py::function> shared(py::function f) {
  return {new py::function(std::move(f)), [](py::function* p) {
            const py::gil_scoped_acquire gil;
            delete p;
          }};
}

Array<float> array(In<float> values) {
  Array<float> a = fresh<float>({values.rows(), values.cols()});
  writable(a) = values;
  return a;
}

WeightFunction weight_function(py::function f) {
  return [f = shared(std::move(f))](std::span<const double> t) {
    const py::gil_scoped_acquire gil;
    const auto weight = py::cast<Array<double>>((*f)(copied(t)));
    return std::vector<double>(weight.data(), weight.data() + weight.size());
  };
}

LossFunction loss_function(py::function f) {
  return [f = shared(std::move(f))](In<float> y, In<float> target, std::span<const double> t, std::span<double> value,
                                    Out<float> dy) {
    const py::gil_scoped_acquire gil;
    const auto [values, derivative] =
        py::cast<std::pair<Array<double>, Array<float>>>((*f)(array(y), array(target), copied(t)));
    require(values.size() == y.rows() && derivative.size() == y.size(),
            "a loss must return (value (n,), dvalue/dy like y)");
    std::copy_n(values.data(), values.size(), value.data());
    dy = view(derivative);
  };
}

std::shared_ptr<Denoising> denoising(std::shared_ptr<const Schedule> schedule, const std::string& prediction,
                                     std::variant<std::string, py::function> weight, const std::string& times) {
  DenoisingTarget target(std::move(schedule), parse_prediction(prediction));
  if (auto* name = std::get_if<std::string>(&weight)) {
    return std::make_shared<Denoising>(std::move(target), parse_weight(*name), parse_times(times));
  }
  return std::make_shared<Denoising>(std::move(target), weight_function(std::get<py::function>(std::move(weight))),
                                     parse_times(times));
}

std::shared_ptr<CustomLoss> custom_loss(std::shared_ptr<const Schedule> schedule, const std::string& prediction,
                                        py::function loss, const std::string& times) {
  return std::make_shared<CustomLoss>(DenoisingTarget(std::move(schedule), parse_prediction(prediction)),
                                      loss_function(std::move(loss)), parse_times(times));
}

/// A trainer with the arrays that it borrows. One call at a time.
class PyTrainer {
 public:
  using Labels = std::optional<Array<std::int64_t>>;
  using Floats = std::optional<Array<float>>;

  PyTrainer(const Network& network, const std::string& engine, const Array<float>& theta,
            std::shared_ptr<const Objective> objective, const TrainingRecipe& recipe)
      : trainer_(make_engine(network.plan, engine), {theta.data(), static_cast<std::size_t>(theta.size())},
                 std::move(objective), recipe) {}

  void set_data(Array<float> x, Labels labels, Floats condition, Floats text_ids, Floats noise,
                std::optional<Array<double>> sample_weight, double condition_noise) {
    const Busy busy(*this);
    const TrainingData data{view(x), conditions(labels, condition, text_ids),
                            noise ? view(*noise) : InMap<float>{nullptr, 0, 0}, condition_noise};
    std::span<const double> weights;
    if (sample_weight) weights = {sample_weight->data(), static_cast<std::size_t>(sample_weight->size())};
    trainer_.set_data(data, weights);
    held_ = py::make_tuple(x, labels, condition, text_ids, noise);
  }

  py::tuple run(Index steps) {
    const Busy busy(*this);
    require(steps >= 0, "steps must be >= 0, got ", steps);
    report_ = {};
    {
      const py::gil_scoped_release nogil;
      trainer_.run(steps, Interrupt(signal_poll()), report_);
    }
    return report();
  }

  py::tuple report() const {
    return py::make_tuple(copied(std::span(report_.loss)), copied(std::span(report_.grad_norm)));
  }

  py::tuple evaluate(const Array<float>& x, const Labels& labels, const Floats& condition, const Floats& text_ids,
                     Index bins, std::uint64_t seed, bool average) {
    const Busy busy(*this);
    const TrainingData data{view(x), conditions(labels, condition, text_ids)};
    HeldOut held;
    {
      const py::gil_scoped_release nogil;
      held = trainer_.evaluate(data, bins, seed, average, Interrupt(signal_poll()));
    }
    return py::make_tuple(held.loss, copied(std::span(held.bands)));
  }

  std::uint64_t step() const { return trainer_.step(); }
  Index shards() const { return trainer_.shards(); }
  Array<float> theta() const { return copied(trainer_.theta()); }
  Array<float> average() const { return copied(trainer_.average()); }
  py::dict state() { return to_dict(trainer_.state()); }
  void restore(std::uint64_t step, const Array<float>& theta, const py::dict& state) {
    const Busy busy(*this);
    require(theta.size() == static_cast<py::ssize_t>(trainer_.theta().size()), "the network has ",
            trainer_.theta().size(), " parameters, got theta of ", theta.size());
    from_dict(state, trainer_.state());
    trainer_.restore(step, {theta.data(), static_cast<std::size_t>(theta.size())});
  }
  std::uint64_t snapshot() {
    const Busy busy(*this);
    trainer_.snapshot();
    return trainer_.step();
  }
  std::uint64_t rollback() {
    const Busy busy(*this);
    trainer_.rollback();
    return trainer_.step();
  }

 private:
  /// Marks a call under way: another thread, or a user's loss, must not change what it works on.
  class Busy {
   public:
    explicit Busy(PyTrainer& owner) : owner_(owner) {
      if (owner_.busy_.exchange(true)) throw std::runtime_error("this model is being trained by another call");
    }
    ~Busy() { owner_.busy_ = false; }
    Busy(const Busy&) = delete;
    Busy& operator=(const Busy&) = delete;

   private:
    PyTrainer& owner_;
  };

  Trainer trainer_;
  Trainer::Report report_;
  py::object held_;  // the arrays of set_data
  std::atomic<bool> busy_ = false;
};

void register_objectives(py::module_& m) {
  py::class_<Objective, std::shared_ptr<Objective>>(m, "Objective");
  py::enum_<Trace>(m, "Trace")
      .value("exact", Trace::exact)
      .value("rademacher", Trace::rademacher)
      .value("gaussian", Trace::gaussian);
  py::class_<Hybrid, Objective, std::shared_ptr<Hybrid>>(m, "Hybrid")
      .def(py::init([](std::shared_ptr<const Schedule> schedule, const std::string& prediction, double vlb,
                       Index channels, const std::string& times) {
             return std::make_shared<Hybrid>(DenoisingTarget(std::move(schedule), parse_prediction(prediction)), vlb,
                                             channels, parse_times(times));
           }),
           py::arg("schedule"), py::arg("prediction"), py::arg("vlb"), py::arg("channels"), py::arg("times"));
  py::class_<Denoising, Objective, std::shared_ptr<Denoising>>(m, "Denoising")
      .def(py::init(&denoising), py::arg("schedule"), py::arg("prediction"), py::arg("weight") = "simple",
           py::arg("times") = "uniform");
  py::class_<CustomLoss, Objective, std::shared_ptr<CustomLoss>>(m, "PythonLoss")
      .def(py::init(&custom_loss), py::arg("schedule"), py::arg("prediction"), py::arg("loss"),
           py::arg("times") = "uniform");
  py::class_<CrossEntropy, Objective, std::shared_ptr<CrossEntropy>>(m, "CrossEntropy")
      .def(py::init([](std::shared_ptr<const Schedule> schedule, const std::string& times) {
             return std::make_shared<CrossEntropy>(std::move(schedule), parse_times(times));
           }),
           py::arg("schedule") = py::none(), py::arg("times") = "uniform");
  py::class_<ScoreMatching, Objective, std::shared_ptr<ScoreMatching>>(m, "ScoreMatching")
      .def(py::init([](std::shared_ptr<const Schedule> schedule, const std::string& prediction, Trace trace,
                       Index probes, const std::string& times) {
             return std::make_shared<ScoreMatching>(std::move(schedule), parse_prediction(prediction), trace, probes,
                                                    parse_times(times));
           }),
           py::arg("schedule"), py::arg("prediction"), py::arg("trace"), py::arg("probes") = 1,
           py::arg("times") = "uniform");
  py::class_<EnergyMatching, Objective, std::shared_ptr<EnergyMatching>>(m, "EnergyMatching")
      .def(py::init([](std::shared_ptr<const Schedule> schedule, const std::string& weight, const std::string& times) {
             return std::make_shared<EnergyMatching>(std::move(schedule), parse_weight(weight), parse_times(times));
           }),
           py::arg("schedule"), py::arg("weight") = "simple", py::arg("times") = "uniform");
  py::class_<ContrastiveDivergence, Objective, std::shared_ptr<ContrastiveDivergence>>(m, "ContrastiveDivergence")
      .def(py::init([](std::shared_ptr<const Schedule> schedule, Index steps, double step_size) {
             return std::make_shared<ContrastiveDivergence>(std::move(schedule), ShortChain{steps, step_size});
           }),
           py::arg("schedule"), py::arg("steps"), py::arg("step_size"));
  m.def("gradcheck_score_matching", &gradcheck_score_matching, py::arg("trace"), py::arg("probes"), py::arg("seed"));
}

}  // namespace

void register_train(py::module_& m) {
  register_objectives(m);
  py::class_<PyTrainer>(m, "Trainer")
      .def(py::init([](const Network& network, const std::string& engine, const Array<float>& theta,
                       std::shared_ptr<const Objective> objective, const OptimizerRecipe& optimizer, double ema,
                       std::uint64_t seed, Index batch_size, Index shards, double p_uncond) {
             return std::make_unique<PyTrainer>(network, engine, theta, std::move(objective),
                                                TrainingRecipe{optimizer, ema, seed, batch_size, shards, p_uncond});
           }),
           py::arg("network"), py::arg("engine"), py::arg("theta").noconvert(), py::arg("objective"),
           py::arg("optimizer"), py::kw_only(), py::arg("ema") = 0.999, py::arg("seed") = 0,
           py::arg("batch_size") = 128, py::arg("shards") = 0, py::arg("p_uncond") = 0.0)
      .def("set_data", &PyTrainer::set_data, py::arg("x").noconvert(), py::arg("labels").noconvert() = py::none(),
           py::arg("condition").noconvert() = py::none(), py::arg("text_ids").noconvert() = py::none(),
           py::arg("noise").noconvert() = py::none(), py::arg("sample_weight").noconvert() = py::none(),
           py::arg("condition_noise") = 0.0)
      .def("run", &PyTrainer::run, py::arg("steps"))
      .def("evaluate", &PyTrainer::evaluate, py::arg("x").noconvert(), py::arg("labels").noconvert() = py::none(),
           py::arg("condition").noconvert() = py::none(), py::arg("text_ids").noconvert() = py::none(), py::kw_only(),
           py::arg("bins") = 10, py::arg("seed") = 0, py::arg("average") = true)
      .def("state", &PyTrainer::state)
      .def("restore", &PyTrainer::restore, py::arg("step"), py::arg("theta").noconvert(), py::arg("state"))
      .def("snapshot", &PyTrainer::snapshot)
      .def("rollback", &PyTrainer::rollback)
      .def_property_readonly("report", &PyTrainer::report)
      .def_property_readonly("step", &PyTrainer::step)
      .def_property_readonly("shards", &PyTrainer::shards)
      .def_property_readonly("theta", &PyTrainer::theta)
      .def_property_readonly("ema", &PyTrainer::average);
}

}  // namespace scorefield::bindings
