-- SPDX-License-Identifier: GPL-2.0-or-later
-- What machines were offered, what they booted, and what is being made for them. Times are seconds since 1970.
-- An offer is booted once; offering a build again is another offer.
CREATE TABLE offer (
    number INTEGER PRIMARY KEY,
    machine TEXT NOT NULL,
    build TEXT NOT NULL,
    offered_seconds REAL NOT NULL
) STRICT;
-- A run of make. line is the last one it wrote, errors are its compiler's first.
CREATE TABLE making (
    number INTEGER PRIMARY KEY,
    machine TEXT NOT NULL,
    tree TEXT NOT NULL,
    began_seconds REAL NOT NULL,
    ended_seconds REAL,
    state TEXT NOT NULL CHECK (state IN ('running', 'failed', 'published')),
    line TEXT NOT NULL DEFAULT '',
    errors TEXT NOT NULL DEFAULT ''
) STRICT;
-- A boot: every file of it was taken. offer is null for a build that was chosen in the menu.
CREATE TABLE boot (
    nonce TEXT PRIMARY KEY,
    machine TEXT NOT NULL,
    build TEXT NOT NULL,
    offer INTEGER,
    command_line TEXT NOT NULL,
    address TEXT NOT NULL,
    taken_seconds REAL NOT NULL,
    back_seconds REAL
) STRICT;
CREATE TABLE good (
    machine TEXT PRIMARY KEY,
    build TEXT NOT NULL,
    since_seconds REAL NOT NULL
) STRICT;
CREATE INDEX offer_of ON offer (machine, number);
CREATE INDEX making_of ON making (machine, number);
CREATE INDEX boot_of ON boot (machine, taken_seconds);
