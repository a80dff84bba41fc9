#pragma once
// A ResNet in plain loops and double precision, batch norms as they are defined and not folded, by the tensors' names.

#include <cstdint>
#include <string>
#include <vector>

#include "lowshot/named_tensors.h"

namespace lowshot::oracle {

/// Random weights and batch norms of a network with these block counts, as a checkpoint holds them.
NamedTensors random_resnet(const std::vector<int>& blocks, bool bottleneck, std::uint64_t seed);

/// `image`: 3 x side x side values, normalised. Returns the descriptor.
std::vector<double> run_resnet(const NamedTensors& tensors, const std::vector<int>& blocks, bool bottleneck,
                               const std::vector<double>& image, int side);

}  // namespace lowshot::oracle
