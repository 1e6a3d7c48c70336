/** The package as it is published, installed in a user's folder. Its files are those of the last `npm run build`. */
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';

const root = fileURLToPath(new URL('../..', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'openai-batch-emulator-'));
const installed = join(folder, 'node_modules', 'openai-batch-emulator');
const bin = join(installed, 'bin.js');
const folderOf = (file: string): string => dirname(fileURLToPath(import.meta.resolve(file)));

beforeAll(() => {
  const pack = ['pack', '--json', '--ignore-scripts', '--pack-destination', folder];
  const packed = JSON.parse(execFileSync('npm', pack, { cwd: root, encoding: 'utf8' })) as object;
  const [{ filename }] = Object.values(packed) as [{ filename: string }];
  mkdirSync(installed, { recursive: true });
  execFileSync('tar', ['-xzf', join(folder, filename), '--strip-components=1', '-C', installed]);
  // The user has only the SDK: dependencies of the package would be missing here.
  symlinkSync(folderOf('openai'), join(folder, 'node_modules', 'openai'));
  writeFileSync(join(folder, 'package.json'), '{"type":"module"}');
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function blocksOf(language: string): string[] {
  const readme = readFileSync(join(installed, 'README.md'), 'utf8');
  return [...readme.matchAll(new RegExp(`\`\`\`${language}\n([^]*?)\`\`\``, 'g'))].map(([, code]) => code!);
}

test('the package installs no dependencies', () => {
  const { dependencies, peerDependencies, optionalDependencies } = JSON.parse(
    readFileSync(join(installed, 'package.json'), 'utf8'),
  ) as Record<string, unknown>;
  expect([dependencies, peerDependencies, optionalDependencies]).toEqual([undefined, undefined, undefined]);
});

test('the command in the README prints the line in the README, and ends at SIGTERM', async () => {
  const [command] = blocksOf('sh');
  expect(command).toBe('npx openai-batch-emulator --port 8080\n');
  const [, printed] = /npx openai-batch-emulator --port 8080\n```\n```\n(.*)\n/.exec(
    readFileSync(join(installed, 'README.md'), 'utf8'),
  )!;
  const child = spawn(process.execPath, [bin, '--port', '0'], { stdio: ['ignore', 'pipe', 'inherit'] });
  onTestFinished(() => void child.kill('SIGKILL'));
  const [line] = (await once(createInterface(child.stdout), 'line')) as [string];
  const [, port] = /127\.0\.0\.1:(\d+)\//.exec(line)!;
  expect(line.replace(port!, '8080')).toBe(printed);
  const { status } = await fetch(`http://127.0.0.1:${port}/v1/models`, {
    headers: { authorization: 'Bearer any' },
  });
  expect(status).toBe(200);
  child.kill('SIGTERM');
  expect(await once(child, 'exit')).toEqual([0, null]);
});

test('the exit codes of help, version and usage errors', () => {
  const run = (...args: string[]): string =>
    execFileSync(process.execPath, [bin, ...args], { encoding: 'utf8', stdio: 'pipe' });
  expect(run('--help')).toMatch(/^Usage: openai-batch-emulator \[options\]\n[^]*--port <n> /);
  expect(run('--version')).toMatch(/^\d+\.\d+\.\d+\n$/);
  const mistakes: [string[], string][] = [
    [['--prot', '1'], "openai-batch-emulator: Unknown option '--prot'"],
    [['--port', 'x'], 'openai-batch-emulator: Option --port: "x" is not a number.'],
    [['--port', '70000'], 'openai-batch-emulator: Emulator option port: '],
  ];
  for (const [args, message] of mistakes) {
    const error = { status: 2, stderr: expect.stringContaining(message) };
    expect(() => run(...args), message).toThrow(expect.objectContaining(error));
  }
});

test('the test of the README passes, and fails for code that pays twice', () => {
  const [code] = blocksOf('js');
  writeFileSync(join(folder, 'readme.test.js'), code!);
  const run = (): string =>
    execFileSync(process.execPath, ['--test', 'readme.test.js'], { cwd: folder, encoding: 'utf8' });
  writeFileSync(
    join(folder, 'answer-all.js'),
    answerAll('lines.filter((line) => !answered.has(line.custom_id))'),
  );
  expect(run()).toContain('pass 1');
  writeFileSync(join(folder, 'answer-all.js'), answerAll('lines'));
  expect(run).toThrow();
});

/** A user's code: sends ten lines and, after the end of the batch, again those that `again` selects. */
const answerAll = (again: string): string => `
const lines = Array.from({ length: 10 }, (_, i) => ({
  custom_id: String(i),
  method: 'POST',
  url: '/v1/embeddings',
  body: { model: 'text-embedding-3-small', input: 'Line ' + i },
}));

export async function answerAll(client) {
  const answered = new Set(await send(client, lines));
  await send(client, ${again});
}

async function send(client, some) {
  const content = some.map((line) => JSON.stringify(line) + '\\n').join('');
  const file = await client.files.create({ file: new File([content], 'in.jsonl'), purpose: 'batch' });
  let batch = await client.batches.create({ input_file_id: file.id, endpoint: '/v1/embeddings', completion_window: '24h' });
  while (!['completed', 'expired'].includes(batch.status)) {
    await new Promise((resolve) => setTimeout(resolve, 20));
    batch = await client.batches.retrieve(batch.id);
  }
  const rows = await (await client.files.content(batch.output_file_id)).text();
  return rows.split('\\n').filter(Boolean).map((row) => JSON.parse(row).custom_id);
}
`;

test('its types need only those of Node', () => {
  writeFileSync(
    join(folder, 'types.ts'),
    `import { CallKind, startEmulator, UsageError, type EmulatorOptions, type FaultRule, type LedgerSummary } from 'openai-batch-emulator';
import { commandOptions, runCommand } from 'openai-batch-emulator/command';
const rule: FaultRule = { on: 'call', call: CallKind.batchesCreate, fault: { kind: 'hold', ms: 5 } };
const options: EmulatorOptions = { speed: 60, faults: [rule] };
export const paid = ({ paid: n }: LedgerSummary): number => n;
export const url = async (): Promise<string> => (await startEmulator(options)).url;
// @ts-expect-error There is no such option.
export const wrong: EmulatorOptions = { sped: 1 };
export { commandOptions, runCommand, UsageError };
`,
  );
  mkdirSync(join(folder, 'node_modules', '@types'));
  symlinkSync(folderOf('@types/node/package.json'), join(folder, 'node_modules', '@types', 'node'));
  const flags =
    '--noEmit --strict --module nodenext --target es2022 --lib es2023,esnext.disposable --types node';
  const tsc = join(folderOf('typescript/package.json'), 'bin', 'tsc');
  const args = [tsc, ...flags.split(' '), '--skipLibCheck', 'false', 'types.ts'];
  execFileSync(process.execPath, args, { cwd: folder, stdio: ['ignore', 'inherit', 'inherit'] });
});
