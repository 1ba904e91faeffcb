/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Arguments and results of Node-API functions, for the two files that define some: addon.c (system
 * calls) and packetdoor.c (the packet plane).
 */
#pragma once
#define NAPI_VERSION 9
#include <errno.h>
#include <node_api.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MAX_ARGUMENTS 16

struct arguments {
	size_t count;
	napi_value value[MAX_ARGUMENTS];
};

struct bytes {
	void *data;
	size_t length;
};

static inline struct arguments arguments_of(napi_env env, napi_callback_info info)
{
	struct arguments a = {.count = MAX_ARGUMENTS};
	napi_get_cb_info(env, info, &a.count, a.value, NULL, NULL);
	return a;
}

/* An argument of another type becomes -1 or no bytes, which the system calls refuse. */
static inline int64_t int_of(napi_env env, napi_value value)
{
	int64_t n;
	return napi_get_value_int64(env, value, &n) == napi_ok ? n : -1;
}

static inline struct bytes bytes_of(napi_env env, napi_value value)
{
	struct bytes b = {0};
	napi_typedarray_type type;
	if (napi_get_typedarray_info(env, value, &type, &b.length, &b.data, NULL, NULL) != napi_ok ||
	    type != napi_uint8_array)
		return (struct bytes){0};
	return b;
}

static inline napi_value number(napi_env env, int64_t n)
{
	napi_value value = NULL;
	napi_create_int64(env, n, &value);
	return value;
}

static inline napi_value outcome(napi_env env, long result)
{
	return number(env, result < 0 ? -errno : result);
}

/* Pages from `page` on of a map or a file in memory, as an ArrayBuffer. */
napi_value mapped(napi_env env, int fd, size_t length, bool writable, long page);

/* What packetdoor.c adds to the addon. */
void export_packet(napi_env env, napi_value exports);
void export_function(napi_env env, napi_value exports, const char *name, napi_callback call);
