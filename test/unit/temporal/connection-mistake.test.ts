import { once } from 'node:events';
import { createServer as createHttp2Server } from 'node:http2';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';
import { expect, test } from 'vitest';
import { findConnectionMistake } from '../../../src/temporal/connection-mistake.ts';
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
    const mistake = await findConnectionMistake({ address: `127.0.0.1:${port}`, tls }, 10_000);
    return mistake === null ? null : `${mistake.what}${mistake.isFinal ? ' (final)' : ''}`;
  } finally {
    server.close();
  }
}

const away = 'a balancer does so whose servers are all away: start them, or mend TEMPORAL_ADDRESS';

test.each<[what: string, answer: (socket: Socket) => void, tls: boolean, message: string]>([
  ['closes what it accepts', closing, false, `hangs up at once; ${away}`],
  ['closes what it accepts, over TLS', closing, true, `hangs up at once; ${away}`],
  ['resets what it accepts', resetting, false, `hangs up at once; ${away}`],
  [
    'answers HTTP 503',
    saying('HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\n\r\n'),
    false,
    `answers HTTP 503; ${away}`,
  ],
  [
    'answers HTTP 400',
    saying('HTTP/1.1 400 Bad Request\r\n\r\n'),
    false,
    'does not answer in plain HTTP/2: set TEMPORAL_TLS=true if it demands TLS, or mend TEMPORAL_ADDRESS (final)',
  ],
])('of a server that %s the advice is about what is wrong', async (_what, answer, tls, message) => {
  expect(await messageOf(createServer(answer), tls)).toBe(message);
});

test('a balancer that speaks HTTP/2 itself is told as one', async () => {
  const server = createHttp2Server((_request, response) => void response.writeHead(503).end());
  expect(await messageOf(server, false)).toBe(`speaks HTTP/2, but does not answer calls; ${away}`);
});

test('a server that demands TLS is known, also where it says nothing to plain text', async () => {
  const pair = await signedBy(await createAuthority('authority'), 'temporal.test');
  const secure = createTlsServer(pair);
  secure.on('tlsClientError', () => undefined);
  secure.listen(0, '127.0.0.1');
  await once(secure, 'listening');
  // In front of it, what closes the connection of those that do not begin a handshake, as servers written in Go do.
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
    'hangs up at once, as it demands TLS: set TEMPORAL_TLS=true (final)',
  );
  secure.close();
});
