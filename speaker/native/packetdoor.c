/* SPDX-License-Identifier: Apache-2.0 */
/* The packet plane (packet.h) as functions of the addon; see the head of addon.c. */
#include "door.h"
#include <stdlib.h>
#include "packet.h"

/* A packet plane ends with packetClose or with its environment, whichever is first. */
static void end_plane(void *data)
{
	struct packet **plane = data;
	if (*plane)
		packet_close(*plane);
	*plane = NULL;
}

static void forget_plane(napi_env env, void *data, void *hint)
{
	(void)hint;
	napi_remove_env_cleanup_hook(env, end_plane, data);
	end_plane(data);
	free(data);
}

static napi_value packet_opened(napi_env env, napi_callback_info info)
{
	(void)info;
	napi_value handle;
	struct packet **plane = calloc(1, sizeof *plane);
	int failed = plane ? packet_open(plane) : -ENOMEM;
	if (failed) {
		free(plane);
		return number(env, failed);
	}
	napi_add_env_cleanup_hook(env, end_plane, plane);
	napi_create_external(env, plane, forget_plane, NULL, &handle);
	return handle;
}

/* The first argument; NULL if it is no plane, or one that was closed. */
static struct packet *plane_of(napi_env env, const struct arguments *a)
{
	void *plane;
	if (napi_get_value_external(env, a->value[0], &plane) != napi_ok)
		return NULL;
	return *(struct packet **)plane;
}

static napi_value packet_shared(napi_env env, napi_callback_info info)
{
	struct arguments a = arguments_of(env, info);
	struct packet *p = plane_of(env, &a);
	size_t length;
	if (!p)
		return number(env, -EBADF);
	int fd = packet_memory(p, &length);
	return mapped(env, fd, length, true, 0);
}

static napi_value packet_filtered(napi_env env, napi_callback_info info)
{
	struct arguments a = arguments_of(env, info);
	struct packet *p = plane_of(env, &a);
	struct bytes b = bytes_of(env, a.value[2]);
	return number(env, p ? packet_filter(p, int_of(env, a.value[1]), b.data, b.length) : -EBADF);
}

static napi_value packet_changed(napi_env env, napi_callback_info info)
{
	struct arguments a = arguments_of(env, info);
	struct packet *p = plane_of(env, &a);
	struct bytes key = bytes_of(env, a.value[1]), value = bytes_of(env, a.value[2]);
	if (!p)
		return number(env, -EBADF);
	return number(env, packet_set(p, key.data, key.length, value.data, value.length));
}

static napi_value packet_listed(napi_env env, napi_callback_info info)
{
	struct arguments a = arguments_of(env, info);
	struct packet *p = plane_of(env, &a);
	struct bytes b = bytes_of(env, a.value[1]);
	return number(env, p ? packet_vips(p, b.data, b.length) : -EBADF);
}

static napi_value packet_sent(napi_env env, napi_callback_info info)
{
	struct arguments a = arguments_of(env, info);
	struct packet *p = plane_of(env, &a);
	struct bytes b = bytes_of(env, a.value[2]);
	return number(env, p ? packet_send(p, int_of(env, a.value[1]), b.data, b.length) : -EBADF);
}

static napi_value packet_closed(napi_env env, napi_callback_info info)
{
	struct arguments a = arguments_of(env, info);
	void *plane;
	if (napi_get_value_external(env, a.value[0], &plane) != napi_ok)
		return number(env, -EBADF);
	end_plane(plane);
	return number(env, 0);
}

void export_packet(napi_env env, napi_value exports)
{
	export_function(env, exports, "packetOpen", packet_opened);
	export_function(env, exports, "packetClose", packet_closed);
	export_function(env, exports, "packetShared", packet_shared);
	export_function(env, exports, "packetFilter", packet_filtered);
	export_function(env, exports, "packetSet", packet_changed);
	export_function(env, exports, "packetVips", packet_listed);
	export_function(env, exports, "packetSend", packet_sent);
}
