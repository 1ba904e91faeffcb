/*
 * The native door: the system calls that Node does not have, as functions, and no policy.
 *
 *   bpf(cmd, attr, [offset, buffer]...)     bpf(2); each buffer's address goes into attr at offset
 *   mmap(fd, length, writable, [page])      shared memory of a BPF map, as an ArrayBuffer
 *   netlink(protocol, groups)               a bound netlink socket that joined the groups
 *   send(fd, bytes)
 *   receive(fd, bytes, [instantly])         waits at most a second, or not at all
 *   close(fd)
 *   watch(fd, callback), unwatch(handle)    callback() on the event loop when fd can be read
 *   frames(link, protocol, filter)          a packet socket: whole frames of one link, not waiting
 *   packetOpen(), packetClose(plane)        the packet plane (packet.h), in a thread of its own
 *   packetShared(plane)                     its lease, verdicts and slots, as an ArrayBuffer
 *   packetFilter(plane, family, program)    which frames get to it
 *   packetSet(plane, key, [value])          an address or a link; no value removes it
 *   packetVips(plane, entries)              all addresses; returns how many there are
 *   packetSend(plane, link, frame)
 *
 * Every function returns a negative errno instead of throwing, so that TypeScript can say what
 * failed and what to do.
 *
 * Node-API only: one binary serves every Node version. `watch` polls on the loop of the
 * environment that calls it, so everything also works inside a worker thread. The alternative,
 * node-addon-api with node-gyp, needs Python and buys nothing for so few functions.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <linux/filter.h>
#include <linux/if_packet.h>
#include <linux/netlink.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>
#include <uv.h>
#include "door.h"

static napi_value bpf(napi_env env, napi_callback_info info)
{
	struct arguments a = arguments_of(env, info);
	struct bytes attr = bytes_of(env, a.value[1]);
	for (size_t i = 2; i + 1 < a.count && i + 1 < MAX_ARGUMENTS; i += 2) {
		uint64_t offset = int_of(env, a.value[i]);
		uint64_t address = (uintptr_t)bytes_of(env, a.value[i + 1]).data;
		if (attr.length < sizeof address || offset > attr.length - sizeof address)
			return number(env, -EINVAL);
		memcpy((char *)attr.data + offset, &address, sizeof address);
	}
	return outcome(env, syscall(SYS_bpf, int_of(env, a.value[0]), attr.data, attr.length));
}

static void unmap(napi_env env, void *data, void *length)
{
	(void)env;
	munmap(data, (size_t)length);
}

napi_value mapped(napi_env env, int fd, size_t length, bool writable, long page)
{
	int protection = PROT_READ | (writable ? PROT_WRITE : 0);
	off_t at = page * sysconf(_SC_PAGESIZE);
	void *data = mmap(NULL, length, protection, MAP_SHARED, fd, at);
	if (data == MAP_FAILED)
		return outcome(env, -1);
	napi_value buffer;
	if (napi_create_external_arraybuffer(env, data, length, unmap, (void *)length, &buffer)) {
		munmap(data, length);
		return number(env, -ENOMEM);
	}
	return buffer;
}

static napi_value map(napi_env env, napi_callback_info info)
{
	struct arguments a = arguments_of(env, info);
	bool writable = false;
	napi_get_value_bool(env, a.value[2], &writable);
	int64_t page = a.count > 3 ? int_of(env, a.value[3]) : 0;
	return mapped(env, int_of(env, a.value[0]), int_of(env, a.value[1]), writable, page);
}

/* Extended acknowledgements carry the kernel's own sentence; the buffer is for event bursts. */
static napi_value netlink(napi_env env, napi_callback_info info)
{
	struct arguments a = arguments_of(env, info);
	int one = 1, room = 1 << 20;
	uint32_t groups = 0;
	napi_get_array_length(env, a.value[1], &groups);
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, int_of(env, a.value[0]));
	if (fd < 0)
		return outcome(env, -1);
	struct timeval second = {.tv_sec = 1};
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &second, sizeof second);
	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof room);
	setsockopt(fd, SOL_NETLINK, NETLINK_EXT_ACK, &one, sizeof one);
	setsockopt(fd, SOL_NETLINK, NETLINK_CAP_ACK, &one, sizeof one);
	struct sockaddr_nl self = {.nl_family = AF_NETLINK};
	int failed = bind(fd, (struct sockaddr *)&self, sizeof self);
	for (uint32_t i = 0; i < groups && !failed; i++) {
		napi_value value;
		napi_get_element(env, a.value[1], i, &value);
		int group = int_of(env, value);
		failed = setsockopt(fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group, sizeof group);
	}
	napi_value result = failed ? outcome(env, -1) : number(env, fd);
	if (failed)
		close(fd);
	return result;
}

/* Bound last: nothing is received before the filter (classic BPF) is in place. */
static napi_value frames(napi_env env, napi_callback_info info)
{
	struct arguments a = arguments_of(env, info);
	struct bytes filter = bytes_of(env, a.value[2]);
	struct sock_fprog program = {.len = filter.length / sizeof(struct sock_filter),
				     .filter = filter.data};
	struct sockaddr_ll at = {.sll_family = AF_PACKET,
				 .sll_protocol = htons(int_of(env, a.value[1])),
				 .sll_ifindex = int_of(env, a.value[0])};
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return outcome(env, -1);
	int failed = setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program) ||
		     bind(fd, (struct sockaddr *)&at, sizeof at);
	napi_value result = failed ? outcome(env, -1) : number(env, fd);
	if (failed)
		close(fd);
	return result;
}

