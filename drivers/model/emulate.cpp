// SPDX-License-Identifier: Apache-2.0
//
// See emulate.hpp.
#include "drivers/model/emulate.hpp"
#include "drivers/model/paging.hpp"

namespace kennel::service {

namespace {

using Next = Emulated::Next;

Emulated impossible(char const* why) { return {Next::impossible, 0, std::nullopt, why}; }

constexpr u64 ones(u32 bytes) { return bytes >= 8 ? ~0ull : (1ull << 8 * bytes) - 1; }

u64 sign_extended(u64 value, u32 bytes)
{
    u64 const sign = 1ull << (8 * bytes - 1);
    value &= ones(bytes);
    return (value ^ sign) - sign;
}

// ---- fetching ----

// An instruction's bytes, as many as are within reach.
struct Fetched {
    u8    bytes[16] = {};
    usize count = 0;
    std::span<u8 const> view() const { return {bytes, std::min(count, max_instruction_bytes)}; }
};

// It reaches into the next page, which may be anywhere, or nowhere when the instruction is short enough.
Fetched fetch_across(GuestMemory const& memory, abi::ExecutionState const& state, u64 linear, u64 first)
{
    Fetched fetched;
    u64 const in_page = page_size - (first & (page_size - 1));
    auto const second = translate(memory, state, linear + in_page, Reach::fetch);
    for (usize i = 0; i < max_instruction_bytes; i++) {
        if (i >= in_page && !second)
            break;
        if (!memory.copy_in(i < in_page ? first + i : *second + (i - in_page), fetched.bytes[i]))
            break;
        fetched.count = i + 1;
    }
    return fetched;
}

// The instruction at rip, decoded and remembered; nothing, and `why`, when there is none we know.
std::optional<Instruction> find_instruction(GuestMemory const& memory, DecodeCache::Entry& entry, abi::ExecutionState const& state, u32 width,
                                            char const*& why)
{
    u64 const linear = (width == 64 ? 0 : state.cs_base) + state.rip;
    Trail trail;
    auto const first = translate(memory, state, linear, Reach::fetch, &trail);
    if (!first) {
        why = "the instruction's bytes are out of reach";
        return std::nullopt;
    }
    auto const low = memory.look(*first), high = memory.look(*first + 8);
    bool const in_one_page = low && high && (*first & (page_size - 1)) <= page_size - sizeof(Fetched::bytes);
    Fetched fetched;
    if (in_one_page) {
        u64 const words[2] = {low->seen(), high->seen()};
        std::memcpy(fetched.bytes, words, sizeof words);
        fetched.count = sizeof words;
    } else {
        fetched = fetch_across(memory, state, linear, *first);
    }
    auto const decoded = decode(fetched.view(), width);
    if (!decoded) {
        why = "an instruction that is not supported on a device's memory";
        return std::nullopt;
    }
    // Remembered where one trail leads to all of its bytes: the usual case, a driver in 64-bit mode.
    if (trail.count && in_one_page) {
        u32 const length = decoded->length;
        entry = {state.rip, state.cr0, state.cr3, state.cr4, state.efer, width, state.cpl, trail, {*low, *high},
                 {ones(length), length > 8 ? ones(length - 8) : 0}, *decoded};
    }
    return decoded;
}

// ---- registers and flags ----

u64& general(abi::Registers& registers, u32 number) { return (&registers.rax)[number]; }

u64 read_register(Instruction const& instruction, abi::Registers& registers)
{
    u64 const value = general(registers, instruction.register_number);
    return (instruction.high_byte ? value >> 8 : value) & ones(instruction.register_size);
}

void write_register(Instruction const& instruction, abi::Registers& registers, u64 value)
{
    u64& whole = general(registers, instruction.register_number);
    whole = instruction.high_byte ? (whole & ~0xff00ull) | (value & 0xff) << 8 : merged(whole, value, instruction.register_size);
}

constexpr u64 carry = 1, parity = 1 << 2, adjust = 1 << 4, zero = 1 << 6, sign = 1 << 7, overflow = 1 << 11;

u64 result_flags(u64 result, u32 bytes)
{
    result &= ones(bytes);
    return (result == 0 ? zero : 0) | (result >> (8 * bytes - 1) ? sign : 0) | (__builtin_parityll(result & 0xff) ? 0 : parity);
}

struct Computed { u64 value, flags; };

// SDM, "Status Flags": a op b.
Computed compute(Operation operation, u64 a, u64 b, u32 bytes)
{
    a &= ones(bytes);
    b &= ones(bytes);
    u64 const top = 8 * bytes - 1;
    switch (operation) {
    case Operation::add: {
        u64 const sum = (a + b) & ones(bytes);
        return {sum, result_flags(sum, bytes) | (sum < a ? carry : 0) | ((a ^ b ^ sum) & adjust) | ((~(a ^ b) & (a ^ sum)) >> top & 1 ? overflow : 0)};
    }
    case Operation::subtract:
    case Operation::compare: {
        u64 const rest = (a - b) & ones(bytes);
        return {rest, result_flags(rest, bytes) | (a < b ? carry : 0) | ((a ^ b ^ rest) & adjust) | (((a ^ b) & (a ^ rest)) >> top & 1 ? overflow : 0)};
    }
    case Operation::bit_or:  return {a | b, result_flags(a | b, bytes)};
    case Operation::bit_xor: return {a ^ b, result_flags(a ^ b, bytes)};
    default:                 return {a & b, result_flags(a & b, bytes)};
    }
}

// ---- strings ----

u64 segment_base(abi::ExecutionState const& state, u32 segment, u32 width)
{
    if (width == 64 && segment < 4)
        return 0;
    switch (segment) {
    case 0:  return state.es_base;
    case 1:  return state.cs_base;
    case 2:  return state.ss_base;
    case 3:  return state.ds_base;
    case 4:  return state.fs_base;
    default: return state.gs_base;
    }
}

constexpr u64 direction_down = 1 << 10;

void advance(u64& index, u32 by, u32 address_size, u64 flags)
{
    index = merged(index, (flags & direction_down) ? index - by : index + by, address_size);
}

// One element done: -> whether the instruction is. A repeated one counts down, and runs again while something is left.
Next after_element(bool repeat, u32 address_size, abi::Registers& registers)
{
    if (!repeat)
        return Next::skip;
    registers.rcx = merged(registers.rcx, registers.rcx - 1, address_size);
    return registers.rcx & ones(address_size) ? Next::retry : Next::skip;
}

// Linear address of a string's element.
u64 element_address(abi::ExecutionState const& state, u32 segment, u64 index, u32 address_size, u32 width)
{
    u64 const linear = segment_base(state, segment, width) + (index & ones(address_size));
    return width == 64 ? linear : linear & 0xffff'ffff;
}

constexpr bool is_canonical(u64 linear) { return linear + (1ull << 47) < 1ull << 48; }

// Guest physical address of an operand's first byte, or what the guest gets instead.
Result<u64, Emulated> find_operand(GuestMemory const& memory, abi::ExecutionState const& state, u64 linear, Reach reach)
{
    if (!is_canonical(linear))
        return Err(Emulated{Next::general_protection, 0, std::nullopt, ""});
    auto const address = translate(memory, state, linear, reach);
    if (address)
        return *address;
    if (address.error() == Unreachable::outside)
        return Err(impossible("page tables outside its memory"));
    return Err(Emulated{Next::page_fault, page_fault_code(state, reach, address.error()), linear, ""});
}

// A string operand: in RAM, or where the platform answers. Elements never straddle pages here.
struct Operand { GuestMemory const& memory; Platform& platform; u64 address; u32 size; };

void read_operand(Operand const& operand, u64& value)
{
    value = 0;
    if (auto const bytes = operand.memory.span(operand.address, operand.size); !bytes.empty())
        std::memcpy(&value, bytes.data(), operand.size);
    else
        value = operand.platform.read_memory(operand.address, operand.size);
}

void write_operand(Operand const& operand, u64 value)
{
    if (auto const bytes = operand.memory.span(operand.address, operand.size); !bytes.empty())
        std::memcpy(bytes.data(), &value, operand.size);
    else
        operand.platform.write_memory(operand.address, operand.size, value);
}

bool straddles(u64 address, u32 size) { return (address & (page_size - 1)) + size > page_size; }

Emulated emulate_string(GuestMemory const& memory, Platform& platform, abi::ExecutionState const& state, Instruction const& instruction,
                        abi::Registers& registers, u32 width)
{
    u32 const size = instruction.memory_size, address_size = instruction.address_size;
    bool const reads = instruction.operation != Operation::string_store, writes = instruction.operation != Operation::string_load;
    Result<u64, Emulated> source = 0, target = 0;
    if (reads)
        source = find_operand(memory, state, element_address(state, instruction.segment, registers.rsi, address_size, width), Reach::read);
    if (!source)
        return source.error();
    if (writes)
        target = find_operand(memory, state, element_address(state, 0, registers.rdi, address_size, width), Reach::write);
    if (!target)
        return target.error();
    if ((reads && straddles(*source, size)) || (writes && straddles(*target, size)))
        return impossible("a string instruction across pages");

    u64 value = registers.rax;
    if (reads)
        read_operand({memory, platform, *source, size}, value);
    if (writes)
        write_operand({memory, platform, *target, size}, value);
    else
        registers.rax = merged(registers.rax, value, size);
    if (reads)
        advance(registers.rsi, size, address_size, state.rflags);
    if (writes)
        advance(registers.rdi, size, address_size, state.rflags);
    return {after_element(instruction.repeat, address_size, registers), instruction.length, std::nullopt, ""};
}

// The RAM of an element of INS or OUTS, which may lie in two pages.
struct Element {
    std::span<u8> low, high;

