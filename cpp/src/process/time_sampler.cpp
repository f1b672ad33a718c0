#include "scorefield/process/time_sampler.hpp"

#include <algorithm>
#include <array>
#include <cmath>

#include "scorefield/base/check.hpp"

namespace scorefield {
namespace {

constexpr std::array<std::string_view, 5> names{"uniform", "stratified", "log_normal", "logit_normal", "importance"};

Matrix<double> uniform_column(const Noise& noise, std::size_t rows) {
  Matrix<double> u(static_cast<Index>(rows), 1);
  noise.uniform(u);
  return u;
}

Matrix<double> normal_column(const Noise& noise, std::size_t rows) {
  Matrix<double> z(static_cast<Index>(rows), 1);
  noise.normal(z);
  return z;
}

/// A sampler whose rows are independent: t = f(one number per row), weight 1.
class Independent : public TimeSampler {
 public:
  explicit Independent(std::shared_ptr<const Schedule> schedule) : schedule_(std::move(schedule)) {}
  void draw(const Noise& noise, std::span<double> t, std::span<double> weight) const final {
    fill(noise, t);
    std::fill(weight.begin(), weight.end(), 1.0);
  }

 protected:
  virtual void fill(const Noise& noise, std::span<double> t) const = 0;
  const Schedule& schedule() const { return *schedule_; }

 private:
  std::shared_ptr<const Schedule> schedule_;
};

class Uniform final : public Independent {
  using Independent::Independent;
  void fill(const Noise& noise, std::span<double> t) const override {
    const Matrix<double> u = uniform_column(noise, t.size());
    for (std::size_t i = 0; i < t.size(); ++i) t[i] = time_at(schedule(), u(static_cast<Index>(i), 0));
  }
};

/// Row i lies in part i of N, all at the same place within their parts: u_i = (i + u) / N.
class Stratified final : public Independent {
  using Independent::Independent;
  void fill(const Noise& noise, std::span<double> t) const override {
    const double u = uniform_column(noise, 1)(0, 0);
    for (std::size_t i = 0; i < t.size(); ++i)
      t[i] = time_at(schedule(), (static_cast<double>(i) + u) / static_cast<double>(t.size()));
  }
};

class LogNormal final : public Independent {
  using Independent::Independent;
  void fill(const Noise& noise, std::span<double> t) const override {
    require(!schedule().single(),
            "times \"log_normal\" need a schedule of many noise levels; use \"uniform\" with Single");
    const double highest = schedule().at(schedule().t_min()).half_log_snr(),
                 lowest = schedule().at(schedule().t_max()).half_log_snr();
    const Matrix<double> z = normal_column(noise, t.size());
    for (std::size_t i = 0; i < t.size(); ++i) {
      const double l = std::clamp(1.2 - 1.2 * z(static_cast<Index>(i), 0), lowest, highest);
      const double time = schedule().time_of_half_log_snr(l);
      t[i] = schedule().steps() > 0 ? std::clamp(std::round(time), 1.0, schedule().t_max())
                                    : std::clamp(time, schedule().t_min(), schedule().t_max());
    }
  }
};

class LogitNormal final : public Independent {
  using Independent::Independent;
  void fill(const Noise& noise, std::span<double> t) const override {
    const Matrix<double> z = normal_column(noise, t.size());
    for (std::size_t i = 0; i < t.size(); ++i)
      t[i] = time_at(schedule(), 1 / (1 + std::exp(-z(static_cast<Index>(i), 0))));
  }
};

/// Time is cut into equal bins, each with its last ten losses; a bin's chance is in proportion to its root mean square
/// loss, mixed with a little uniform so that no weight explodes. Uniform until every bin has ten losses.
class Importance final : public TimeSampler {
 public:
  explicit Importance(std::shared_ptr<const Schedule> schedule)
      : schedule_(std::move(schedule)),
        bins_(schedule_->steps() > 0 ? std::min<Index>(schedule_->steps(), 64) : 64),
        losses_(static_cast<std::size_t>(bins_) * kept),
        counts_(static_cast<std::size_t>(bins_)) {}

  void draw(const Noise& noise, std::span<double> t, std::span<double> weight) const override {
    const std::vector<double> chance = chances();
    const Matrix<double> u = uniform_column(noise, t.size());
    for (std::size_t i = 0; i < t.size(); ++i) {
      double rest = u(static_cast<Index>(i), 0);
      std::size_t bin = 0;
      for (; bin + 1 < chance.size() && rest >= chance[bin]; ++bin) rest -= chance[bin];
      const auto [low, high] = edges(static_cast<Index>(bin));
      t[i] = time_at(*schedule_, low + (high - low) * std::clamp(rest / chance[bin], 0.0, 1 - 1e-12));
      weight[i] = (high - low) / chance[bin];
    }
  }

