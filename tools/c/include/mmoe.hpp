// The C interface for C++11 and later, without exceptions, heap or RTTI.
//
//     mmoe::model<EDGE_SCRATCH_BYTES> model(edge_blob, EDGE_BLOB_BYTES);
//     edge_features x = {}; edge_outputs y;
//     if (!model || model.predict(x, y) != MMOE_OK) { ... }
#ifndef MMOE_HPP
#define MMOE_HPP

#include <type_traits>

#include "mmoe.h"

namespace mmoe {

// A model that is open as long as this lives, with scratch of its own. One thread at a time may use it; for more
// threads, each has one. The blob must outlive it.
template <size_t ScratchBytes>
class model {
public:
    model(const void *blob, size_t bytes) noexcept : status_(mmoe_open(&handle_, blob, bytes)) {
        if (status_ == MMOE_OK && mmoe_scratch_size(&handle_) > ScratchBytes) {
            close(MMOE_E_SCRATCH);
        }
    }
    ~model() { close(MMOE_E_NOT_OPEN); }
    model(const model &) = delete;
    model &operator=(const model &) = delete;

    // Whether the blob was accepted, why not, and the same for people.
    explicit operator bool() const noexcept { return status_ == MMOE_OK; }
    mmoe_status status() const noexcept { return status_; }
    const char *what() const noexcept { return mmoe_error_name(status_); }
    const mmoe_model *handle() const noexcept { return &handle_; }

    // Takes the structs of a generated header, or any that are floats alone, such as std::array.
    template <class Features, class Outputs>
    mmoe_status predict(const Features &x, Outputs &y) noexcept {
        return mmoe_predict(&handle_, floats(x), count<Features>(), scratch_, ScratchBytes, floats(y), count<Outputs>());
    }
    // Takes a record of a generated header, whose members are all of mmoe_value.
    template <class Record, class Outputs>
    mmoe_status predict_record(const Record &x, Outputs &y) noexcept {
        static_assert(sizeof(Record) % sizeof(mmoe_value) == 0, "a record is made of mmoe_value");
        return mmoe_predict_record(&handle_, reinterpret_cast<const mmoe_value *>(&x), sizeof(Record) / sizeof(mmoe_value),
                                   scratch_, ScratchBytes, floats(y), count<Outputs>());
    }

private:
    void close(mmoe_status why) noexcept {
        handle_.words[0] = 0;
        status_ = why;
    }
    template <class T>
    static constexpr size_t count() {
        static_assert(std::is_standard_layout<T>::value && sizeof(T) % sizeof(float) == 0, "floats alone");
        return sizeof(T) / sizeof(float);
    }
    template <class T>
    static const float *floats(const T &x) { return reinterpret_cast<const float *>(&x); }
    template <class T>
    static float *floats(T &y) { return reinterpret_cast<float *>(&y); }

    mmoe_model handle_;
    mmoe_status status_;
    alignas(8) unsigned char scratch_[ScratchBytes];
};

} // namespace mmoe

#endif // MMOE_HPP