static napi_value send_one(napi_env env, napi_callback_info info)
{
	struct arguments a = arguments_of(env, info);
	struct bytes b = bytes_of(env, a.value[1]);
	return outcome(env, send(int_of(env, a.value[0]), b.data, b.length, 0));
}

/* MSG_TRUNC: the real length, so that the caller sees when its buffer was too small. */
static napi_value receive_one(napi_env env, napi_callback_info info)
{
	struct arguments a = arguments_of(env, info);
	struct bytes b = bytes_of(env, a.value[1]);
	bool instantly = false;
	if (a.count > 2)
		napi_get_value_bool(env, a.value[2], &instantly);
	int flags = MSG_TRUNC | (instantly ? MSG_DONTWAIT : 0);
	return outcome(env, recv(int_of(env, a.value[0]), b.data, b.length, flags));
}

/* Not fs.closeSync: in a worker it warns of descriptors that Node did not open. */
static napi_value close_fd(napi_env env, napi_callback_info info)
{
	struct arguments a = arguments_of(env, info);
	return outcome(env, close(int_of(env, a.value[0])));
}

/* A poll on one fd. It lives until unwatch or until its environment ends, whichever is first. */
struct watcher {
	uv_poll_t poll;
	napi_env env;
	napi_ref callback;
	napi_async_context context;
	napi_async_cleanup_hook_handle cleanup;
};

static void readable(uv_poll_t *poll, int status, int events)
{
	(void)events;
	struct watcher *w = poll->data;
	/* libuv stops at an error (netlink: ENOBUFS); receive() returns it, and life goes on. */
	if (status < 0)
		uv_poll_start(poll, UV_READABLE, readable);
	napi_handle_scope scope;
	napi_value callback, receiver, error;
	napi_open_handle_scope(w->env, &scope);
	napi_get_reference_value(w->env, w->callback, &callback);
	napi_get_global(w->env, &receiver);
	if (napi_make_callback(w->env, w->context, receiver, callback, 0, NULL, NULL) ==
	    napi_pending_exception) {
		napi_get_and_clear_last_exception(w->env, &error);
		napi_fatal_exception(w->env, error);
	}
	napi_close_handle_scope(w->env, scope);
}

static void closed(uv_handle_t *handle)
{
	struct watcher *w = handle->data;
	napi_remove_async_cleanup_hook(w->cleanup);
	free(w);
}

static void stop(napi_async_cleanup_hook_handle handle, void *data)
{
	(void)handle;
	struct watcher *w = data;
	if (uv_is_closing((uv_handle_t *)&w->poll))
		return;
	uv_poll_stop(&w->poll);
	napi_delete_reference(w->env, w->callback);
	napi_async_destroy(w->env, w->context);
	uv_close((uv_handle_t *)&w->poll, closed);
}

static napi_value watch(napi_env env, napi_callback_info info)
{
	struct arguments a = arguments_of(env, info);
	uv_loop_t *loop;
	napi_value name, handle;
	struct watcher *w = calloc(1, sizeof *w);
	napi_get_uv_event_loop(env, &loop);
	int failed = w ? uv_poll_init(loop, &w->poll, int_of(env, a.value[0])) : -ENOMEM;
	if (failed) {
		free(w);
		return number(env, failed); /* libuv's errors are negative errnos */
	}
	w->env = env;
	w->poll.data = w;
	napi_create_string_utf8(env, "arpeggio:watch", NAPI_AUTO_LENGTH, &name);
	napi_create_reference(env, a.value[1], 1, &w->callback);
	napi_async_init(env, NULL, name, &w->context);
	napi_add_async_cleanup_hook(env, stop, w, &w->cleanup);
	uv_poll_start(&w->poll, UV_READABLE, readable);
	napi_create_external(env, w, NULL, NULL, &handle);
	return handle;
}

static napi_value unwatch(napi_env env, napi_callback_info info)
{
	struct arguments a = arguments_of(env, info);
	void *w;
	if (napi_get_value_external(env, a.value[0], &w) != napi_ok)
		return number(env, -EINVAL);
	stop(NULL, w);
	return number(env, 0);
}

void export_function(napi_env env, napi_value exports, const char *name, napi_callback call)
{
	napi_value function;
	napi_create_function(env, name, NAPI_AUTO_LENGTH, call, NULL, &function);
	napi_set_named_property(env, exports, name, function);
}

NAPI_MODULE_INIT()
{
	export_function(env, exports, "bpf", bpf);
	export_function(env, exports, "mmap", map);
	export_function(env, exports, "netlink", netlink);
	export_function(env, exports, "frames", frames);
	export_function(env, exports, "send", send_one);
	export_function(env, exports, "receive", receive_one);
	export_function(env, exports, "close", close_fd);
	export_function(env, exports, "watch", watch);
	export_function(env, exports, "unwatch", unwatch);
	export_packet(env, exports);
	return exports;
}
