// SPDX-License-Identifier: Apache-2.0
//
// From the bytes of an instruction that touched a device to what it does. Zydis decodes (minimal mode: length, opcode,
// ModRM, prefixes, immediate); this file knows which of all instructions a driver uses on registers of devices.
// Where the operand in memory lies need not be known: the intercept says it.
#pragma once
#include "hv/lib/types.hpp"
#include <optional>
#include <span>

namespace kennel::service {

enum class Operation : u8 {
    load,           // register = memory
    load_signed,    // the same, sign-extended (MOVSX, MOVSXD)
    store,          // memory = register or immediate
    exchange,       // XCHG
    add, bit_or, bit_and, subtract, bit_xor, compare,   // memory = memory op source, or register = register op memory
    test,           // memory & source, flags only
    string_store,   // STOS
    string_move,    // MOVS
    string_load,    // LODS
};

struct Instruction {
    Operation operation;
    u8   length;              // bytes
    u8   memory_size;         // bytes of the access: 1, 2, 4, 8
    u8   register_size;       // bytes of the register operand; loads of 4 clear the upper half
    u8   register_number;     // in encoding order
    u8   address_size;        // bytes, for string instructions
    u8   segment;             // string source: index as in `segment_base`; 3 (DS) unless overridden
    bool high_byte;           // AH, CH, DH, BH
    bool immediate_source;
    bool memory_is_target;    // of an operation that has a result
    bool repeat;              // REP, REPE or REPNE
    u64  immediate;           // sign-extended
};

inline constexpr usize max_instruction_bytes = 15;

// `width`: 16, 32 or 64. Nothing: too few bytes, invalid, or not one of ours.
std::optional<Instruction> decode(std::span<u8 const> bytes, u32 width);

} // namespace kennel::service
