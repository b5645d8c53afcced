#pragma once

#include <atomic>
#include <cstdint>
#include <type_traits>
#include <utility>

namespace gyre {

// Base classes for objects that count their references themselves. Shared means immutable: after
// the first copy of a Ref nobody writes to the object. `LocalCounted` objects never leave their
// shard; `SharedCounted` ones may.
class LocalCounted {
 public:
  void retain() const { ++references_; }
  bool release() const { return --references_ == 0; }
  bool is_shared() const { return references_ > 1; }

 private:
  mutable uint32_t references_ = 0;
};

class SharedCounted {
 public:
  void retain() const { references_.fetch_add(1, std::memory_order_relaxed); }
  bool release() const { return references_.fetch_sub(1, std::memory_order_acq_rel) == 1; }
  bool is_shared() const { return references_.load(std::memory_order_relaxed) > 1; }

 protected:
  SharedCounted() = default;
  SharedCounted(const SharedCounted&) {}
  SharedCounted& operator=(const SharedCounted&) { return *this; }

 private:
  mutable std::atomic<uint32_t> references_{0};
};

// How the last reference ends an object; types with their own allocation specialise it by a static
// `destroy`.
template <class T>
void destroy_counted(T* object) {
  if constexpr (requires { T::destroy(object); }) {
    T::destroy(object);
  } else {
    delete object;
  }
}

// An owning pointer to a counted object. Null when default-constructed or moved from.
template <class T>
class Ref {
 public:
  Ref() = default;
  Ref(std::nullptr_t) {}
  explicit Ref(T* object) : object_(object) {
    if (object_) object_->retain();
  }
  Ref(const Ref& other) : Ref(other.object_) {}
  Ref(Ref&& other) noexcept : object_(std::exchange(other.object_, nullptr)) {}
  template <class U>
    requires std::is_convertible_v<U*, T*>
  Ref(Ref<U> other) : object_(other.leak()) {}
  ~Ref() { reset(); }
  Ref& operator=(Ref other) noexcept {
    std::swap(object_, other.object_);
    return *this;
  }

  T* get() const { return object_; }
  T* operator->() const { return object_; }
  T& operator*() const { return *object_; }
  explicit operator bool() const { return object_ != nullptr; }
  friend bool operator==(const Ref&, const Ref&) = default;

  void reset() {
    if (T* object = std::exchange(object_, nullptr); object && object->release()) {
      destroy_counted(object);
    }
  }
  // Gives the reference away uncounted; `adopt` takes one over.
  [[nodiscard]] T* leak() { return std::exchange(object_, nullptr); }
  static Ref adopt(T* object) {
    Ref ref;
    ref.object_ = object;
    return ref;
  }

 private:
  T* object_ = nullptr;
};

template <class T, class... Args>
Ref<T> make_ref(Args&&... args) {
  return Ref<T>(new T(std::forward<Args>(args)...));
}

}  // namespace gyre
