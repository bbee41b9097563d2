/* SPDX-License-Identifier: ISC
 * Runs a fuzz target over the files of its corpus folder (and over nothing, and one byte at a time prefixes),
 * where no fuzzing engine is linked. */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void run_file(const char *path)
{
	struct stat st;
	FILE *f = fopen(path, "rb");
	uint8_t *data;
	size_t n, step;

	if (!f || fstat(fileno(f), &st) < 0 || !S_ISREG(st.st_mode)) {
		if (f)
			(void)fclose(f);
		return;
	}
	data = malloc((size_t)st.st_size + 1);
	if (!data)
		abort();
	n = fread(data, 1, (size_t)st.st_size, f);
	(void)fclose(f);
	step = n / 64 + 1;
	for (size_t cut = 0; cut < n; cut += step) {
		/* An exact-size copy, so that a sanitizer sees a read past the end. */
		uint8_t *copy = malloc(cut ? cut : 1);

		if (!copy)
			abort();
		memcpy(copy, data, cut);
		(void)LLVMFuzzerTestOneInput(copy, cut);
		free(copy);
	}
	(void)LLVMFuzzerTestOneInput(data, n);
	free(data);
}

int main(int argc, char **argv)
{
	size_t files = 0;

	(void)LLVMFuzzerTestOneInput((const uint8_t *)"", 0);
	for (int i = 1; i < argc; i++) {
		DIR *dir = opendir(argv[i]);
		struct dirent *e;

		if (!dir) {
			fprintf(stderr, "%s: no such corpus folder\n", argv[i]);
			return 1;
		}
		while ((e = readdir(dir))) {
			char path[4096]; /* PATH_MAX */

			(void)snprintf(path, sizeof path, "%s/%s", argv[i], e->d_name);
			run_file(path);
			files++;
		}
		(void)closedir(dir);
	}
	printf("%zu corpus entries\n", files);
	return 0;
}
