import { Command } from 'commander';
import { expect, test } from 'vitest';
import { addCommands } from '../../../src/cli/commands.ts';
import { isClientCommand } from '../../../src/cli/client-commands.ts';

const program = new Command();
await addCommands(program, undefined);

test.each(program.commands.map((command) => command.name()))(
  '%s is a client command, or needs a worker',
  (name) => {
    const works = ['run', 'worker', 'dev', 'emulator'].includes(name);
    expect(isClientCommand([name, '--json'])).toBe(!works);
  },
);

test('run --no-worker is a client command', () => {
  expect(isClientCommand(['run', 'input.jsonl', '--out', 'out', '--no-worker'])).toBe(true);
});

test.each([[[]], [['--help']], [['--version']], [['--no-worker']], [['unknown', '--no-worker']]])(
  '%j is for the whole program',
  (args) => {
    expect(isClientCommand(args)).toBe(false);
  },
);
