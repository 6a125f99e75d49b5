"""What all C programs of exports have in common, as text; `c_source` puts in the rest.

A word between at signs stands for what is put in. A program has four parts: what it is, how its
cells lie in memory and take a step (as bits, or one by one), and a main that reads and writes rows.
"""

MARK = "/* A cellular automaton, written by nca "
"""How the source begins."""

HEAD = (
    MARK
    + """@version@ from @name@, as C99.

     cc -O2 -o automaton THIS_FILE
     ./automaton --steps 100 < rows.txt > after.txt
     ./automaton --steps 100 --random 1024x1024 --speed

   A grid is rows of cells, as many in each, @cells@@blocks@.
   It is a torus@rows@. @kind@

@checked@
*/

#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define CHANNELS @channels@
#define STATES @states@

static size_t height, width;

static void fail(const char *what, unsigned long line)
{
    if (line)
        fprintf(stderr, "line %lu: ", line);
    fprintf(stderr, "%s\\n", what);
    exit(1);
}

static void *room(size_t count, size_t size)
{
    void *found = size && count > SIZE_MAX / size ? NULL : calloc(count ? count : 1, size);
    if (!found)
        fail("the grid does not fit into memory", 0);
    return found;
}
"""
)

BITS = """
/* A cell takes BITS bits, each in a plane of its own, 64 cells of a row to a word. Before and
   behind a row stand the cells beyond its ends, RADIUS of them. */
#define RADIUS @radius@
#define BITS @bits@
#define GROUPS @groups@
#define PLANES (CHANNELS * BITS / GROUPS)
#define MARGIN ((RADIUS + 63) / 64)

static uint64_t *now, *next;
static size_t words, stride;

static uint64_t *row(uint64_t *grid, size_t plane, size_t y)
{
    return grid + (plane * height + y) * stride + MARGIN;
}

static const uint64_t *beside(size_t plane, size_t y, long by)
{
    long rows = (long)height;
    return row(now, plane, (size_t)(((long)y + by % rows + rows) % rows));
}

static unsigned bit(const uint64_t *line, size_t x)
{
    return (unsigned)(line[x / 64] >> x % 64 & 1);
}

static void set(uint64_t *line, size_t x, unsigned value)
{
    line[x / 64] = (line[x / 64] & ~((uint64_t)1 << x % 64)) | (uint64_t)value << x % 64;
}

static void make(void)
{
    size_t planes = GROUPS * PLANES;
    words = width / 64 + (width % 64 != 0);
    stride = words + 2 * MARGIN;
    if (height > SIZE_MAX / planes / stride)
        fail("the grid does not fit into memory", 0);
    now = room(planes * height * stride, sizeof *now);
    next = room(planes * height * stride, sizeof *next);
}

static void put(size_t channel, size_t y, size_t x, unsigned state)
{
    for (size_t place = 0; place < BITS; place++)
        set(row(now, channel * BITS + place, y), x, state >> place & 1);
}

static unsigned get(size_t channel, size_t y, size_t x)
{
    unsigned state = 0;
    for (size_t place = 0; place < BITS; place++)
        state |= bit(row(now, channel * BITS + place, y), x) << place;
    return state;
}

static void close_rows(void)
{
    for (size_t line = 0; line < GROUPS * PLANES * height; line++) {
        uint64_t *cells = now + line * stride + MARGIN, *before = cells - MARGIN;
        for (size_t by = 1; by <= RADIUS; by++) {
            set(before, 64 * MARGIN - by, bit(cells, width - 1 - (by - 1) % width));
            set(cells, width - 1 + by, bit(cells, (by - 1) % width));
        }
    }
}

static void step(void)
{
    uint64_t *last = now;
    close_rows();
    for (size_t group = 0; group < GROUPS; group++)
        for (size_t y = 0; y < height; y++) {
@step@
        }
    now = next;
    next = last;
}
"""

CELLS = """
/* A table: the successor of a state, by the sum of the weights of the neighbours that count. */
#define COLUMNS @columns@
#define NEIGHBOURS @neighbours@

static const unsigned char counted[STATES] = {
@counted@
};
static const long offsets[NEIGHBOURS][2] = {
@offsets@
};
static const unsigned long weights[NEIGHBOURS] = {
@weights@
};
static const uint16_t successors[STATES * COLUMNS] = {
@successors@
};

static uint16_t *now, *next;

static void make(void)
{
    if (height > SIZE_MAX / CHANNELS / width)
        fail("the grid does not fit into memory", 0);
    now = room(CHANNELS * height * width, sizeof *now);
    next = room(CHANNELS * height * width, sizeof *next);
}

static void put(size_t channel, size_t y, size_t x, unsigned state)
{
    now[(channel * height + y) * width + x] = (uint16_t)state;
}

static unsigned get(size_t channel, size_t y, size_t x)
{
    return now[(channel * height + y) * width + x];
}

static size_t beside(size_t place, long by, size_t side)
{
    long cells = (long)side;
    return (size_t)(((long)place + by % cells + cells) % cells);
}

static void step(void)
{
    uint16_t *last = now;
    for (size_t channel = 0; channel < CHANNELS; channel++)
        for (size_t y = 0; y < height; y++)
            for (size_t x = 0; x < width; x++) {
                unsigned long sum = 0;
                for (size_t n = 0; n < NEIGHBOURS; n++) {
                    size_t down = beside(y, offsets[n][0], height);
                    size_t right = beside(x, offsets[n][1], width);
                    sum += counted[get(channel, down, right)] * weights[n];
                }
                next[(channel * height + y) * width + x] =
                    successors[get(channel, y, x) * COLUMNS + sum];
            }
    now = next;
    next = last;
}
"""

