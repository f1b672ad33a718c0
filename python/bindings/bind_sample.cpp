#include <atomic>
#include <limits>

#include "common.hpp"
#include "scorefield/base/check.hpp"
#include "scorefield/sample/sampler.hpp"

namespace scorefield::bindings {

void register_samplers(py::module_& m);             // bind_samplers.cpp
void register_stochastic_samplers(py::module_& m);  // bind_stochastic.cpp

namespace {

using Doubles = Array<double>;

Doubles copy(In<double> x) {
  Doubles out = fresh<double>({x.rows(), x.cols()});
  writable(out) = x;
  return out;
}

/// A Step for a sampler written in Python. It borrows the step, so it answers only while that step runs.
class StepView {
 public:
  StepView(const Step& k, In<double> x) : k_(&k), x_(copy(x)) {}
  void close() { k_ = nullptr; }
  const Step& k() const {
    require(k_ != nullptr, "a step can be read only while step(k) runs");
    return *k_;
  }
  Doubles x() const { return x_; }
  Doubles denoise(const Doubles& x, double t) const { return ask(x, t, &Step::denoise); }
  Doubles score(const Doubles& x, double t) const { return ask(x, t, &Step::score); }
  Doubles noise(std::uint32_t draw) const { return copy(k().z(view(x_), draw)); }
  py::list past() const {
    py::list out;
    for (const Evaluation& e : k().past) out.append(py::make_tuple(e.at.t, copy(e.x0)));
    return out;
  }
  py::list past_eps() const {
    py::list out;
    for (const Evaluation& e : k().past) out.append(copy(eps_hat(e.x, e.x0, e.at)));
    return out;
  }

 private:
  Doubles ask(const Doubles& x, double t, Matrix<double> (Step::*question)(In<double>, const Level&) const) const {
    require(x.size() == x_.size(), "expected ", x_.size(), " numbers, got ", x.size());
    Matrix<double> answer;
    {
      const py::gil_scoped_release nogil;
      answer = (k().*question)(InMap<double>(x.data(), x_.shape(0), x_.shape(1)), k().schedule.at(t));
    }
    return copy(answer);
  }
  const Step* k_;
  Doubles x_;
};

/// A sampler written in Python: step(StepView) -> x_s (n, D) float64.
class PythonSampler final : public Sampler {
 public:
  PythonSampler(py::object step, int order, bool stochastic, std::size_t history)
      : step_(kept(std::move(step))), order_(order), stochastic_(stochastic), history_(history) {}
  void step(const Step& k, Out<double> x) const override {
    const py::gil_scoped_acquire gil;
    const auto seen = std::make_shared<StepView>(k, x);
    struct Closer {
      StepView& view;
      ~Closer() { view.close(); }
    } const closer{*seen};
    const auto out = py::cast<Doubles>((*step_)(seen));
    require(out.size() == x.size(), "step must return ", x.size(), " numbers, got ", out.size());
    x = InMap<double>(out.data(), x.rows(), x.cols());
  }
  int order() const override { return order_; }
  bool stochastic() const override { return stochastic_; }
  std::size_t history() const override { return history_; }
  bool remembers_x() const override { return history_ > 0; }

 private:
  std::shared_ptr<py::object> step_;
  int order_;
  bool stochastic_;
  std::size_t history_;
};

/// The same answers, counted.
class CountingDenoiser final : public Denoiser {
 public:
  explicit CountingDenoiser(std::shared_ptr<Denoiser> inner) : inner_(std::move(inner)) {}
  Index dimension() const override { return inner_->dimension(); }
  void denoise(In<double> x, Levels t, Index first, Out<double> x0) const override {
    ++calls_;
    inner_->denoise(x, t, first, x0);
  }
  void score(In<double> x, Levels t, Index first, Out<double> s) const override {
    ++calls_;
    inner_->score(x, t, first, s);
  }
  Index calls() const { return calls_; }

 private:
  std::shared_ptr<Denoiser> inner_;
  mutable std::atomic<Index> calls_ = 0;
};

/// A run that Python can pause between steps. x (n, D) is written in place.
class PausableRun {
 public:
  PausableRun(std::shared_ptr<Sampler> sampler, std::shared_ptr<Denoiser> denoiser, std::shared_ptr<Schedule> schedule,
              const Doubles& times, Doubles x, std::uint64_t seed, Index start)
      : sampler_(std::move(sampler)),
        denoiser_(std::move(denoiser)),
        schedule_(std::move(schedule)),
        x_(std::move(x)),
        sampling_(*sampler_, *denoiser_, *schedule_, {times.data(), static_cast<std::size_t>(times.size())},
                  {Noise(seed, Stream::sampler), start, nullptr, nullptr}) {}

