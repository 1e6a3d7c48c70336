import { Command } from 'commander';
import { createServer, type AddressInfo } from 'node:net';
import { expect, test } from 'vitest';
import { addEmulator } from '../../../src/cli/commands/emulator.ts';

test('a port in use is told with its option', async () => {
  const other = createServer();
  await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve));
  const { port } = other.address() as AddressInfo;
  const program = new Command();
  addEmulator(program);
  await expect(
    program.parseAsync(['node', 'durable-batch', 'emulator', '--port', String(port)]),
  ).rejects.toMatchObject({
    code: 'bad_option',
    message: `Port ${port} of 127.0.0.1 is in use: choose another --port, or end the process that has it.`,
  });
  other.close();
});

test.each([
  [['--port', 'many'], 'Option --port: "many" is not a number.'],
  [['--port', '70000'], /^Emulator option port: /],
  [['--options', '[]'], 'Option --options: it must be a JSON object or @FILE.'],
  [['--options', '{"spede": 1}'], /^Emulator option .*spede/],
  [['--webhook-url', 'http://127.0.0.1:1/'], 'Emulator option webhookSecret: is needed with webhookUrl.'],
])('%j are refused', async (options, message) => {
  const program = new Command();
  addEmulator(program);
  await expect(program.parseAsync(['node', 'durable-batch', 'emulator', ...options])).rejects.toMatchObject({
    code: 'bad_option',
    message: typeof message === 'string' ? message : expect.stringMatching(message),
  });
});
