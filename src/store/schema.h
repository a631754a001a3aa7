// The tables of a run's database and how older ones are brought up to date. Internal to store.
// To change the schema: append a migration to kMigrations; never edit one that a released version
// has applied.
#pragma once

#include <span>

#include "store/sqlite.h"

namespace assay::store {

// In the header of every run file, so that other databases are told apart: "Asay".
inline constexpr int kApplicationId = 0x41736179;

struct Migration {
  int version;      // of the schema afterwards; one more than before
  const char* sql;  // statements without parameters
};

// From an empty database to the newest schema.
std::span<const Migration> Migrations();

// Throws kBadInput if the file is no run of ours or its schema is newer than the last of
// `migrations`. Returns the file's schema version.
int CheckedVersion(Connection& connection, std::span<const Migration> migrations);

// Applies what is missing, each migration in its own transaction. Throws like CheckedVersion; a
// migration that fails leaves the file as the one before it did.
void Migrate(Connection& connection, std::span<const Migration> migrations);

}  // namespace assay::store
