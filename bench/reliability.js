// Prints what was tried against the promises and what passed: crash points, fault rows, random schedules, chaos.
//   npm run reliability -- [--full] [--minutes N | --chaos-summary FILE] [--from PROJECT=REPORT.json]... [--write]
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, tmpdir, totalmem } from 'node:os';
import { join } from 'node:path';
import process, { execPath, exit } from 'node:process';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const { values } = parseArgs({
  options: {
    /** Attack every step in every way. */
    full: { type: 'boolean', default: false },
    /** Run chaos for so long; without it and without a summary there is no row of it. */
    minutes: { type: 'string' },
    'chaos-summary': { type: 'string' },
    /** Take a project's report of vitest's JSON reporter instead of running it. */
    from: { type: 'string', multiple: true, default: [] },
    /** Put the table into docs/reliability.md. */
    write: { type: 'boolean', default: false },
  },
});

const root = fileURLToPath(new URL('..', import.meta.url));
const work = mkdtempSync(join(tmpdir(), 'durable-batch-reliability-'));
const given = new Map(values.from.map((pair) => pair.split('=')));
const projects = [...readFileSync(join(root, 'vitest.config.ts'), 'utf8').matchAll(/name: '(\w+)'/g)].map(
  ([, name]) => name,
);
const rows = [];
let failed = 0;

const crash = await testsOf('crash', values.full ? { CRASH_MATRIX: 'full' } : {});
if (crash !== null) {
  const attacks = crash
    .filter(({ ancestorTitles }) => ancestorTitles.some((title) => title.startsWith('a job ends')))
    .flatMap(({ title, status }) => {
      const [, steps, attack] = /^(.*): (.*?)(?: at each)?$/.exec(title.replaceAll("'", ''));
      return steps.split(' · ').map((step) => ({
        step,
        attack: step.startsWith('run, ') ? `run: ${attack}` : attack,
        passed: status === 'passed',
      }));
    });
  addRow(`crash points (${new Set(attacks.map(({ step }) => step)).size} steps)`, attacks);
  for (const kind of new Set(attacks.map(({ attack }) => attack)))
    addRow(
      `… ${kind}`,
      attacks.filter(({ attack }) => attack === kind),
    );
}

const faults = await testsOf('faults');
if (faults !== null)
  addRow(
    'fault rows',
    faults.map(({ status }) => ({ passed: status === 'passed' })),
  );

// With --from model=… the figures of that run, which wrote them where this said.
const schedulesFile = process.env.RELIABILITY_OUT ?? join(work, 'schedules.json');
if (
  (await testsOf('model', { RELIABILITY_OUT: schedulesFile, FC_RUNS: '500' })) !== null &&
  existsSync(schedulesFile)
) {
  const { schedules, passed, seed } = JSON.parse(readFileSync(schedulesFile, 'utf8'));
  rows.push([`random schedules, seed ${seed}`, schedules, passed]);
}

const chaos = await chaosSummary();
if (chaos !== null) {
  rows.push([
    `chaos of ${chaos.minutes} minutes, seed ${chaos.seed}: strikes survived`,
    chaos.strikes,
    chaos.strikes,
  ]);
  for (const [kind, count] of Object.entries(chaos.kills)) rows.push([`… ${kind}`, count, '']);
  rows.push([`chaos: lines of ${chaos.jobs} jobs, in ${chaos.batches} batches`, chaos.lines, chaos.rows]);
  for (const field of ['lines_lost', 'answers_lost', 'lines_paid_twice', 'batches_unread', 'out_of_order']) {
    rows.push([`chaos: ${field.replaceAll('_', ' ')}`, '', chaos[field]]);
    failed += chaos[field];
  }
  if (chaos.failure !== null) failed += 1;
}

const number = (value) => (typeof value === 'number' ? value.toLocaleString('en') : value);
const table = [
  `${new Date().toISOString().slice(0, 10)}, commit ${commit()}, ${availableParallelism()} cores, ${Math.round(totalmem() / 2 ** 30)} GB, Node ${process.version}`,
  '',
  '| what | tried | passed, or seen |',
  '|---|---|---|',
  ...rows.map((row) => `| ${row.map(number).join(' | ')} |`),
].join('\n');
console.log(table);
if (values.write) {
  const page = join(root, 'docs/reliability.md');
  const text = readFileSync(page, 'utf8');
  const [before, after] = [text.split('<!-- figures -->')[0], text.split('<!-- end of figures -->')[1]];
  writeFileSync(page, `${before}<!-- figures -->\n${table}\n<!-- end of figures -->${after}`);
}
rmSync(work, { recursive: true, force: true });
exit(failed === 0 ? 0 : 1);

/** The tests of a project with their statuses; null where there is no such project. */
async function testsOf(project, env = {}) {
  let report = given.get(project);
  if (report === undefined) {
    if (!projects.includes(project)) {
      rows.push([project, 'absent', '']);
      return null;
    }
    report = join(work, `${project}.json`);
    const vitest = join(root, 'node_modules/vitest/vitest.mjs');
    await run([vitest, 'run', '--project', project, '--reporter=json', `--outputFile.json=${report}`], env);
  }
  const { testResults } = JSON.parse(readFileSync(report, 'utf8'));
  const tests = testResults.flatMap(({ status, assertionResults, name }) =>
    // A file that could not be loaded holds no counted test: it counts as one that failed.
    assertionResults.length === 0 && status === 'failed'
      ? [{ title: name, ancestorTitles: [], status }]
      : assertionResults,
  );
  failed += tests.filter(({ status }) => status === 'failed').length;
  return tests.filter(({ status }) => status === 'passed' || status === 'failed');
}

async function chaosSummary() {
  let file = values['chaos-summary'];
  if (file === undefined && values.minutes !== undefined) {
    file = join(work, 'chaos.json');
    await run([join(root, 'bench/chaos.js'), '--minutes', values.minutes, '--summary', file]);
  }
  return file === undefined ? null : JSON.parse(readFileSync(file, 'utf8'));
}

/** Runs a script to its end, whatever that is: the report tells. Its output goes to standard error. */
async function run(args, env = {}) {
  const child = spawn(execPath, args, {
    cwd: root,
    stdio: ['ignore', 2, 2],
    env: { ...process.env, ...env },
  });
  await once(child, 'exit');
}

function addRow(what, tests) {
  rows.push([what, tests.length, tests.filter(({ passed }) => passed).length]);
}

function commit() {
  const git = (...args) => execFileSync('git', args, { cwd: root, encoding: 'utf8' }).trim();
  const changed =
    git('status', '--porcelain', '--untracked-files=no', ':!docs/reliability.md') === ''
      ? ''
      : ' with changes';
  return git('rev-parse', '--short', 'HEAD') + changed;
}
