// SPDX-License-Identifier: Apache-2.0
//
// See console.hpp.
#include "drivers/virtio/console.hpp"

namespace kennel::service {

namespace {

namespace feature { constexpr u64 size = 1; }         // "Feature bits": VIRTIO_CONSOLE_F_SIZE

// "Device configuration layout": struct virtio_console_config.
struct Configuration { u16 columns, rows; u32 most_ports, emergency_write; };
static_assert(sizeof(Configuration) == 12);

} // namespace

VirtioConsole::VirtioConsole(ByteRing& output, ByteRing& input)
    : transport{{.type = wire::DeviceType::console, .class_code = 0x07'80'00, .features = feature::size, .queue_count = 2, .queue_size = queue_size, .writable_config = 0}},
      output_{output}, input_{input}
{
    Configuration const configuration{.columns = columns, .rows = rows, .most_ports = 1, .emergency_write = 0};
    __builtin_memcpy(transport.config, &configuration, sizeof configuration);
}

void VirtioConsole::power_on() { sending_ = output_mark_ = told_size_ = false; }

void VirtioConsole::changed(Transport::Change change)
{
    if (change == Transport::Change::reset) {
        told_size_ = false;
        sending_ = false;                             // the rest of a buffer goes with the driver that sent it
        transport.finish_reset();
    }
}

void VirtioConsole::kicked(u32 queue)
{
    if (queue == transmit_queue)
        send();
    else
        receive();
}

void VirtioConsole::rings_changed()
{
    send();
    receive();
}

void VirtioConsole::set_size(u16 wide, u16 high)
{
    u16 const now[] = {wide, high};
    if (__builtin_memcmp(transport.config, now, sizeof now) == 0)
        return;
    __builtin_memcpy(transport.config, now, sizeof now);
    transport.config_changed();
    if (transport.is_running() && transport.has(feature::size))
        transport.interrupt_configuration();
}

// Linux's driver reads the window's size when it changes, and not when it starts; with its first output it can.
void VirtioConsole::tell_size()
{
    if (!told_size_ && transport.has(feature::size))
        transport.interrupt_configuration();
    told_size_ = true;
}

// False: there is no room for the rest.
bool VirtioConsole::send_chain()
{
    auto const pieces = sent_.input();
    for (; piece_ < pieces.size(); piece_++, offset_ = 0)
        for (; offset_ < pieces[piece_].size; offset_++) {
            if (!output_.push(__atomic_load_n(pieces[piece_].data + offset_, __ATOMIC_RELAXED)))
                return false;
            output_mark_ = true;
        }
    return true;
}

void VirtioConsole::send()
{
    Queue& queue = transport.queue(transmit_queue);
    if (!transport.is_running())
        return;
    // The ring bounds the bytes, but an empty buffer takes no room.
    u32 left = buffers_at_once;
    do {
        while (sending_ || (left && queue.has_more())) {
            if (!sending_) {
                left--;
                if (queue.take(sent_) != Queue::Taken::chain) {
                    transport.break_down();
                    return;
                }
                tell_size();
                sending_ = true;
                piece_ = offset_ = 0;
            }
            if (!send_chain())
                break;
            sending_ = false;
            queue.give_back(sent_.head, 0);
        }
        if (queue.publish())
            transport.interrupt_queue(transmit_queue);
    } while (!sending_ && queue.expect_kick() && left);
}

void VirtioConsole::receive()
{
    Queue& queue = transport.queue(receive_queue);
    if (!transport.is_running())
        return;
    u32 left = buffers_at_once;
    do {
        while (left && !input_.empty() && queue.has_more()) {
            left--;
            if (queue.take(received_) != Queue::Taken::chain) {
                transport.break_down();
                return;
            }
            u32 filled = 0;
            for (Segment const& piece : received_.output())
                for (u32 i = 0; i < piece.size && !input_.empty(); i++, filled++)
                    piece.data[i] = input_.pop();
            queue.give_back(received_.head, filled);
        }
        if (queue.publish())
            transport.interrupt_queue(receive_queue);
    } while (!input_.empty() && queue.expect_kick() && left);
}

} // namespace kennel::service
