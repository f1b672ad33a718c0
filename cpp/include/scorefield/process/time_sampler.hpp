#pragma once
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "scorefield/base/rng.hpp"
#include "scorefield/schedule/schedule.hpp"

namespace scorefield {

/// At which times a network is trained, theory 4. Discrete schedules draw whole t in 1..T, continuous ones t in
/// t_min..t_max.
///   uniform       the same chance for every time
///   stratified    one in each of N equal parts, shifted together: low discrepancy       Kingma et al. 2021, appendix I
///   log_normal    log(sigma / alpha) ~ N(-1.2, 1.2^2)                                   Karras et al. 2022, table 1
///   logit_normal  the place between t_min and t_max is sigmoid(N(0, 1))                 Esser et al. 2024, eq. 19
///   importance    in proportion to the root mean square of recent losses                Nichol & Dhariwal 2021, eq. 18
enum class Times { uniform, stratified, log_normal, logit_normal, importance };

Times parse_times(std::string_view name);

/// Draws the times of a batch. All but importance are pure functions of the noise (seed, step) and the row.
class TimeSampler {
 public:
  virtual ~TimeSampler() = default;
  /// t[i] := the time of row i of the batch, weight[i] := what makes its loss unbiased for uniform times: 1 unless
  /// importance.
  virtual void draw(const Noise& noise, std::span<double> t, std::span<double> weight) const = 0;
  /// Learns from the losses of a batch, without the weights of draw. Only importance does.
  virtual void observe(std::span<const double> t, std::span<const double> loss);
  /// What observe() has learnt, by name, and back: part of a checkpoint.
  virtual std::map<std::string, std::vector<double>> state() const;
  virtual void restore(const std::map<std::string, std::vector<double>>& state);
};

std::unique_ptr<TimeSampler> make_time_sampler(Times times, std::shared_ptr<const Schedule> schedule);

/// The time at place u in (0, 1): whole times 1..T, each on an equal share, or t_min + u (t_max - t_min).
double time_at(const Schedule& schedule, double u);

}  // namespace scorefield
