import { once } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';
import { expect, test, vi } from 'vitest';
import { runCommand, UsageError } from '../../src/command.ts';

test.each([
  [{ port: 'many' }, 'Option --port: "many" is not a number.'],
  [{ port: '70000' }, /^Emulator option port: /],
  [{ speed: '' }, 'Option --speed: "" is not a number.'],
  [{ options: '[]' }, 'Option --options must be a JSON object or @FILE.'],
  [{ options: '{"spede": 1}' }, 'Emulator options: Unrecognized key: "spede".'],
  [{ options: '{' }, /^Option --options cannot be read: /],
  [{ options: '@/nowhere/options.json' }, /^Option --options cannot be read: ENOENT/],
  [{ webhookUrl: 'http://127.0.0.1:1/' }, 'Emulator option webhookSecret: is needed with webhookUrl.'],
])('%j are refused', async (flags, message) => {
  vi.stubEnv('OPENAI_WEBHOOK_SECRET', '');
  const refused = runCommand(flags);
  await expect(refused).rejects.toThrow(UsageError);
  await expect(refused).rejects.toThrow(message);
});

test('a port in use is reported', async () => {
  await using other = createServer().listen(0, '127.0.0.1');
  await once(other, 'listening');
  const { port } = other.address() as AddressInfo;
  await expect(runCommand({ port: String(port) })).rejects.toThrow(
    `Port ${port} of 127.0.0.1 is in use: choose another --port, or end the process that has it.`,
  );
});
