-- SPDX-License-Identifier: GPL-2.0-or-later
-- What was once read from a binary: question is lines, name or at, subject a page of addresses in hex, a name
-- or an address in hex, answer the JSON that symbols/pages.py and symbols/image.py write.
CREATE TABLE answer (
    build_id TEXT NOT NULL,
    question TEXT NOT NULL,
    subject TEXT NOT NULL,
    answer TEXT NOT NULL,
    PRIMARY KEY (build_id, question, subject)
) WITHOUT ROWID, STRICT;