MAIN = """
static char *text(FILE *file)
{
    size_t length = 0, most = 1 << 16;
    char *found = room(most + 1, 1);
    for (;;) {
        size_t more = fread(found + length, 1, most - length, file);
        length += more;
        if (!more)
            break;
        if (length == most) {
            most *= 2;
            found = realloc(found, most + 1);
            if (!found)
                fail("the grid does not fit into memory", 0);
        }
    }
    if (ferror(file) || memchr(found, 0, length))
        fail("the grid cannot be read: it is no text", 0);
    found[length] = 0;
    return found;
}

/* Return how many cells a line has, and put them where a row of all channels is. */
static size_t line_of(const char **from, unsigned long number, int putting, size_t y)
{
    size_t count = 0;
    const char *at = *from;
    while (*at && *at != '\\n') {
        unsigned long state = 0;
        if (*at == ' ' || *at == '\\t' || *at == '\\r') {
            at++;
            continue;
        }
        if (*at < '0' || *at > '9')
            fail("a cell is no number", number);
        do
            state = state < STATES ? 10 * state + (unsigned long)(*at - '0') : state;
        while (*++at >= '0' && *at <= '9' && STATES > 10);
        if (state >= STATES)
            fail("a cell is in a state that there is not", number);
        if (putting)
            put(y / height, y % height, count, (unsigned)state);
        count++;
    }
    *from = *at ? at + 1 : at;
    return count;
}

static void read_grid(FILE *file)
{
    char *all = text(file);
    for (int putting = 0; putting < 2; putting++) {
        unsigned long number = 0;
        size_t rows = 0;
        for (const char *at = all; *at;) {
            size_t count = line_of(&at, ++number, putting, rows);
            if (count && width && count != width)
                fail("this row is not as long as the first", number);
            width = count ? count : width;
            rows += count != 0;
        }
        if (putting)
            break;
        if (!rows || rows % CHANNELS)
            fail(rows ? "the rows are not as many in each channel" : "there are no cells", 0);
        height = rows / CHANNELS;
        make();
    }
    free(all);
}

static void draw_grid(void)
{
    uint64_t draw = 0x9E3779B97F4A7C15u;
    make();
    for (size_t channel = 0; channel < CHANNELS; channel++)
        for (size_t y = 0; y < height; y++)
            for (size_t x = 0; x < width; x++) {
                draw ^= draw << 13;
                draw ^= draw >> 7;
                draw ^= draw << 17;
                put(channel, y, x, (unsigned)((draw >> 33) % STATES));
            }
}

static void write_grid(void)
{
    for (size_t channel = 0; channel < CHANNELS; channel++) {
        if (channel)
            putchar('\\n');
        for (size_t y = 0; y < height; y++) {
            for (size_t x = 0; x < width; x++)
                printf(STATES > 10 && x ? " %u" : "%u", get(channel, y, x));
            putchar('\\n');
        }
    }
    if (fflush(stdout) || ferror(stdout))
        fail("the grid cannot be written", 0);
}

static unsigned long long whole(const char *given, char end, const char **rest)
{
    char *stop = NULL;
    errno = 0;
    unsigned long long found = *given >= '0' && *given <= '9' ? strtoull(given, &stop, 10) : 0;
    if (!stop || *stop != end || errno || found > 1000000000000ull)
        fail("give --steps a number, and --random two: 64x64", 0);
    if (rest)
        *rest = stop + 1;
    return found;
}

int main(int count, char **given)
{
    unsigned long long steps = 1;
    int speed = 0, drawn = 0;
    const char *name = NULL;
    for (int n = 1; n < count; n++) {
        if (!strcmp(given[n], "--steps") && n + 1 < count) {
            steps = whole(given[++n], 0, NULL);
        } else if (!strcmp(given[n], "--random") && n + 1 < count) {
            const char *rest;
            height = (size_t)whole(given[++n], 'x', &rest);
            width = (size_t)whole(rest, 0, NULL);
            if (!height || !width)
                fail("a grid has one cell or more along each side", 0);
            drawn = 1;
        } else if (!strcmp(given[n], "--speed")) {
            speed = 1;
        } else if (given[n][0] != '-' && !name) {
            name = given[n];
        } else {
            fail("usage: automaton [--steps N] [--random HxW] [--speed] [FILE]", 0);
        }
    }
    if (drawn) {
        draw_grid();
    } else {
        FILE *file = name ? fopen(name, "r") : stdin;
        if (!file)
            fail("the file cannot be opened", 0);
        read_grid(file);
    }
    clock_t begun = clock();
    for (unsigned long long n = 0; n < steps; n++)
        step();
    double seconds = (double)(clock() - begun) / CLOCKS_PER_SEC;
    if (speed)
        printf("%.3g cells a second\\n",
               (double)height * (double)width * (double)steps / (seconds > 0 ? seconds : 1e-9));
    else
        write_grid();
    return 0;
}
"""
