// SPDX-License-Identifier: Apache-2.0
#include "hv/lib/list.hpp"
#include <doctest/doctest.h>
#include <string>

using namespace kennel;

namespace {

struct Dog {
    explicit Dog(char n) : name{n} {}
    char     name;
    ListLink run;
    u64      between = 0;
    ListLink sleep;
};

using Run   = List<Dog, &Dog::run>;
using Sleep = List<Dog, &Dog::sleep>;

template<class L>
std::string names(L& list)
{
    std::string all;
    for (Dog& dog : list)
        all += dog.name;
    return all;
}

constinit Run at_load_time;                             // needs no initialiser at run time

} // namespace

TEST_CASE("list: order of pushes at both ends, and pops from the front")
{
    Dog a{'a'}, b{'b'}, c{'c'};
    Run list;
    CHECK(list.empty());
    CHECK(list.front() == nullptr);
    CHECK(list.pop_front() == nullptr);
    list.push_back(a);
    list.push_back(b);
    list.push_front(c);
    CHECK(names(list) == "cab");
    CHECK(list.pop_front() == &c);
    CHECK(list.pop_front() == &a);
    CHECK(list.pop_front() == &b);
    CHECK(list.empty());
}

TEST_CASE("list: an element leaves from the front, the middle and the end, and may come again")
{
    Dog a{'a'}, b{'b'}, c{'c'}, d{'d'};
    Run list;
    for (Dog* dog : {&a, &b, &c, &d})
        list.push_back(*dog);
    list.remove(b);
    CHECK_FALSE(b.run.is_linked());
    CHECK(names(list) == "acd");
    list.remove(a);
    list.remove(d);
    CHECK(names(list) == "c");
    list.push_back(a);
    CHECK(names(list) == "ca");
    list.remove(c);
    list.remove(a);
    CHECK(list.empty());
}

TEST_CASE("list: one element in two lists through two links")
{
    Dog a{'a'}, b{'b'};
    Run run;
    Sleep sleep;
    run.push_back(a);
    run.push_back(b);
    sleep.push_back(b);
    sleep.push_back(a);
    CHECK(names(run) == "ab");
    CHECK(names(sleep) == "ba");
    run.remove(a);
    CHECK(a.sleep.is_linked());
    CHECK(names(sleep) == "ba");
}

TEST_CASE("list: emptied while it is walked, the iterator advanced first")
{
    Dog a{'a'}, b{'b'}, c{'c'};
    for (Dog* dog : {&a, &b, &c})
        at_load_time.push_back(*dog);
    std::string seen;
    for (auto at = at_load_time.begin(); at != at_load_time.end();) {
        Dog& dog = *at;
        ++at;
        at_load_time.remove(dog);
        seen += dog.name;
    }
    CHECK(seen == "abc");
    CHECK(at_load_time.empty());
}
