// A map from nodes to what a pass keeps of them: open addressing over their addresses. Passes look
// nodes up by the hundred thousand, and a table of the library allocates for every entry.
//
// Nothing is erased, and a key is an address: whoever fills the map keeps its nodes alive.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace niwaki {

struct Node;

template <class T>
class NodeMap {
 public:
  /// The node's value, or null; good until the next insertion.
  T* find(const Node* node) {
    if (entries_.empty()) return nullptr;
    Entry& entry = entries_[place_of(node)];
    return entry.node ? &entry.value : nullptr;
  }
  const T* find(const Node* node) const { return const_cast<NodeMap*>(this)->find(node); }

  /// The node's value, a new one where it had none; good until the next insertion.
  T& operator[](const Node* node) {
    if (2 * (size_ + 1) > entries_.size()) grow();
    Entry& entry = entries_[place_of(node)];
    if (!entry.node) {
      entry.node = node;
      ++size_;
    }
    return entry.value;
  }

  size_t size() const { return size_; }

 private:
  struct Entry {
    const Node* node = nullptr;
    T value = T();
  };

  // Where the node is, or the free entry where it would be.
  size_t place_of(const Node* node) const {
    size_t mask = entries_.size() - 1;
    size_t at = (uintptr_t(node) >> 4) * 0x9e3779b97f4a7c15 >> shift_;
    while (entries_[at].node && entries_[at].node != node) at = (at + 1) & mask;
    return at;
  }

  void grow() {
    std::vector<Entry> before = std::move(entries_);
    entries_ = std::vector<Entry>(before.empty() ? 16 : 2 * before.size());
    shift_ = before.empty() ? 60 : shift_ - 1;
    for (Entry& entry : before) {
      if (entry.node) entries_[place_of(entry.node)] = std::move(entry);
    }
  }

  std::vector<Entry> entries_;
  size_t size_ = 0;
  int shift_ = 64;
};

}  // namespace niwaki
