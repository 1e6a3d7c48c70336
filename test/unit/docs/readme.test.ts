/** The set-up lines, the code and the links of the README are right. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { snippetsOf, typeErrorsIn, writeSnippets } from '../../support/snippets.ts';
import { TempFolder } from '../../support/temp-folder.ts';

const root = fileURLToPath(new URL('../../..', import.meta.url));
const readme = readFileSync(join(root, 'README.md'), 'utf8');

describe('the README', () => {
  test.each(['npm ci && npm run demo', 'npm ci && npm test'])('has the set-up line %s', (line) => {
    expect(readme.split('\n').filter((it) => it === line)).toHaveLength(1);
  });

  test('shows code that type-checks against the sources', () => {
    using folder = new TempFolder();
    expect(writeSnippets(folder.path, snippetsOf('README.md')).length).toBeGreaterThan(0);
    expect(typeErrorsIn(folder.path)).toBe('');
  });

  test('links to files that exist', () => {
    const links = [...readme.matchAll(/\]\(([^)#]+)(?:#[^)]*)?\)/g)].map(([, to]) => to!);
    for (const to of links.filter((it) => !it.startsWith('http'))) {
      expect(() => readFileSync(join(root, to)), to).not.toThrow();
    }
  });
});
