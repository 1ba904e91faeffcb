/** Runs `watchLinks` inside a namespace for a test outside; every event goes over IPC. */
import { watchLinks } from '../../speaker/io/netlink.ts';

const watching = watchLinks((event) => process.send?.(event), new AbortController().signal);
if (!watching.ok) throw new Error(watching.error);
