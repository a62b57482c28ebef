// SPDX-License-Identifier: Apache-2.0
//
// Handles: how a service names an object. A table per service partition, in one frame; an entry is an object and rights.
// The lookup checks index, kind and rights, and produces a typed pointer: an unchecked number never reaches an object.
// Other CPUs look up without a lock while one adds or forgets: who finds an entry's kind finds the object of that kind with it.
#pragma once
#include "hv/abi/hypercall.hpp"
#include <atomic>

namespace kennel {

struct Partition;
struct Vcpu;
struct Interrupt;

enum class HandleKind : u8 { free = 0, partition, vcpu, interrupt };

template<class T> struct HandleKindOf;
template<> struct HandleKindOf<Partition> { static constexpr HandleKind value = HandleKind::partition; };
template<> struct HandleKindOf<Vcpu>      { static constexpr HandleKind value = HandleKind::vcpu; };
template<> struct HandleKindOf<Interrupt> { static constexpr HandleKind value = HandleKind::interrupt; };

struct Handle {
    void*                   object = nullptr;
    std::atomic<HandleKind> kind   = HandleKind::free;
    u8                      rights = 0;
};

class HandleTable {
public:
    static constexpr u32 capacity = 128;

    template<class T> abi::Status find(u64 number, abi::Right right, T*& object) const
    {
        // Ordering: acquire, pairs with the release in add().
        if (number >= capacity || entries_[number].kind.load(std::memory_order_acquire) != HandleKindOf<T>::value) [[unlikely]]
            return abi::Status::bad_handle;
        if (!(entries_[number].rights & static_cast<u8>(right))) [[unlikely]]
            return abi::Status::no_right;
        object = static_cast<T*>(entries_[number].object);
        return abi::Status::ok;
    }

    // 0 when the table is full. Number 0 is never given out.
    template<class T> u64 add(T* object, abi::Right rights)
    {
        for (u64 number = 1; number < capacity; number++)
            if (Handle& handle = entries_[number]; !handle.object) {
                handle.object = object;
                handle.rights = static_cast<u8>(rights);
                handle.kind.store(HandleKindOf<T>::value, std::memory_order_release);
                return number;
            }
        return 0;
    }

    // Nobody finds it any more; who just did still finds it whole.
    void forget(void const* object) { change(object, [](Handle& handle) { handle.kind.store(HandleKind::free, std::memory_order_relaxed); }); }
    // Of what was forgotten, when nobody is in the middle of a call that found it: its numbers may be given out again.
    void erase(void const* object) { change(object, [](Handle& handle) { handle.object = nullptr; }); }

private:
    template<class Change> void change(void const* object, Change&& change_one)
    {
        for (Handle& handle : entries_)
            if (handle.object == object)
                change_one(handle);
    }

    Handle entries_[capacity];
};
static_assert(sizeof(HandleTable) <= page_size);

} // namespace kennel
