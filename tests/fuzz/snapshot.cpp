// A snapshot that anyone may have written, its hash in order: it is refused, or what it holds can be asked, fed, exported and
// taken again. The bytes draw a state, as those of windows.cpp do, and what is changed in its
// snapshot: the first action's bytes.

#include "world.hpp"

#include <featlib/core/arithmetic.hpp>
#include <featlib/core/fingerprint.hpp>

#include <cstring>

using namespace featlib;
using namespace featlib::testing;

namespace {

constexpr std::size_t change_bytes = 4, hash_size = 32;

/// One change of a snapshot: a byte, a number, eight bytes more or fewer, an end.
void change(std::vector<std::byte>& body, Bytes bytes) {
  if (body.empty() || bytes.size() < change_bytes) return;
  const std::size_t at = (bytes[0] | static_cast<std::size_t>(bytes[1]) << 8) % body.size();
  const auto rest = static_cast<std::ptrdiff_t>(at);
  const std::uint64_t number = bytes[3] < 200 ? bytes[3] : ~std::uint64_t{255u - bytes[3]};
  switch (bytes[2] % 5) {
    case 0: body[at] ^= static_cast<std::byte>(bytes[3]); break;
    case 1: std::memcpy(body.data() + at, &number, std::min(sizeof number, body.size() - at)); break;
    case 2: body.insert(body.begin() + rest, 8, static_cast<std::byte>(bytes[3])); break;
    case 3: body.erase(body.begin() + rest, body.begin() + std::min(rest + 8, static_cast<std::ptrdiff_t>(body.size()))); break;
    case 4: body.resize(at); break;
  }
}

/// The snapshot with everything behind its heading changed, and the right hash at its end.
std::vector<std::byte> forged(std::vector<std::byte> snapshot, const Contract& contract, Bytes changes) {
  const std::size_t heading = std::string_view("featlib state 2\n").size() + 16 + contract.fingerprint(FingerprintKind::semantic).size() + arithmetic_digest().size();
  const auto body_at = snapshot.begin() + static_cast<std::ptrdiff_t>(heading);
  std::vector<std::byte> body(body_at, snapshot.end() - hash_size);
  while (!changes.empty()) change(body, take(changes, change_bytes));
  snapshot.erase(body_at, snapshot.end());
  snapshot.insert(snapshot.end(), body.begin(), body.end());
  const auto hash = sha256(snapshot);
  const auto* bytes = reinterpret_cast<const std::byte*>(hash.data());
  snapshot.insert(snapshot.end(), bytes, bytes + hash.size());
  return snapshot;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Bytes left(data, size);
  World& world = world_of(take(left, world_bytes));
  const Bytes changes = take(left, action_bytes);
  Case c = world.blank;
  Server server(c.contract, world.options);
  std::vector<Answer> given;
  const auto play = [&](Bytes actions) {
    for (std::size_t i = 0; i < most_actions && !actions.empty(); ++i) {
      const Action action = draw(world, take(actions, action_bytes), c);
      given.resize(c.decisions.size());
      act(server, c, action, given);
    }
  };
  const std::size_t half = left.size() / 2 / action_bytes * action_bytes;
  play(left.first(half));
  if (!server.resume(forged(server.state().snapshot(), c.contract, changes))) return 0;
  play(left.subspan(half));
  server.exported();
  server.restart();   // what was read can be written and read again
  return 0;
}
