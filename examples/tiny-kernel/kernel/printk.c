// SPDX-License-Identifier: GPL-2.0-or-later
#include "tiny.h"

static char line[4096];
static size_t used;

static void put(char letter)
{
	if (used < sizeof(line) - 1)
		line[used++] = letter;
}

static void put_text(const char *text)
{
	while (*text)
		put(*text++);
}

static void put_number(uint64_t value, unsigned int base, unsigned int width, char fill)
{
	char digits[20];
	unsigned int count = 0;

	do {
		digits[count++] = "0123456789abcdef"[value % base];
		value /= base;
	} while (value);
	for (unsigned int i = count; i < width; i++)
		put(fill);
	while (count)
		put(digits[--count]);
}

/* Takes %s, %lu and %lx, with a width and a 0 in front of it: no more is needed here. */
static void put_format(const char *format, va_list values)
{
	for (; *format; format++) {
		unsigned int width = 0;
		char fill = ' ';

		if (*format != '%') {
			put(*format);
			continue;
		}
		if (*++format == '0')
			fill = *format++;
		while (*format >= '0' && *format <= '9')
			width = 10 * width + *format++ - '0';
		if (*format == 's')
			put_text(va_arg(values, const char *));
		else
			put_number(va_arg(values, uint64_t), *++format == 'x' ? 16 : 10, width, fill);
	}
}

void printk(const char *format, ...)
{
	uint64_t now = microseconds();
	va_list values;

	used = 0;
	put('[');
	put_number(now / 1000000, 10, 5, ' ');
	put('.');
	put_number(now % 1000000, 10, 6, '0');
	put_text("] ");
	va_start(values, format);
	put_format(format, values);
	va_end(values);
	put('\n');
	line[used] = 0;
	serial_write(line);
}
