#include "scorefield/train/objective.hpp"

#include <stdexcept>

#include "scorefield/process/precondition.hpp"

namespace scorefield {

void Objective::together(Batch&, In<float>, Out<float>) const {
  throw std::logic_error("this loss is computed row by row");
}

void Objective::noise_levels(Batch& batch) const {
  const Schedule* law = schedule().get();
  for (std::size_t i = 0; i < batch.t.size(); ++i) {
    const Level p = law ? law->at(batch.t[i]) : Level{};
    batch.levels[i] = p;
    batch.c_in[i] = law ? c_in(*law, p) : 1;
    batch.c_noise[i] = law ? c_noise(*law, p.t) : 0;
  }
}

}  // namespace scorefield
