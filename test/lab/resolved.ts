/** Prints the kernel's neighbours of this namespace as JSON, and how many milliseconds it took. */
import { monotonic } from '../../lib/io/clock.ts';
import { formatIp } from '../../net/ip.ts';
import { readNeighbours } from '../../speaker/io/neighbours.ts';

readNeighbours(); // the door is opened, and the code is warm
const since = monotonic();
const read = readNeighbours();
const took = monotonic() - since;
if (!read.ok) throw new Error(read.error);
const neighbours = read.value.map(({ ip, mac, link }) => `${formatIp(ip)} ${mac} ${link}`);
process.stdout.write(JSON.stringify({ took, neighbours }));
