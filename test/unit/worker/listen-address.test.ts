import { createServer, type AddressInfo } from 'node:net';
import { once } from 'node:events';
import { expect, test } from 'vitest';
import { assertPortIsFree, parseListenAddress } from '../../../src/worker/listen-address.ts';

const here = { host: '127.0.0.1', port: 9_090, option: 'metrics' } as const;

test.each([0, -1, 65_536, 80.5, Number.NaN])('port %d is refused', (port) => {
  expect(() => parseListenAddress({ ...here, port })).toThrow(
    '--metrics-port must be an integer from 1 to 65535',
  );
});

test.each(['localhost', '', '127.0.0.1:80', '300.1.1.1'])('host "%s" is refused', (host) => {
  expect(() => parseListenAddress({ ...here, host })).toThrow('--metrics-host must be an IP address');
});

test.each(['0.0.0.0', '::1', '10.1.2.3'])('host %s is accepted', (host) => {
  expect(parseListenAddress({ ...here, host })).toEqual({ ...here, host });
});

test('a port in use is refused with its option, and a free one is not', async () => {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  await expect(assertPortIsFree({ ...here, port })).rejects.toThrow(
    `Port ${port} of 127.0.0.1 is in use: choose another --metrics-port`,
  );
  server.close();
  await once(server, 'close');
  await assertPortIsFree({ ...here, port });
});

test('an address of another machine is refused with its option', async () => {
  await expect(assertPortIsFree({ host: '203.0.113.1', port: 9_090, option: 'webhook' })).rejects.toThrow(
    '203.0.113.1 is not an address of this machine: correct --webhook-host.',
  );
});
