-- SPDX-License-Identifier: GPL-2.0-or-later
-- What a file says of itself, its build-id, is no longer what its answers are kept under: file names device, inode,
-- change time and size (symbols/image.py, Image.key). checksum is of the whole row (symbols/cache.py): what the
-- disk changed is not taken for an answer.
DROP TABLE answer;
CREATE TABLE answer (
    file TEXT NOT NULL,
    question TEXT NOT NULL,
    subject TEXT NOT NULL,
    answer TEXT NOT NULL,
    checksum BLOB NOT NULL,
    PRIMARY KEY (file, question, subject)
) WITHOUT ROWID, STRICT;
