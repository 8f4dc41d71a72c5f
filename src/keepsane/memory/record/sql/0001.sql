-- SPDX-License-Identifier: GPL-2.0-or-later
-- A record of a machine's memory. chunk holds about ten minutes of samples in one body, sample those of the
-- newest minutes, one each. memory/chunk.py writes and reads the bodies of both. Times are seconds since 1970.
CREATE TABLE chunk (
    number INTEGER PRIMARY KEY,
    began_seconds REAL NOT NULL,
    ended_seconds REAL NOT NULL,
    body BLOB NOT NULL
) STRICT;
CREATE TABLE sample (
    number INTEGER PRIMARY KEY,
    body BLOB NOT NULL
) STRICT;
