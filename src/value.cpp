#include <featlib/core/value.hpp>

namespace featlib {

std::string_view to_string(Type type) {
  switch (type) {
    case Type::boolean:
      return "bool";
    case Type::int64:
      return "int64";
    case Type::float64:
      return "float64";
    case Type::decimal:
      return "decimal";
    case Type::string:
      return "string";
    case Type::category:
      return "category";
    case Type::timestamp:
      return "timestamp";
  }
  return "unknown";
}

}  // namespace featlib
