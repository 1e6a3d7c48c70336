/** The commands, options and environment variables of docs/cli.md match the sources. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Command } from 'commander';
import { describe, expect, test } from 'vitest';
import { addCommands } from '../../../src/cli/commands.ts';

const root = fileURLToPath(new URL('../../..', import.meta.url));
const page = readFileSync(join(root, 'docs/cli.md'), 'utf8');

const program = new Command();
await addCommands(program, undefined);

/** Cells of the rows of the table whose header starts with this text. */
function tableAfter(header: string): string[][] {
  const lines = page.split('\n');
  const start = lines.findIndex((line) => line.startsWith(`| ${header}`));
  expect(start, `the page has a table "${header}"`).toBeGreaterThan(-1);
  const rows: string[][] = [];
  for (let at = start + 2; lines[at]?.startsWith('|') === true; at += 1) {
    rows.push(lines[at]!.split(' | ').map((cell) => cell.replaceAll(/^\||\|$/g, '').trim()));
  }
  return rows;
}

function optionsIn(text: string): string[] {
  return [...text.matchAll(/--[a-z][a-z-]*/g)].map(([option]) => option);
}

function optionsOf(...names: string[]): string[] {
  const commands = program.commands.filter((command) => names.includes(command.name()));
  expect(commands).toHaveLength(names.length);
  return [...new Set(commands.flatMap(({ options }) => options.map(({ long }) => long!)))].sort();
}

/** The names of variables that a source file reads from an environment. */
function variablesReadIn(path: string): string[] {
  const source = readFileSync(join(root, path), 'utf8');
  return [...source.matchAll(/env\['([A-Z_]+)'\]/g)].map(([, name]) => name!);
}

describe('the page of the command line', () => {
  test('names every option of run and start in its table, and no other', () => {
    const named = tableAfter('option').flatMap(([cell]) => optionsIn(cell!));
    expect(named.toSorted()).toEqual(optionsOf('run', 'start'));
  });

  test('names every command with its options, and no other', () => {
    const rows = tableAfter('command');
    const named = rows.flatMap(([cell]) => [...cell!.matchAll(/`([a-z]+)/g)].map(([, name]) => name!));
    expect(named.toSorted()).toEqual(program.commands.map((command) => command.name()).toSorted());
    for (const [cell, , options] of rows) {
      if (options!.includes('those below')) continue;
      const names = [...cell!.matchAll(/`([a-z]+)/g)].map(([, name]) => name!);
      const others = optionsOf(...names).filter((option) => option !== '--json');
      expect(optionsIn(options!).toSorted(), cell).toEqual(others);
    }
  });

  test('lists --json for every command except worker', () => {
    const without = program.commands.filter(({ options }) => !options.some(({ long }) => long === '--json'));
    expect(without.map((command) => command.name())).toEqual(['worker']);
  });

  test('names every variable that src/environment.ts reads, and those read elsewhere', () => {
    const named = new Set(
      tableAfter('environment').flatMap(([cell]) =>
        [...cell!.matchAll(/[A-Z][A-Z_]{3,}/g)].map(([it]) => it),
      ),
    );
    const read = [
      'src/environment.ts',
      'src/cli/program.ts',
      'src/temporal/temporal-cli.ts',
      'src/temporal/cli-cache.ts',
    ]
      .flatMap(variablesReadIn)
      .filter((name) => name !== 'PATH');
    expect(read).toContain('DURABLE_BATCH_HOME');
    for (const name of read) expect([...named]).toContain(name);
  });
});
