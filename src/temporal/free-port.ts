/** Free ports of the loopback interface. */
import { createServer } from 'node:net';

/**
 * The wished-for port if nobody listens on it, otherwise any free one.
 *
 * Somebody may take it before it is used; whoever starts a server on it tries again. (get-port would not give the same
 * port twice within 15 s, which is what a restarted server needs.)
 */
export async function freePort(wish: number | undefined): Promise<number> {
  const wished = wish === undefined ? undefined : await listenOnce(wish);
  const port = wished ?? (await listenOnce(0));
  if (port === undefined) throw new Error('no free port on 127.0.0.1');
  return port;
}

function listenOnce(port: number): Promise<number | undefined> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(undefined));
    server.listen({ port, host: '127.0.0.1', exclusive: true }, () => {
      const address = server.address();
      const bound = address !== null && typeof address === 'object' ? address.port : undefined;
      server.close(() => resolve(bound));
    });
  });
}