  /// At most `steps` more steps, and none begun after `seconds`; signals are asked for between them.
  void advance(Index steps, double seconds) {
    OutMap<double> x = writable(x_);
    const py::gil_scoped_release nogil;
    const Interrupt interrupt(signal_poll());
    const auto begin = std::chrono::steady_clock::now();
    const auto late = [&] {
      return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count() > seconds;
    };
    for (bool first = true; steps > 0 && !sampling_.done() && (first || !late()); --steps, first = false) {
      interrupt.check();
      sampling_.next(x);
    }
  }
  const Sampling& sampling() const { return sampling_; }
  std::optional<Doubles> x0() const {
    if (sampling_.latest().x0.size() == 0) return std::nullopt;
    return copy(sampling_.latest().x0);
  }
  /// Accepted proposals of each row so far, (n,).
  std::optional<Doubles> accepted() const {
    if (sampling_.accepted().size() == 0) return std::nullopt;
    Doubles out = fresh<double>({sampling_.accepted().rows()});
    writable(out) = sampling_.accepted();
    return out;
  }

 private:
  std::shared_ptr<Sampler> sampler_;
  std::shared_ptr<Denoiser> denoiser_;
  std::shared_ptr<Schedule> schedule_;
  Doubles x_;
  Sampling sampling_;
};

void register_python_sampler(py::module_& m) {
  py::class_<StepView, std::shared_ptr<StepView>>(m, "Step")
      .def_property_readonly("x", &StepView::x)
      .def_property_readonly("t", [](const StepView& v) { return v.k().t.t; })
      .def_property_readonly("s", [](const StepView& v) { return v.k().s.t; })
      .def_property_readonly("steps_left", [](const StepView& v) { return v.k().steps_left; })
      .def_property_readonly("past", &StepView::past)
      .def_property_readonly("past_eps", &StepView::past_eps)
      .def("denoise", &StepView::denoise, py::arg("x").noconvert(), py::arg("t"))
      .def("score", &StepView::score, py::arg("x").noconvert(), py::arg("t"))
      .def("noise", &StepView::noise, py::arg("draw"));
  py::class_<PythonSampler, Sampler, std::shared_ptr<PythonSampler>>(m, "PythonSampler")
      .def(py::init<py::object, int, bool, std::size_t>(), py::arg("step"), py::arg("order"), py::arg("stochastic"),
           py::arg("history"));
}

}  // namespace

void register_sample(py::module_& m) {
  py::class_<Sampler, std::shared_ptr<Sampler>>(m, "Sampler")
      .def_property_readonly("order", &Sampler::order)
      .def_property_readonly("calls", &Sampler::calls)
      .def_property_readonly("extra_calls", &Sampler::extra_calls)
      .def_property_readonly("stochastic", &Sampler::stochastic)
      .def_property_readonly("history", &Sampler::history);
  register_samplers(m);
  register_stochastic_samplers(m);
  register_python_sampler(m);
  py::class_<CountingDenoiser, Denoiser, std::shared_ptr<CountingDenoiser>>(m, "CountingDenoiser")
      .def(py::init<std::shared_ptr<Denoiser>>(), py::arg("denoiser"))
      .def_property_readonly("calls", &CountingDenoiser::calls);
  py::class_<PausableRun>(m, "Sampling")
      .def(py::init<std::shared_ptr<Sampler>, std::shared_ptr<Denoiser>, std::shared_ptr<Schedule>, const Doubles&,
                    Doubles, std::uint64_t, Index>(),
           py::arg("sampler"), py::arg("denoiser"), py::arg("schedule"), py::arg("times").noconvert(),
           py::arg("x").noconvert(), py::arg("seed"), py::arg("start"))
      .def("advance", &PausableRun::advance, py::arg("steps"),
           py::arg("seconds") = std::numeric_limits<double>::infinity())
      .def_property_readonly("index", [](const PausableRun& r) { return r.sampling().index(); })
      .def_property_readonly("count", [](const PausableRun& r) { return r.sampling().count(); })
      .def_property_readonly("accepted", &PausableRun::accepted)
      .def_property_readonly("x0", &PausableRun::x0);
}

}  // namespace scorefield::bindings
