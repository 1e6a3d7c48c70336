/** The code, error codes and links of docs/client.md match the sources. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { ErrorCode } from '../../../src/core/errors.ts';
import { snippetsOf, typeErrorsIn, writeSnippets } from '../../support/snippets.ts';
import { TempFolder } from '../../support/temp-folder.ts';

const root = fileURLToPath(new URL('../../..', import.meta.url));
const page = readFileSync(join(root, 'docs', 'client.md'), 'utf8');

test('its code type-checks against the sources', () => {
  using folder = new TempFolder();
  expect(writeSnippets(folder.path, snippetsOf('docs/client.md')).length).toBeGreaterThan(5);
  expect(typeErrorsIn(folder.path)).toBe('');
});

test('its table of errors names every code, and no other', () => {
  const table = page.slice(page.indexOf('| code | when |'), page.indexOf('An aborted call'));
  const named = table
    .split('\n')
    .flatMap((row) => [...(row.split(' | ')[0] ?? '').matchAll(/`([a-z_]+)`/g)].map(([, code]) => code!));
  expect(named.toSorted()).toEqual(Object.values(ErrorCode).toSorted());
});

test('its links lead to files that exist', () => {
  for (const [, to] of page.matchAll(/\]\((?!http|#)([^)#]+)/g)) {
    expect(() => readFileSync(join(root, 'docs', to!)), to).not.toThrow();
  }
});