    u8& byte(u32 i) const { return i < low.size() ? low[i] : high[i - low.size()]; }
    u32 load(u32 size) const
    {
        u32 value = 0;
        for (u32 i = 0; i < size; i++)
            value |= u32{byte(i)} << 8 * i;
        return value;
    }
    void store(u32 size, u32 value) const
    {
        for (u32 i = 0; i < size; i++)
            byte(i) = static_cast<u8>(value >> 8 * i);
    }
};

Result<std::span<u8>, Emulated> find_ram(GuestMemory const& memory, abi::ExecutionState const& state, u64 linear, u64 size, Reach reach)
{
    auto const bytes = memory.span(TRY(find_operand(memory, state, linear, reach)), size);
    if (bytes.empty())
        return Err(impossible("a string port access to memory that is not there"));
    return bytes;
}

Result<Element, Emulated> find_element(GuestMemory const& memory, abi::ExecutionState const& state, u64 linear, u64 size, Reach reach)
{
    u64 const low = std::min(size, page_size - (linear & (page_size - 1)));
    Element element{TRY(find_ram(memory, state, linear, low, reach)), {}};
    if (low < size)
        element.high = TRY(find_ram(memory, state, linear + low, size - low, reach));
    return element;
}

} // namespace

Emulated emulate_memory(GuestMemory const& memory, Platform& platform, DecodeCache& cache, abi::ExecutionState const& state,
                        abi::MemoryIntercept const& access, abi::Registers& registers)
{
    if (access.is_execute)
        return impossible("it executes outside its memory");
    u32 const width = code_width(state);
    DecodeCache::Entry& known = cache.slot(state.rip);
    std::optional<Instruction> decoded;
    if (!known.fits(state, width)) [[unlikely]] {
        char const* why = "";
        decoded = find_instruction(memory, known, state, width, why);
        if (!decoded)
            return impossible(why);
    }
    Instruction const& instruction = decoded ? *decoded : known.instruction;

    u32 const size = instruction.memory_size;
    u64 const source = instruction.immediate_source ? instruction.immediate : read_register(instruction, registers);
    Emulated done{Next::skip, instruction.length, std::nullopt, ""};
    switch (instruction.operation) {
    case Operation::load:
        write_register(instruction, registers, platform.read_memory(access.address, size));
        return done;
    case Operation::load_signed:
        write_register(instruction, registers, sign_extended(platform.read_memory(access.address, size), size));
        return done;
    case Operation::store:
        platform.write_memory(access.address, size, source & ones(size));
        return done;
    case Operation::exchange: {
        u64 const old = platform.read_memory(access.address, size);
        platform.write_memory(access.address, size, source);
        write_register(instruction, registers, old);
        return done;
    }
    case Operation::string_store:
    case Operation::string_move:
    case Operation::string_load:
        return emulate_string(memory, platform, state, instruction, registers, width);
    default:
        break;
    }
    u64 const old = platform.read_memory(access.address, size);
    bool const memory_first = instruction.memory_is_target;
    Computed const result = compute(instruction.operation, memory_first ? old : source, memory_first ? source : old, size);
    done.value = result.flags;
    if (instruction.operation != Operation::compare && instruction.operation != Operation::test) {
        if (memory_first)
            platform.write_memory(access.address, size, result.value);
        else
            write_register(instruction, registers, result.value);
    }
    return done;
}

Emulated emulate_port_string(GuestMemory const& memory, Platform& platform, abi::ExecutionState const& state,
                             abi::PortIntercept const& access, abi::Registers& registers)
{
    constexpr u32 elements_at_once = 256;             // then the guest is entered again: interrupts and its slice count
    u32 const size = access.size, address_size = access.address_size, width = code_width(state);
    if ((size != 1 && size != 2 && size != 4) || (address_size != 2 && address_size != 4 && address_size != 8))
        return impossible("a string port access of unknown width");
    if (access.is_rep && !(registers.rcx & ones(address_size)))
        return {Next::skip, 0, std::nullopt, ""};

    u64& index = access.is_input ? registers.rdi : registers.rsi;
    u32 const segment = access.is_input ? 0 : access.segment;
    for (u32 done = 0; done < elements_at_once; done++) {
        // Before the port is touched: an access that faults has no effect.
        auto const element = find_element(memory, state, element_address(state, segment, index, address_size, width), size, access.is_input ? Reach::write : Reach::read);
        if (!element)
            return element.error();
        if (access.is_input)
            element->store(size, platform.read_port(access.port, size));
        else
            platform.write_port(access.port, size, element->load(size));
        advance(index, size, address_size, state.rflags);
        if (after_element(access.is_rep, address_size, registers) == Next::skip)
            return {Next::skip, 0, std::nullopt, ""};
    }
    return {Next::retry, 0, std::nullopt, ""};
}

} // namespace kennel::service
