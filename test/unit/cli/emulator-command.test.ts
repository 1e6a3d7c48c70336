import { Command } from 'commander';
import { createServer, type AddressInfo } from 'node:net';
import { expect, test } from 'vitest';
import { addEmulator } from '../../../src/cli/commands/emulator.ts';

test('the error for a port in use names the option', async () => {
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
