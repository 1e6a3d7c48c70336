import { once } from 'node:events';
import { createServer as createHttp2Server } from 'node:http2';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';
import { expect, test } from 'vitest';
import { diagnoseConnection } from '../../../src/temporal/diagnose-connection.ts';
import { createAuthority, signedBy } from '../../support/certificates.ts';

const closing = (socket: Socket): void => void socket.on('error', () => undefined).end();
const resetting = (socket: Socket): void => void socket.on('error', () => undefined).resetAndDestroy();
const saying =
  (text: string) =>
  (socket: Socket): void =>
    void socket.on('error', () => undefined).once('data', () => socket.end(text));

async function messageOf(server: Server, tls: boolean): Promise<string | null> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  try {
    const { port } = server.address() as AddressInfo;
    const mistake = await diagnoseConnection({ address: `127.0.0.1:${port}`, tls }, 10_000);
    return mistake === null ? null : `${mistake.what}${mistake.isFinal ? ' (final)' : ''}`;
  } finally {
    server.close();
  }
}

const away =
  'a load balancer does this when none of its servers is available: start them, or correct TEMPORAL_ADDRESS';

test.each<[what: string, answer: (socket: Socket) => void, tls: boolean, message: string]>([
  ['closes what it accepts', closing, false, `closes the connection at once; ${away}`],
  ['closes what it accepts, over TLS', closing, true, `closes the connection at once; ${away}`],
  ['resets what it accepts', resetting, false, `closes the connection at once; ${away}`],
  [
    'responds with HTTP 503',
    saying('HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\n\r\n'),
    false,
    `responds with HTTP 503; ${away}`,
  ],
  [
    'responds with HTTP 400',
    saying('HTTP/1.1 400 Bad Request\r\n\r\n'),
    false,
    'does not respond in plain HTTP/2: set TEMPORAL_TLS=true if it requires TLS, or correct TEMPORAL_ADDRESS (final)',
  ],
])('the problem of a server that %s is reported with advice', async (_what, answer, tls, message) => {
  expect(await messageOf(createServer(answer), tls)).toBe(message);
});

test('a load balancer that speaks HTTP/2 itself is recognized', async () => {
  const server = createHttp2Server((_request, response) => void response.writeHead(503).end());
  expect(await messageOf(server, false)).toBe(`speaks HTTP/2, but does not respond to calls; ${away}`);
});

test('a server that requires TLS is recognized, also if it does not respond to plain text', async () => {
  const pair = await signedBy(await createAuthority('authority'), 'temporal.test');
  const secure = createTlsServer(pair);
  secure.on('tlsClientError', () => undefined);
  secure.listen(0, '127.0.0.1');
  await once(secure, 'listening');
  // In front of it, a server that closes the connection unless a handshake begins, as servers written in Go do.
  const server = createServer((socket) => {
    socket.on('error', () => undefined);
    socket.once('data', (data) => {
      if (data[0] !== 0x16) {
        socket.end();
        return;
      }
      const behind = connect((secure.address() as AddressInfo).port, '127.0.0.1');
      behind.on('error', () => undefined).write(data);
      socket.pipe(behind).pipe(socket);
    });
  });
  expect(await messageOf(server, false)).toBe(
    'closes the connection at once, since it requires TLS: set TEMPORAL_TLS=true (final)',
  );
  secure.close();
});
