/** Writes the JSON Schema of job files and the table of their keys from `src/cli/job-file/schema.ts`. */
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { toJSONSchema } from 'zod';
import { jobFileSchema } from '../../src/cli/job-file/schema.ts';

const schemaFile: string = fileURLToPath(new URL('../job-file.schema.json', import.meta.url));
const page: string = fileURLToPath(new URL('../job-files.md', import.meta.url));

interface Described {
  readonly description?: string;
  readonly type?: string;
  readonly enum?: readonly string[];
  readonly minimum?: number;
  readonly maximum?: number;
  readonly anyOf?: readonly Described[];
  readonly properties?: Readonly<Record<string, Described>>;
  readonly items?: Described;
}

/** The files that describe job files, by path, as they must be. */
export function jobFileDocs(): Map<string, string> {
  const schema = toJSONSchema(jobFileSchema, { io: 'input' });
  const titled = { ...schema, title: 'A job file of durable-batch' };
  const rows = Object.entries(schema.properties as Record<string, Described>).map(
    ([key, value]) => `| \`${key}\` | ${typeOf(value)} | ${value.description!} |`,
  );
  const table = ['| key | value | meaning |', '|---|---|---|', ...rows].join('\n');
  const text = readFileSync(page, 'utf8');
  const marked = /(<!-- keys -->\n)[^]*(\n<!-- end of keys -->)/;
  return new Map([
    [schemaFile, `${JSON.stringify(titled, null, 2)}\n`],
    [page, text.replace(marked, (_, before: string, after: string) => `${before}\n${table}\n${after}`)],
  ]);
}

function typeOf({ type, enum: words, minimum, maximum, anyOf, properties, items }: Described): string {
  if (anyOf !== undefined) return anyOf.map(typeOf).join(', or ');
  if (words !== undefined) return words.map((word) => `\`${word}\``).join(', ');
  if (properties !== undefined) return `\`{ ${Object.keys(properties).join(', ')} }\``;
  if (items !== undefined) return `list of ${typeOf(items)}s`;
  if (minimum !== undefined)
    return `${type === 'integer' ? 'whole number' : 'number'}, ${minimum} to ${maximum}`;
  return { string: 'text', boolean: '`true` or `false`', object: 'object' }[type!]!;
}

if (process.argv[1] === fileURLToPath(import.meta.url))
  for (const [path, text] of jobFileDocs()) writeFileSync(path, text);
