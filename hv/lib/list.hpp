// SPDX-License-Identifier: Apache-2.0
//
// Doubly linked list through a member of its elements: no allocation, an element can leave without a search.
//   struct Vcpu { ListLink run_link; ... };   List<Vcpu, &Vcpu::run_link> run_queue;
// The member is part of the list's type, so a link can only be in lists of its own kind. An element is in one list at
// most through each of its links, and stays where it is while linked. Locking is the owner's business.
#pragma once
#include "hv/lib/types.hpp"
#include <bit>

namespace kennel {

struct ListLink {
    constexpr ListLink() = default;
    ListLink(ListLink const&) = delete;
    ListLink& operator=(ListLink const&) = delete;

    constexpr bool is_linked() const { return next_ != nullptr; }

private:
    template<class T, ListLink T::*link> friend class List;

    ListLink* next_ = nullptr;       // null: in no list. The ring closes through the list's own head
    ListLink* previous_ = nullptr;
};

template<class T, ListLink T::*link>
class List {
public:
    constexpr List()
    {
        head_.next_ = &head_;
        head_.previous_ = &head_;
    }

    constexpr bool empty() const { return head_.next_ == &head_; }

    void push_front(T& element) { insert(element.*link, head_, *head_.next_); }
    void push_back(T& element) { insert(element.*link, *head_.previous_, head_); }

    // `element` must be in this list.
    void remove(T& element) { unlink(element.*link); }

    // Null when there is none.
    T* front() { return empty() ? nullptr : &owner(*head_.next_); }

    T* pop_front()
    {
        T* const first = front();
        if (first)
            remove(*first);
        return first;
    }

    // Removing the element an iterator stands on ends that iterator: advance first, then remove.
    class Iterator {
    public:
        explicit Iterator(ListLink* at) : at_{at} {}
        T& operator*() const { return owner(*at_); }
        T* operator->() const { return &owner(*at_); }
        Iterator& operator++()
        {
            at_ = at_->next_;
            return *this;
        }
        bool operator==(Iterator const&) const = default;

    private:
        ListLink* at_;
    };

    Iterator begin() { return Iterator{head_.next_}; }
    Iterator end() { return Iterator{&head_}; }

private:
    static void insert(ListLink& added, ListLink& before, ListLink& after)
    {
        added.previous_ = &before;
        added.next_ = &after;
        before.next_ = &added;
        after.previous_ = &added;
    }

    static void unlink(ListLink& gone)
    {
        gone.previous_->next_ = gone.next_;
        gone.next_->previous_ = gone.previous_;
        gone.next_ = nullptr;
        gone.previous_ = nullptr;
    }

    // From a link to what it is a member of: the only place that steps outward from a member.
    // Itanium C++ ABI, "Data Member Pointers": such a pointer is the member's offset.
    static T& owner(ListLink& member)
    {
        auto const offset = std::bit_cast<std::ptrdiff_t>(link);
        return *reinterpret_cast<T*>(reinterpret_cast<char*>(&member) - offset);
    }

    ListLink head_;
};

} // namespace kennel
