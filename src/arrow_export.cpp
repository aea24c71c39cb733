#include <featlib/core/arrow_export.hpp>

#include <cstring>

namespace featlib {
namespace {

/// What an exported schema or array owns; its address is the struct's private_data.
struct SchemaData {
  std::string format, name, metadata;
  std::vector<ArrowSchema> children;
  std::vector<ArrowSchema*> child_pointers;
  std::unique_ptr<ArrowSchema> dictionary;
};

struct ArrayData {
  std::vector<const void*> buffers;
  std::vector<ArrowArray> children;
  std::vector<ArrowArray*> child_pointers;
  std::unique_ptr<ArrowArray> dictionary;
  std::shared_ptr<const void> keep_alive;
};

template <class C, class Data>
void release(C* value) {
  auto* data = static_cast<Data*>(value->private_data);
  for (auto& child : data->children)
    if (child.release) child.release(&child);
  if (data->dictionary && data->dictionary->release) data->dictionary->release(data->dictionary.get());
  delete data;
  value->release = nullptr;
}

template <class Data>
void own_children(Data& data) {
  for (auto& child : data.children) data.child_pointers.push_back(&child);
}

std::string packed(const std::map<std::string, std::string>& metadata) {
  std::string out;
  if (metadata.empty()) return out;
  const auto number = [&](std::size_t n) {
    const auto value = static_cast<std::int32_t>(n);
    out.append(reinterpret_cast<const char*>(&value), sizeof value);
  };
  number(metadata.size());
  for (const auto& [key, value] : metadata) {
    number(key.size());
    out += key;
    number(value.size());
    out += value;
  }
  return out;
}

/// The bytes of packed metadata; their length is not stored.
std::string copied_metadata(const char* raw) {
  if (!raw) return {};
  const char* p = raw;
  const auto read = [&] {
    std::int32_t n;
    std::memcpy(&n, p, sizeof n);
    p += sizeof n;
    return n;
  };
  for (std::int32_t left = 2 * read(); left > 0; --left) p += read();
  return std::string(raw, static_cast<std::size_t>(p - raw));
}

void finish(ArrowSchema* out, std::unique_ptr<SchemaData> data, std::int64_t flags) {
  own_children(*data);
  *out = {data->format.c_str(), data->name.c_str(), data->metadata.empty() ? nullptr : data->metadata.data(), flags,
          static_cast<std::int64_t>(data->children.size()), data->child_pointers.data(), data->dictionary.get(), release<ArrowSchema, SchemaData>, data.get()};
  data.release();
}

void finish(ArrowArray* out, std::unique_ptr<ArrayData> data, std::int64_t length, std::int64_t offset, std::int64_t null_count) {
  own_children(*data);
  *out = {length, null_count, offset, static_cast<std::int64_t>(data->buffers.size()), static_cast<std::int64_t>(data->children.size()), data->buffers.data(),
          data->child_pointers.data(), data->dictionary.get(), release<ArrowArray, ArrayData>, data.get()};
  data.release();
}

void copy_schema(const ArrowSchema& from, const char* name, ArrowSchema* out) {
  auto data = std::make_unique<SchemaData>();
  data->format = from.format;
  data->name = name ? name : "";
  data->metadata = copied_metadata(from.metadata);
  data->children.resize(static_cast<std::size_t>(from.n_children));
  for (std::size_t c = 0; c < data->children.size(); ++c) copy_schema(*from.children[c], from.children[c]->name, &data->children[c]);
  if (from.dictionary) {
    data->dictionary = std::make_unique<ArrowSchema>();
    copy_schema(*from.dictionary, from.dictionary->name, data->dictionary.get());
  }
  finish(out, std::move(data), from.flags);
}

/// The same buffers under a new owner.
void share_array(const ArrowArray& from, const std::shared_ptr<const void>& keep_alive, ArrowArray* out) {
  auto data = std::make_unique<ArrayData>();
  data->buffers.assign(from.buffers, from.buffers + from.n_buffers);
  data->children.resize(static_cast<std::size_t>(from.n_children));
  for (std::size_t c = 0; c < data->children.size(); ++c) share_array(*from.children[c], keep_alive, &data->children[c]);
  if (from.dictionary) {
    data->dictionary = std::make_unique<ArrowArray>();
    share_array(*from.dictionary, keep_alive, data->dictionary.get());
  }
  data->keep_alive = keep_alive;
  finish(out, std::move(data), from.length, from.offset, from.null_count);
}

void make_schema(const std::vector<ArrowColumn>& columns, const std::map<std::string, std::string>& metadata, ArrowSchema* out) {
  auto data = std::make_unique<SchemaData>();
  data->format = "+s";
  data->metadata = packed(metadata);
  data->children.resize(columns.size());
  for (std::size_t c = 0; c < columns.size(); ++c) {
    if (columns[c].schema) {
      copy_schema(*columns[c].schema, columns[c].name.c_str(), &data->children[c]);
      continue;
    }
    auto child = std::make_unique<SchemaData>();
    child->format = columns[c].format;
    child->name = columns[c].name;
    finish(&data->children[c], std::move(child), ARROW_FLAG_NULLABLE);
  }
  finish(out, std::move(data), 0);
}

void make_array(const std::vector<ArrowPiece>& pieces, std::int64_t length, ArrowArray* out) {
  auto data = std::make_unique<ArrayData>();
  data->buffers = {nullptr};
  data->children.resize(pieces.size());
  for (std::size_t c = 0; c < pieces.size(); ++c) {
    if (pieces[c].array) {
      share_array(*pieces[c].array, pieces[c].keep_alive, &data->children[c]);
      continue;
    }
    auto child = std::make_unique<ArrayData>();
    child->buffers = pieces[c].buffers;
    child->keep_alive = pieces[c].keep_alive;
    // No bitmap is only allowed beside a count of 0, not beside "not counted": Polars refuses that.
    const bool without_bitmap = !child->buffers.empty() && !child->buffers[0];
    finish(&data->children[c], std::move(child), pieces[c].length, pieces[c].offset, without_bitmap ? 0 : pieces[c].null_count);
  }
  finish(out, std::move(data), length, 0, 0);
}

struct StreamData {
  std::vector<ArrowColumn> columns;
  std::vector<std::vector<ArrowPiece>> batches;
  std::vector<std::int64_t> lengths;
  std::map<std::string, std::string> metadata;
  std::shared_ptr<const void> keep_alive;
  std::size_t next = 0;
};

}  // namespace

void make_arrow_batch(const std::vector<ArrowColumn>& columns, const std::vector<ArrowPiece>& pieces, std::int64_t length,
                      const std::map<std::string, std::string>& metadata, ArrowSchema* schema, ArrowArray* array) {
  make_schema(columns, metadata, schema);
  make_array(pieces, length, array);
}

void export_arrow_stream(std::vector<ArrowColumn> columns, std::vector<std::vector<ArrowPiece>> batches, std::vector<std::int64_t> lengths,
                         std::map<std::string, std::string> metadata, std::shared_ptr<const void> keep_alive, ArrowArrayStream* out) {
  auto data = std::make_unique<StreamData>(
      StreamData{std::move(columns), std::move(batches), std::move(lengths), std::move(metadata), std::move(keep_alive), 0});
  out->get_schema = [](ArrowArrayStream* stream, ArrowSchema* schema) {
    const auto& d = *static_cast<StreamData*>(stream->private_data);
    make_schema(d.columns, d.metadata, schema);
    return 0;
  };
  out->get_next = [](ArrowArrayStream* stream, ArrowArray* array) {
    auto& d = *static_cast<StreamData*>(stream->private_data);
    if (d.next == d.batches.size()) {
      *array = ArrowArray{};
      return 0;
    }
    make_array(d.batches[d.next], d.lengths[d.next], array);
    ++d.next;
    return 0;
  };
  out->get_last_error = [](ArrowArrayStream*) -> const char* { return nullptr; };
  out->release = [](ArrowArrayStream* stream) {
    delete static_cast<StreamData*>(stream->private_data);
    stream->release = nullptr;
  };
  out->private_data = data.release();
}

}  // namespace featlib
