/** Finds free ports of the loopback interface. */
import { createServer } from 'node:net';

/**
 * Returns the preferred port if it is free, otherwise any free port.
 *
 * Another process may take the port before it is used: the caller has to retry. (get-port does not return the same port twice
 * within 15 s, which a restarted server needs.)
 */
export async function freePort(preferred: number | undefined): Promise<number> {
  const found = preferred === undefined ? undefined : await listenOnce(preferred);
  const port = found ?? (await listenOnce(0));
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
