// SPDX-License-Identifier: GPL-2.0-or-later
/* The first serial port of a PC, at 115200 baud, 8 bits, no parity. */
#include "tiny.h"

#define PORT 0x3f8
#define LINE_STATUS (PORT + 5)
#define CAN_SEND 0x20

void serial_init(void)
{
	static const uint8_t values[][2] = { {1, 0}, {3, 0x80}, {0, 1}, {1, 0}, {3, 3}, {2, 7}, {4, 3} };

	for (unsigned int i = 0; i < sizeof(values) / sizeof(*values); i++)
		outb(values[i][1], PORT + values[i][0]);
}

static void serial_putc(char letter)
{
	/* A port that is not there never says that it can. */
	for (int tries = 0; tries < 1000000 && !(inb(LINE_STATUS) & CAN_SEND); tries++)
		asm volatile("pause");
	outb(letter, PORT);
}

void serial_write(const char *text)
{
	for (; *text; text++) {
		if (*text == '\n')
			serial_putc('\r');
		serial_putc(*text);
	}
}
