/* SPDX-License-Identifier: ISC
 * The arguments of SORT and THREAD. */
#include "mail/imap_sort.h"

static const char *const key_names[] = {
    [IMAP_SORT_ARRIVAL] = "ARRIVAL",
    [IMAP_SORT_CC] = "CC",
    [IMAP_SORT_DATE] = "DATE",
    [IMAP_SORT_FROM] = "FROM",
    [IMAP_SORT_SIZE] = "SIZE",
    [IMAP_SORT_SUBJECT] = "SUBJECT",
    [IMAP_SORT_TO] = "TO",
    [IMAP_SORT_DISPLAYFROM] = "DISPLAYFROM",
    [IMAP_SORT_DISPLAYTO] = "DISPLAYTO",
};

static const char *const algorithm_names[] = {
    [IMAP_THREAD_REFERENCES] = "REFERENCES",
    [IMAP_THREAD_ORDEREDSUBJECT] = "ORDEREDSUBJECT",
};

static bool find(const struct imap_arg *arg, const char *const *names, size_t n, size_t *ret)
{
	for (*ret = 0; *ret < n; ++*ret)
		if (imap_arg_is(arg, names[*ret]))
			return true;
	return false;
}

static bool fail(const char **ret_error, const char *error)
{
	*ret_error = error;
	return false;
}

/* sort-criteria = "(" sort-criterion *(SP sort-criterion) ")" */
static bool parse_criteria(const struct imap_arg *arg, struct imap_sort *ret, const char **ret_error)
{
	const struct imap_arg *at;

	if (!imap_arg_list(arg, &at) || !at)
		return fail(ret_error, "Missing sort criteria");
	for (ret->count = 0; at; at = at->next) {
		bool reverse = imap_arg_is(at, "REVERSE");
		size_t key;

		if (reverse)
			at = at->next;
		if (!find(at, key_names, ARRAY_LEN(key_names), &key))
			return fail(ret_error, "Unknown sort criterion");
		if (ret->count == IMAP_SORT_CRITERIA_MAX)
			return fail(ret_error, "Too many sort criteria");
		ret->criteria[ret->count].key = (enum imap_sort_key)key;
		ret->criteria[ret->count++].reverse = reverse;
	}
	return true;
}

bool imap_sort_parse(const struct imap_arg *arg, struct arena *a, struct imap_sort *ret, const char **ret_error)
{
	return parse_criteria(arg, ret, ret_error) && imap_search_parse_criteria(arg->next, a, &ret->search, ret_error);
}

bool imap_thread_parse(const struct imap_arg *arg, struct arena *a, struct imap_thread *ret, const char **ret_error)
{
	size_t algorithm;

	if (!find(arg, algorithm_names, ARRAY_LEN(algorithm_names), &algorithm))
		return fail(ret_error, "Unknown threading algorithm");
	ret->algorithm = (enum imap_thread_algorithm)algorithm;
	return imap_search_parse_criteria(arg->next, a, &ret->search, ret_error);
}
