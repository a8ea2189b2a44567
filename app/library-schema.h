/* library-schema.h - what the library's file looks like, step by step
 *
 * Step i brings a file from PRAGMA user_version i to i + 1. A step that was released never changes.
 * features: what the JSON of a scene leaves out, for each object of it that has some: u32 id, u32 n, f32 mean color [3],
 * f32 feature [n], little-endian. Times are microseconds since 1970; lists of ids and links are JSON, as `ask --json` writes them.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#pragma once

static const char *const library_steps[] = {
  /* 1: pictures and what was found and said */
  "CREATE TABLE pictures ("
  "  id INTEGER PRIMARY KEY,"
  "  hash TEXT NOT NULL UNIQUE,"
  "  name TEXT NOT NULL,"
  "  path BLOB,"
  "  opened INTEGER NOT NULL);"
  "CREATE INDEX pictures_by_time ON pictures (opened);"
  "CREATE TABLE analyses ("
  "  id INTEGER PRIMARY KEY,"
  "  picture INTEGER NOT NULL REFERENCES pictures (id) ON DELETE CASCADE,"
  "  bundle TEXT NOT NULL,"
  "  scene TEXT NOT NULL,"
  "  features BLOB,"
  "  complete INTEGER NOT NULL,"
  "  made INTEGER NOT NULL,"
  "  UNIQUE (picture, bundle));"
  "CREATE TABLE conversations ("
  "  id INTEGER PRIMARY KEY,"
  "  picture INTEGER NOT NULL REFERENCES pictures (id) ON DELETE CASCADE,"
  "  started INTEGER NOT NULL);"
  "CREATE INDEX conversations_by_picture ON conversations (picture);"
  "CREATE TABLE turns ("
  "  id INTEGER PRIMARY KEY,"
  "  key TEXT NOT NULL UNIQUE,"
  "  conversation INTEGER NOT NULL REFERENCES conversations (id) ON DELETE CASCADE,"
  "  place INTEGER NOT NULL,"
  "  asked INTEGER NOT NULL,"
  "  question TEXT NOT NULL,"
  "  chips TEXT NOT NULL,"
  "  answer TEXT NOT NULL,"
  "  links TEXT NOT NULL,"
  "  evidence TEXT NOT NULL,"
  "  prompt TEXT,"
  "  finished INTEGER NOT NULL,"
  "  stopped INTEGER NOT NULL,"
  "  soft_tokens INTEGER NOT NULL,"
  "  prompt_tokens INTEGER NOT NULL,"
  "  answer_tokens INTEGER NOT NULL,"
  "  first_token_ms REAL NOT NULL,"
  "  total_ms REAL NOT NULL);"
  "CREATE INDEX turns_by_place ON turns (conversation, place);",

  /* 2: words of questions and answers; the text itself stays in turns */
  "CREATE VIRTUAL TABLE search USING fts5 (question, answer, content='turns', content_rowid='id', tokenize='unicode61 remove_diacritics 2');"
  "CREATE TRIGGER turns_added AFTER INSERT ON turns BEGIN"
  "  INSERT INTO search (rowid, question, answer) VALUES (new.id, new.question, new.answer);"
  "END;"
  "CREATE TRIGGER turns_deleted AFTER DELETE ON turns BEGIN"
  "  INSERT INTO search (search, rowid, question, answer) VALUES ('delete', old.id, old.question, old.answer);"
  "END;"
  "CREATE TRIGGER turns_changed AFTER UPDATE OF question, answer ON turns BEGIN"
  "  INSERT INTO search (search, rowid, question, answer) VALUES ('delete', old.id, old.question, old.answer);"
  "  INSERT INTO search (rowid, question, answer) VALUES (new.id, new.question, new.answer);"
  "END;"
  "INSERT INTO search (search) VALUES ('rebuild');",

  /* 3: what a person changed in the objects, as descry_edits_to_json() writes it */
  "ALTER TABLE pictures ADD COLUMN edits TEXT;",

  /* 4: DescryEngineStatus.models at the time */
  "ALTER TABLE analyses ADD COLUMN models TEXT;",
};

#define LIBRARY_VERSION ((int) G_N_ELEMENTS (library_steps))
