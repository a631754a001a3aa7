// The byte alphabet of GPT-2 (Radford et al. 2019, encoder.py, bytes_to_unicode): every byte has a
// printable character as its alias, so that byte strings can be written as text. Pure functions,
// thread-safe.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace assay::tokenizer {

// The alias of a byte, as UTF-8 of one or two bytes.
std::string_view ByteAlias(unsigned char byte);

std::string BytesToAliases(std::string_view bytes);

// The bytes that the aliases stand for, or nothing when a character is no alias.
std::optional<std::string> AliasesToBytes(std::string_view aliases);

// The bytes in the order of their aliases' code points: the order in which trainers number them.
std::array<unsigned char, 256> BytesInAliasOrder();

}  // namespace assay::tokenizer
