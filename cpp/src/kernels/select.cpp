#include <array>
#include <atomic>
#include <cstring>
#include <stdexcept>
#include <string>

#include "scorefield/kernels/table.hpp"

namespace scorefield::kernels {

#define SCOREFIELD_DECLARE(level)   \
  namespace k_##level {             \
    extern const Table level_table; \
  }
#ifdef SCOREFIELD_HAS_avx512
SCOREFIELD_DECLARE(avx512)
#endif
#ifdef SCOREFIELD_HAS_avx2
SCOREFIELD_DECLARE(avx2)
#endif
#ifdef SCOREFIELD_HAS_neon
SCOREFIELD_DECLARE(neon)
#endif
#ifdef SCOREFIELD_HAS_generic
SCOREFIELD_DECLARE(generic)
#endif

namespace {

struct Level {
  const Table* table;
  bool runs;
};

/// Best first. The compiler's run-time support asks the processor and whether the system saves the wide registers.
const auto& levels() {
  static const std::array all = {
#ifdef SCOREFIELD_HAS_avx512
      Level{&k_avx512::level_table, __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                                        __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl")},
#endif
#ifdef SCOREFIELD_HAS_avx2
      Level{&k_avx2::level_table, __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")},
#endif
#ifdef SCOREFIELD_HAS_neon
      Level{&k_neon::level_table, true},
#endif
#ifdef SCOREFIELD_HAS_generic
      Level{&k_generic::level_table, true},
#endif
  };
  return all;
}

using Names = std::array<const char*, 5>;

Names running() {
  Names found{};
  std::size_t n = 0;
  for (const Level& level : levels()) {
    if (level.runs) found[n++] = level.table->name;
  }
  return found;
}

const Names& running_names() {
  static const Names found = running();
  return found;
}

std::atomic<const Table*> chosen{nullptr};  // cannot change a result: all tables give the same bits

}  // namespace

const char* const* names() { return running_names().data(); }

const Table* find(const char* name) {
  for (const Level& level : levels()) {
    if (level.runs && std::strcmp(level.table->name, name) == 0) return level.table;
  }
  return nullptr;
}

const Table& table() {
  const Table* t = chosen.load(std::memory_order_acquire);
  if (t == nullptr) {
    if (names()[0] == nullptr) throw std::runtime_error("scorefield was built without kernels for this processor");
    chosen = t = find(names()[0]);
  }
  return *t;
}

const Table& select(const char* name) {
  const Table* t = find(name);
  if (t == nullptr) {
    std::string known;
    for (const char* const* n = names(); *n != nullptr; ++n) known += (known.empty() ? "" : ", ") + std::string(*n);
    throw std::invalid_argument("no instruction set level '" + std::string(name) +
                                "' here; this build and processor have: " + known);
  }
  chosen = t;
  return *t;
}

}  // namespace scorefield::kernels
