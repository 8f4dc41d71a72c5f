// SPDX-License-Identifier: GPL-2.0-or-later
#include "tiny.h"

#define CMD_LINE_PTR 0x228 /* of the header in header.S, which a boot loader fills in */
#define COMMAND_LINE_SIZE 2048

char command_line[COMMAND_LINE_SIZE];

/* Copies it: where it lies is the boot loader's memory. */
void read_command_line(const uint8_t *boot_params)
{
	uint32_t at = *(const uint32_t *)((uint64_t)boot_params + BASE + CMD_LINE_PTR);
	const char *text = (const char *)(at + BASE);

	for (int i = 0; at && text[i] && i < COMMAND_LINE_SIZE - 1; i++)
		command_line[i] = text[i];
}

/* Gives what stands behind NAME= there, or NULL; the last one counts, as it does in Linux. */
const char *command_line_value(const char *name)
{
	const char *found = NULL;

	for (const char *word = command_line; *word; word++) {
		int i = 0;

		if (word != command_line && word[-1] != ' ')
			continue;
		while (name[i] && word[i] == name[i])
			i++;
		if (!name[i] && word[i] == '=')
			found = word + i + 1;
	}
	return found;
}
