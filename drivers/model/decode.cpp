// SPDX-License-Identifier: Apache-2.0
//
// See decode.hpp. Opcodes: SDM, "Opcode Map", one-byte and two-byte tables.
#include "drivers/model/decode.hpp"
#pragma clang diagnostic push
#pragma clang diagnostic ignored "-Weverything"
#include <Zydis/Decoder.h>
#pragma clang diagnostic pop

namespace kennel::service {

namespace {

constexpr u8 accumulator = 0;

// The arithmetic row of an opcode or of a group's ModRM.reg: ADD OR ADC SBB AND SUB XOR CMP.
std::optional<Operation> arithmetic(u32 row)
{
    switch (row) {
    case 0: return Operation::add;
    case 1: return Operation::bit_or;
    case 4: return Operation::bit_and;
    case 5: return Operation::subtract;
    case 6: return Operation::bit_xor;
    case 7: return Operation::compare;
    default: return std::nullopt;                     // with carry: nobody does that to a device
    }
}

// What an opcode says, before sizes and registers.
struct Form {
    Operation operation;
    bool byte;                // operand of one byte
    bool target_memory = true;
    bool immediate = false;
    bool takes_modrm = true;
};

std::optional<Form> one_byte_form(u8 opcode, u8 modrm_reg)
{
    bool const byte = !(opcode & 1);
    if (opcode < 0x40 && (opcode & 7) < 4) {          // op r/m,r and op r,r/m
        auto const operation = arithmetic(opcode >> 3);
        return operation ? std::optional{Form{*operation, byte, !(opcode & 2)}} : std::nullopt;
    }
    switch (opcode) {
    case 0x63:            return Form{Operation::load_signed, false, false};
    case 0x80: case 0x81: case 0x83: {
        auto const operation = arithmetic(modrm_reg);
        return operation ? std::optional{Form{*operation, byte, true, true}} : std::nullopt;
    }
    case 0x84: case 0x85: return Form{Operation::test, byte};
    case 0x86: case 0x87: return Form{Operation::exchange, byte};
    case 0x88: case 0x89: return Form{Operation::store, byte};
    case 0x8a: case 0x8b: return Form{Operation::load, byte, false};
    case 0xa0: case 0xa1: return Form{Operation::load, byte, false, false, false};
    case 0xa2: case 0xa3: return Form{Operation::store, byte, true, false, false};
    case 0xa4: case 0xa5: return Form{Operation::string_move, byte, true, false, false};
    case 0xaa: case 0xab: return Form{Operation::string_store, byte, true, false, false};
    case 0xac: case 0xad: return Form{Operation::string_load, byte, false, false, false};
    case 0xc6: case 0xc7: return modrm_reg == 0 ? std::optional{Form{Operation::store, byte, true, true}} : std::nullopt;
    case 0xf6: case 0xf7: return modrm_reg <= 1 ? std::optional{Form{Operation::test, byte, true, true}} : std::nullopt;
    default:              return std::nullopt;
    }
}

struct Prefixes { bool repeat = false, rex = false, operand_size = false; u8 segment = 3; };

Prefixes prefixes_of(ZydisDecodedInstruction const& decoded)
{
    Prefixes found;
    for (u32 i = 0; i < decoded.raw.prefix_count; i++)
        switch (decoded.raw.prefixes[i].value) {
        case 0xf2: case 0xf3: found.repeat = true; break;
        case 0x26: found.segment = 0; break;          // in 64-bit mode these four have base 0 anyway
        case 0x2e: found.segment = 1; break;
        case 0x36: found.segment = 2; break;
        case 0x3e: found.segment = 3; break;
        case 0x64: found.segment = 4; break;
        case 0x65: found.segment = 5; break;
        case 0x66: found.operand_size = true; break;
        default:   found.rex |= (decoded.raw.prefixes[i].value & 0xf0) == 0x40; break;
        }
    return found;
}

} // namespace

std::optional<Instruction> decode(std::span<u8 const> bytes, u32 width)
{
    ZydisDecoder decoder;
    ZydisMachineMode const mode = width == 64 ? ZYDIS_MACHINE_MODE_LONG_64 : width == 32 ? ZYDIS_MACHINE_MODE_LONG_COMPAT_32 : ZYDIS_MACHINE_MODE_LEGACY_16;
    ZydisStackWidth const stack = width == 64 ? ZYDIS_STACK_WIDTH_64 : width == 32 ? ZYDIS_STACK_WIDTH_32 : ZYDIS_STACK_WIDTH_16;
    ZydisDecodedInstruction decoded;
    if (ZYAN_FAILED(ZydisDecoderInit(&decoder, mode, stack)) ||
        ZYAN_FAILED(ZydisDecoderDecodeInstruction(&decoder, nullptr, bytes.data(), bytes.size(), &decoded)))
        return std::nullopt;
    if (decoded.encoding != ZYDIS_INSTRUCTION_ENCODING_LEGACY || decoded.length > max_instruction_bytes)
        return std::nullopt;

    Prefixes const prefixes = prefixes_of(decoded);
    // SDM, "Operand Size and Address Size": REX.W, else the code's width, which 0x66 swaps with the other one.
    u8 const operand = decoded.raw.rex.W ? 8 : (width == 16) == prefixes.operand_size ? 4 : 2;

    Instruction result{};
    result.length = decoded.length;
    result.address_size = static_cast<u8>(decoded.address_width / 8);
    result.segment = prefixes.segment;
    result.repeat = prefixes.repeat;
    result.immediate = decoded.raw.imm[0].value.u;
    bool takes_modrm = true;

    if (decoded.opcode_map == ZYDIS_OPCODE_MAP_0F) {
        // MOVZX and MOVSX: a byte or a word into a register of the operand size. MOVNTI: how Linux writes to persistent memory.
        u8 const opcode = decoded.opcode;
        bool const extends = opcode == 0xb6 || opcode == 0xb7 || opcode == 0xbe || opcode == 0xbf;
        if (!extends && opcode != 0xc3)
            return std::nullopt;
        result.operation = !extends ? Operation::store : opcode < 0xb8 ? Operation::load : Operation::load_signed;
        result.memory_size = extends ? opcode & 1 ? 2 : 1 : decoded.raw.rex.W ? 8 : 4;
        result.register_size = extends ? operand : result.memory_size;
    } else if (decoded.opcode_map == ZYDIS_OPCODE_MAP_DEFAULT) {
        auto const form = one_byte_form(decoded.opcode, decoded.raw.modrm.reg & 7);
        if (!form)
            return std::nullopt;
        result.operation = form->operation;
        result.memory_is_target = form->target_memory;
        result.immediate_source = form->immediate;
        result.memory_size = result.register_size = form->byte ? 1 : operand;
        takes_modrm = form->takes_modrm;
        if (decoded.opcode == 0x63) {
            if (width != 64)
                return std::nullopt;                  // ARPL
            result.memory_size = 4;
        }
    } else {
        return std::nullopt;
    }

    if (!takes_modrm) {
        result.register_number = accumulator;
        return result;
    }
    if (decoded.raw.modrm.mod == 3)
        return std::nullopt;                          // no operand in memory: not what was intercepted
    u32 const number = (decoded.raw.modrm.reg & 7u) | (decoded.raw.rex.R ? 8u : 0u);
    result.register_number = static_cast<u8>(number);
    bool const byte_register = result.register_size == 1 && !result.immediate_source;
    if (byte_register && !prefixes.rex && number >= 4) {
        result.high_byte = true;
        result.register_number = static_cast<u8>(number - 4);
    }
    return result;
}

} // namespace kennel::service
