/**
 * The application of the demo: an HTTP server that says which node it runs on, as the `myweb` of
 * every introduction to Kubernetes does; `/client` tells the address it sees. IPv4 and IPv6.
 * `backend.ts NODE [PORT]`
 */
import { createServer } from 'node:http';

const [node = 'node', port = '8080'] = process.argv.slice(2);

const server = createServer((request, response) => {
  const client = request.socket.remoteAddress?.replace('::ffff:', '') ?? '';
  response.end(request.url === '/client' ? `${client}\n` : `Hello World! ${node}\n`);
});
server.listen(Number(port), '::', () => console.log('listening'));