  void observe(std::span<const double> t, std::span<const double> loss) override {
    for (std::size_t i = 0; i < t.size(); ++i) {
      const std::size_t bin = bin_of(t[i]);
      losses_[bin * kept + static_cast<std::size_t>(counts_[bin]) % kept] = loss[i];
      counts_[bin] += 1;
    }
  }

  std::map<std::string, std::vector<double>> state() const override {
    return {{"losses", losses_}, {"counts", counts_}};
  }

  void restore(const std::map<std::string, std::vector<double>>& state) override {
    const auto losses = state.find("losses"), counts = state.find("counts");
    require(losses != state.end() && counts != state.end() && losses->second.size() == losses_.size() &&
                counts->second.size() == counts_.size(),
            "the state of importance sampled times must hold 'losses' (", losses_.size(), ") and 'counts' (",
            counts_.size(), ")");
    losses_ = losses->second, counts_ = counts->second;
  }

 private:
  static constexpr std::size_t kept = 10;

  /// Places (0, 1) of a bin: of whole times an exact share, so that a bin holds the same times in draw and observe.
  std::pair<double, double> edges(Index bin) const {
    const Index pieces = schedule_->steps() > 0 ? schedule_->steps() : bins_;
    const auto edge = [&](Index b) { return static_cast<double>(b * pieces / bins_) / static_cast<double>(pieces); };
    return {edge(bin), edge(bin + 1)};
  }

  std::size_t bin_of(double t) const {
    const double low = schedule_->t_min(), high = schedule_->t_max();
    const double place = schedule_->steps() > 0 ? (t - 0.5) / high : (t - low) / (high - low);
    Index bin = std::clamp<Index>(static_cast<Index>(place * static_cast<double>(bins_)), 0, bins_ - 1);
    while (bin > 0 && place < edges(bin).first) --bin;
    while (bin + 1 < bins_ && place >= edges(bin).second) ++bin;
    return static_cast<std::size_t>(bin);
  }

  std::vector<double> chances() const {
    std::vector<double> chance(counts_.size());
    const bool warm =
        std::all_of(counts_.begin(), counts_.end(), [](double n) { return n >= static_cast<double>(kept); });
    double sum = 0;
    for (std::size_t b = 0; b < chance.size(); ++b) {
      const auto [low, high] = edges(static_cast<Index>(b));
      double squares = 0;
      for (std::size_t k = 0; k < kept; ++k) squares += losses_[b * kept + k] * losses_[b * kept + k];
      sum += chance[b] = (high - low) * std::sqrt(squares / static_cast<double>(kept));
    }
    for (std::size_t b = 0; b < chance.size(); ++b) {
      const auto [low, high] = edges(static_cast<Index>(b));
      chance[b] = warm && sum > 0 && std::isfinite(sum) ? 0.999 * chance[b] / sum + 0.001 * (high - low) : high - low;
    }
    return chance;
  }

  std::shared_ptr<const Schedule> schedule_;
  Index bins_;
  std::vector<double> losses_, counts_;
};

}  // namespace

Times parse_times(std::string_view word) {
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (names[i] == word) return static_cast<Times>(i);
  }
  require(false, "unknown times '", word, "'; known: uniform, stratified, log_normal, logit_normal, importance");
  return Times::uniform;
}

void TimeSampler::observe(std::span<const double>, std::span<const double>) {}
std::map<std::string, std::vector<double>> TimeSampler::state() const { return {}; }
void TimeSampler::restore(const std::map<std::string, std::vector<double>>& state) {
  require(state.empty(), "these times have no state, so none can be restored; were they drawn by importance before?");
}

std::unique_ptr<TimeSampler> make_time_sampler(Times times, std::shared_ptr<const Schedule> schedule) {
  switch (times) {
    case Times::uniform: return std::make_unique<Uniform>(std::move(schedule));
    case Times::stratified: return std::make_unique<Stratified>(std::move(schedule));
    case Times::log_normal: return std::make_unique<LogNormal>(std::move(schedule));
    case Times::logit_normal: return std::make_unique<LogitNormal>(std::move(schedule));
    case Times::importance: return std::make_unique<Importance>(std::move(schedule));
  }
  return nullptr;
}

double time_at(const Schedule& schedule, double u) {
  const double low = schedule.t_min(), high = schedule.t_max();
  return schedule.steps() > 0 ? std::clamp(std::floor(u * high) + 1, 1.0, high) : low + u * (high - low);
}

}  // namespace scorefield
