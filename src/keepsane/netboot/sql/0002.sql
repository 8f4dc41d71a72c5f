-- SPDX-License-Identifier: GPL-2.0-or-later
-- What became of each boot. 'provisional': every byte was taken, nothing was heard since; 'void': iPXE says that
-- bytes got lost, so that it counts as not booted; 'refused': iPXE could not start it, and why says so.
ALTER TABLE boot ADD COLUMN outcome TEXT NOT NULL DEFAULT 'provisional'
    CHECK (outcome IN ('provisional', 'running', 'back', 'refused', 'void'));
ALTER TABLE boot ADD COLUMN why TEXT NOT NULL DEFAULT '';
-- What a good kernel was booted for: 'making 12' that failed, or 'boot 0123...' that missed its mark.
ALTER TABLE boot ADD COLUMN cause TEXT NOT NULL DEFAULT '';
-- When the machine asked the first time, when it got the script that boots, when its console showed the mark.
ALTER TABLE boot ADD COLUMN asked_seconds REAL;
ALTER TABLE boot ADD COLUMN script_seconds REAL;
ALTER TABLE boot ADD COLUMN marked_seconds REAL;
-- The console's log and what was made of it; what the machine kept of its own log, and posted later.
ALTER TABLE boot ADD COLUMN log TEXT NOT NULL DEFAULT '';
ALTER TABLE boot ADD COLUMN verdict TEXT NOT NULL DEFAULT '';
ALTER TABLE boot ADD COLUMN posted_bytes INTEGER;
UPDATE boot SET outcome = 'back' WHERE back_seconds IS NOT NULL;
CREATE TABLE boot_file (
    nonce TEXT NOT NULL,
    name TEXT NOT NULL,
    size_bytes INTEGER NOT NULL,
    first_seconds REAL NOT NULL,
    last_seconds REAL NOT NULL,
    PRIMARY KEY (nonce, name)
) STRICT;
CREATE TABLE pin (
    build TEXT PRIMARY KEY,
    since_seconds REAL NOT NULL
) STRICT;
-- Network cards that ask and are no machine's.
CREATE TABLE candidate (
    mac TEXT PRIMARY KEY,
    address TEXT NOT NULL,
    first_seconds REAL NOT NULL,
    last_seconds REAL NOT NULL
) STRICT;
-- What is made: the commit as `1f3a9c02 usb: mend it`; and who makes it, by host, process and its start in ticks.
ALTER TABLE making ADD COLUMN revision TEXT NOT NULL DEFAULT '';
ALTER TABLE making ADD COLUMN host TEXT NOT NULL DEFAULT '';
ALTER TABLE making ADD COLUMN pid INTEGER;
ALTER TABLE making ADD COLUMN pid_start_ticks INTEGER;
