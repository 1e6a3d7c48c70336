/** The README lists all flags, options and faults of the sources. */
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import * as z from 'zod';
import { commandOptions } from '../../src/command.ts';
import { faultRuleSchema } from '../../src/faults/fault-rule-schema.ts';
import { resolveEmulatorOptions } from '../../src/resolve-options.ts';

const readme = readFileSync(new URL('../../README.md', import.meta.url), 'utf8');
/** The names between backticks in one column of the table with this header. */
function namedIn(header: string, cell: number): string[] {
  const [, rows = ''] = readme.split(`| ${header}`);
  const [table = ''] = rows.split('\n\n');
  const cells = table.split('\n').map((row) => row.split(' | ')[cell] ?? '');
  return cells.flatMap((text) => [...text.matchAll(/`([^`]+)`/g)].map(([, name]) => name!));
}

test('all flags', () => {
  const named = namedIn('flag', 0).map((flag) => flag.split(' ')[0]!);
  const without = ['--options'];
  expect(commandOptions.map(({ flags }) => flags.split(' ')[0]!).toSorted()).toEqual(
    [...named, ...without].toSorted(),
  );
});

test('all options', () => {
  const { lifecycle, ...options } = resolveEmulatorOptions();
  const named = namedIn('option', 0).map((name) => name.replace('lifecycle.', ''));
  const others = ['startEmulator', '--options'];
  expect(named.toSorted()).toEqual(
    [...Object.keys(options), ...Object.keys(lifecycle), ...others].toSorted(),
  );
});

test('all faults', () => {
  const named = new Set(namedIn('on | `fault.kind`', 1));
  const kinds = kindsIn(z.toJSONSchema(faultRuleSchema));
  expect(kinds).toContain('expire');
  expect(kinds.filter((kind) => !named.has(kind))).toEqual([]);
});

function kindsIn(schema: unknown): string[] {
  if (typeof schema !== 'object' || schema === null) return [];
  const { kind } = schema as { kind?: { const?: string } };
  return [...(kind?.const === undefined ? [] : [kind.const]), ...Object.values(schema).flatMap(kindsIn)];
}
