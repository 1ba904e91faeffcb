/** Asks the wire once inside a namespace for a test outside: `IP [INTERFACE]`. */
import { parseIp } from '../../net/ip.ts';
import { verify } from '../../speaker/io/verify.ts';

const [text = '', name] = process.argv.slice(2);
const ip = parseIp(text);
if (!ip.ok) throw new Error(ip.error);
const nodes = new Map([['02:64:00:00:00:64', 'node1']]);
const found = await verify({ ip: ip.value, interface: name, timeout: 500, nodes });
console.log(JSON.stringify(found));
