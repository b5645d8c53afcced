#pragma once

#include <string_view>
#include <tuple>
#include <utility>

namespace gyre {

// Described structs: a struct lists its fields once, and codecs are generic visitors over that
// list.
//
//   struct Point {
//     int64_t x = 0;
//     static constexpr auto fields = describe(field<1>("x", &Point::x));
//   };
//
// The number is the field's Protobuf number, the name its JSON key.
enum class Emit : bool {
  nonzero,  // left out when it has its zero value
  always,   // present in JSON whatever its value (Protobuf leaves zero values out in any case)
};

template <int Number, class Owner, class Member>
struct Field {
  using Type = Member;
  static constexpr int kNumber = Number;

  std::string_view name;
  Member Owner::* member;
  Emit emit;
};

template <int Number, class Owner, class Member>
constexpr Field<Number, Owner, Member> field(std::string_view name, Member Owner::* member,
                                             Emit emit = Emit::nonzero) {
  return {name, member, emit};
}

template <class... Fields>
constexpr std::tuple<Fields...> describe(Fields... fields) {
  return {fields...};
}

template <class T>
concept Described = requires { T::fields; };

// Calls visit(field) for each field of T in the order of description.
template <Described T, class Visit>
constexpr void for_each_field(Visit&& visit) {
  std::apply([&](const auto&... each) { (visit(each), ...); }, T::fields);
}

// The same until a visit returns true; tells whether one did.
template <Described T, class Visit>
constexpr bool any_field(Visit&& visit) {
  return std::apply([&](const auto&... each) { return (visit(each) || ...); }, T::fields);
}

}  // namespace gyre
