#pragma once
#include <cstddef>

namespace scorefield::fast {

/// Whole pages of memory.
struct Pages {
  void* begin = nullptr;
  std::size_t bytes = 0;
};

/// At least `bytes` of memory, the first `bytes` of it zero, in huge pages where the system has them; begin is null if
/// there is none to be had. Pages that were given back are taken first: a fresh page costs a fault and a clearing.
Pages take_pages(std::size_t bytes);

/// Gives pages back. Up to a gigabyte is kept for the next take_pages; meanwhile the system may have it whenever it
/// runs short (MADV_FREE).
void give_pages(Pages pages);

/// Returns what is kept to the system at once.
void release_pages();

/// Bytes that are kept now.
std::size_t kept_pages();

}  // namespace scorefield::fast
