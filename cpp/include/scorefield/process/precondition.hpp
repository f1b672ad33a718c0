#pragma once
#include "scorefield/process/prediction.hpp"
#include "scorefield/schedule/schedule.hpp"

/// What the network hears, and how its output becomes a prediction: said here once. For prediction kind edm these are
/// Karras et al. 2022, table 1, theory (14); the rest gives every other kind inputs and outputs of about unit size.
namespace scorefield {

/// Factor on x_t: 1/sqrt(sigma^2 + s_d^2) where alpha is 1 and sigma grows (VE, EDM, ladders of sigmas), else 1.
double c_in(const Schedule& schedule, const Level& t);

/// The time that the network hears: t - 1 (discrete, as weights trained by diffusers expect), 1000 t (continuous),
/// log(sigma)/4 (all of alpha = 1), 0 (Single). Below t_min that of t_min.
double c_noise(const Schedule& schedule, double t);

/// prediction = output_scale * network output: 1/sigma for score and energy, so that outputs keep unit size (Single:
/// 1); else 1. Throws where sigma = 0 and the schedule is not Single.
double output_scale(Prediction kind, const Level& t, const Schedule& schedule);

/// x0_hat = x * x_t + y * network output: to_x0 with output_scale in one, finite at sigma = 0 too.
ToX0 network_to_x0(Prediction kind, const Level& t, const Schedule& schedule);

/// The network's own training target = x0 * x0 + eps * eps: target / output_scale (score: -eps), finite at sigma = 0
/// too.
Target network_target(Prediction kind, const Level& t, const Schedule& schedule);

/// Throws std::invalid_argument where a network of this kind cannot serve the schedule, with the way out: eps, score
/// and energy where alpha_T = 0, edm where alpha is not 1.
void require_serves(Prediction kind, const Schedule& schedule);

}  // namespace scorefield
