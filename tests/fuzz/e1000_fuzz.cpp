// SPDX-License-Identifier: Apache-2.0
//
// A network card that says anything: causes, links, descriptors in any order and of any content. Frames that are taken have the size
// a frame has, and the device is never told an address that is not its ring's.
#include "tests/fuzz/input.hpp"
#include "tests/host/e1000_model.hpp"
#include <memory>

using namespace kennel;
using namespace kennel::service;
using namespace kennel::service::net;

int LLVMFuzzerTestOneInput(unsigned char const* data, size_t size)
{
    fuzz::Input input{data, size};
    net::test::E1000Model model;
    static auto const memory = std::make_unique<E1000::Memory>();
    fake::reset().registers = &model;
    E1000 card;
    std::string_view why;
    for (u16& word : model.eeprom)
        word = static_cast<u16>(word ^ (input.take<u8>() & 1));
    if (!card.open(net::test::E1000Model::base, *memory, 1'000'000'000, input.take<u8>() & 1, why))
        return 0;
    while (!input.empty()) {
        switch (u8 const what = input.take<u8>(); what & 7) {
        case 0: {
            auto const bytes = input.bytes(input.take<u16>() % 2100);
            model.arrive({bytes.begin(), bytes.end()}, input.take<u8>(), input.take<u8>() & 1);
            break;
        }
        case 1: {                                      // a descriptor written where the device has no business
            auto& descriptor = memory->receiving[input.take<u8>() % E1000::ring];
            descriptor = {descriptor.buffer, input.take<u16>(), 0, input.take<u8>(), input.take<u8>(), 0};
            break;
        }
        case 2: memory->sending[input.take<u8>() % E1000::ring].status = input.take<u8>(); break;
        case 3: model.set_link(input.take<u8>() & 1); break;
        case 4: model.holds_frames = input.take<u8>() & 1; break;
        case 5: card.interrupt(); break;
        case 6: {
            u32 const most = 1 + input.take<u8>() % 20;
            u32 taken = 0;
            card.receive(16, [&](Frame const& frame) {
                fuzz::demand(frame.size >= sizeof(EthernetHeader) && frame.size <= plain_frame + 4);
                u8 copied[plain_frame + 4];
                fuzz::demand(FrameReader{frame}.copy(copied) == frame.size);
                return ++taken < most;
            });
            fuzz::demand(taken <= most && taken <= 16);
            break;
        }
        default: {
            u8 bytes[1600];
            u32 const bytes_wanted = 14 + input.take<u16>() % 1586;
            Piece const rest{bytes + 14, bytes_wanted - 14};
            static_cast<void>(card.send(Frame{.head = {bytes, 14}, .rest = {&rest, 1}, .skip = 0, .size = bytes_wanted, .offload = {}}));
            break;
        }
        }
        fuzz::demand(model.registers[0x2818] < E1000::ring && model.registers[0x3818] < E1000::ring);
        for (auto const& frame : model.wire)
            fuzz::demand(frame.size() <= plain_frame);
        model.wire.clear();
    }
    for (auto const& descriptor : memory->sending)
        fuzz::demand(descriptor.buffer >= reinterpret_cast<u64>(memory->to_wire) && descriptor.buffer < reinterpret_cast<u64>(memory->to_wire + E1000::ring));
    return 0;
}
