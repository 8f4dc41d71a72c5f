-- SPDX-License-Identifier: GPL-2.0-or-later
-- What was once read from a binary: question is line, name or at, subject the address in hex or the name,
-- answer the JSON that symbols/image.py writes.
CREATE TABLE answer (
    build_id TEXT NOT NULL,
    question TEXT NOT NULL,
    subject TEXT NOT NULL,
    answer TEXT NOT NULL,
    PRIMARY KEY (build_id, question, subject)
) WITHOUT ROWID, STRICT;
