/** Metrics and logs of a worker: counters that match the report, and a dashboard and alerts that query existing metrics only. */
import { readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { once } from 'node:events';
import { join } from 'node:path';
import { parser } from '@prometheus-io/lezer-promql';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { parse } from 'yaml';
import { freePort } from '../../src/temporal/free-port.ts';
import { CliHarness, until } from '../support/cli-harness.ts';
import { readScrape, type Scrape } from '../support/scrape.ts';

const lab = new CliHarness();
const grafana = join(import.meta.dirname, '../../examples/grafana');
let url: string;
let logs = '';
/** The metrics after a job in which some lines failed and some were sent again. */
let scrape: Scrape;
let report: Record<string, unknown>;

beforeAll(async () => {
  await lab.useEmulator({
    faults: [
      {
        on: 'line',
        customId: ['3', '14'],
        executions: null,
        fault: { kind: 'status', status: 400, code: 'invalid_prompt' },
      },
      { on: 'line', customId: '5', fault: { kind: 'status', status: 500 } },
      { on: 'call', call: 'batches.list', nth: 2, fault: { kind: 'status', status: 503 } },
      { on: 'call', call: 'batches.create', nth: 2, fault: { kind: 'status', status: 429 } },
      { on: 'call', call: 'files.retrieve', nth: 1, fault: { kind: 'reset' } },
    ],
  });
  const port = await freePort(undefined);
  url = `http://127.0.0.1:${port}/metrics`;
  const worker = lab.start(['worker', '--metrics-port', String(port)]);
  worker.child.stderr!.on('data', (chunk) => (logs += String(chunk)));
  const input = lab.requests(40);
  const out = join(lab.folder, 'out');
  const ended = await lab.run([
    'run',
    input,
    '--out',
    out,
    '--no-worker',
    '--job',
    'measured',
    '--shard-lines',
    '10',
    '--poll',
    '0.1',
  ]);
  expect(ended.code, ended.err).toBe(3);
  report = JSON.parse(readFileSync(join(out, 'report.json'), 'utf8')) as Record<string, unknown>;
  scrape = await readScrape(url);
});
afterAll(async () => {
  await lab.close();
});

test('counters match the report', () => {
  const lines = (outcome: string): number => scrape.value('durable_batch_lines_total', { outcome });
  expect(report).toMatchObject({ answered: 38, failed: 2 });
  expect([lines('answered'), lines('failed'), lines('again')]).toEqual([38, 2, 1]);
  expect(scrape.value('durable_batch_line_errors_total', { code: 'invalid_prompt' })).toBe(2);
  expect(scrape.value('durable_batch_batches_created_total', { how: 'created' })).toBe(report['batches']);
  expect(scrape.value('durable_batch_batches_ended_total', { status: 'completed' })).toBe(report['batches']);
  const tokens = (kind: string): number =>
    scrape.value('durable_batch_tokens_total', { model: 'gpt-5-mini', kind });
  expect(tokens('input')).toBe(report['input_tokens']);
  expect(tokens('output')).toBe(report['output_tokens']);
  const cost = (price: string): number =>
    Number(scrape.sum('durable_batch_shard_cost_usd_sum', { model: 'gpt-5-mini', price }).toFixed(9));
  expect(cost('batch')).toBe(report['cost_usd']);
  expect(cost('list')).toBe(report['cost_usd_without_batch']);
  expect(scrape.value('durable_batch_jobs_ended_total', { result: 'some_failed' })).toBe(1);
  expect(scrape.value('durable_batch_transferred_bytes_total', { direction: 'up' })).toBeGreaterThan(0);
  expect(scrape.value('durable_batch_transferred_bytes_total', { direction: 'down' })).toBeGreaterThan(0);
});

test('calls of the API, polls and failed steps are counted', () => {
  const calls = (call: string, status: string): number =>
    scrape.value('durable_batch_api_call_seconds_count', { call, status });
  expect(calls('POST /batches', '2xx')).toBe(report['batches']);
  expect(calls('GET /batches', '5xx')).toBe(1);
  expect(scrape.value('durable_batch_poll_seconds_count')).toBeGreaterThan(0);
  expect(calls('POST /batches', '429')).toBe(1);
  expect(calls('GET /files/{id}', 'none')).toBe(1);
  // A failing list does not fail a poll: batches are then read one by one.
  expect(scrape.sum('durable_batch_step_failures_total', { kind: 'ApiTrouble' })).toBe(2);
});

test("Temporal's own metrics are there, too", () => {
  expect([...scrape.names]).toContain('temporal_workflow_completed_total');
  expect([...scrape.names]).toContain('temporal_activity_execution_latency_bucket');
});

test('logs are JSON lines with job, shard and batch, and no prompt', async () => {
  await until(() => logs.includes('job_ended'));
  const events = logs
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line) as Record<string, unknown>);
  const of = (event: string): Record<string, unknown>[] => events.filter((it) => it['event'] === event);
  expect(of('batch_created')).toHaveLength(report['batches'] as number);
  expect(of('batch_created')[0]).toMatchObject({
    level: 30,
    job: 'measured',
    shard: expect.stringMatching(/^r1-0000\d$/),
    batchId: expect.stringMatching(/^batch_/),
    workflowId: 'measured',
    lines: 10,
  });
  expect(of('batch_ended')).toHaveLength(report['batches'] as number);
  expect(of('shard_settled')).toHaveLength(report['batches'] as number);
  expect(of('step_failed')).toHaveLength(2);
  expect(of('step_failed')[0]).toMatchObject({ level: 40, job: 'measured', kind: 'ApiTrouble' });
  expect(of('job_ended')).toMatchObject([{ job: 'measured', answered: 38, failed: 2 }]);
  expect(logs).not.toMatch(/Prompt \d+ of file|taskToken/);
});

test('every panel of the dashboard queries existing metrics in valid PromQL', () => {
  const dashboard = JSON.parse(readFileSync(join(grafana, 'durable-batch.json'), 'utf8')) as Dashboard;
  expect(dashboard.uid).toBe('durable-batch');
  const variables = new Set(dashboard.templating.list.map(({ name }) => name));
  const panels = dashboard.panels.filter(({ type }) => type !== 'row');
  expect(panels.length).toBeGreaterThan(15);
  expect(new Set(dashboard.panels.map(({ id }) => id)).size).toBe(dashboard.panels.length);
  for (const { title, targets, gridPos } of panels) {
    expect(targets.length, title).toBeGreaterThan(0);
    expect(gridPos.x + gridPos.w, title).toBeLessThanOrEqual(24);
    for (const { expr, datasource } of targets) {
      expect(datasource, title).toEqual({ type: 'prometheus', uid: '${datasource}' });
      for (const [, name] of expr.matchAll(/\$(?!__)(\w+)/g)) expect([...variables], title).toContain(name);
      expectToExist(expr, title);
    }
  }
  const overlapping = panels.flatMap((a, i) =>
    panels.slice(i + 1).filter((b) => overlap(a.gridPos, b.gridPos)),
  );
  expect(overlapping).toEqual([]);
});

test('every alert queries existing metrics in valid PromQL', () => {
  const { groups } = parse(readFileSync(join(grafana, 'alerts.yml'), 'utf8')) as {
    groups: { rules: Rule[] }[];
  };
  const rules = groups.flatMap((group) => group.rules);
  expect(rules.length).toBeGreaterThan(8);
  for (const { alert, expr, annotations } of rules) {
    expect(annotations['summary'], alert).toBeTruthy();
    expectToExist(expr, alert);
  }
});

test('the docs name every metric and every log event, and no other', () => {
  const docs = readFileSync(join(import.meta.dirname, '../../docs/metrics.md'), 'utf8');
  const named = [...docs.matchAll(/^\| `(durable_batch_\w+)`/gm)].map(([, name]) => name!);
  const ours = [...scrape.names].filter((name) => name.startsWith('durable_batch_'));
  expect(named.toSorted()).toEqual([...new Set(ours.map(familyOf))].toSorted());
  const events = [...docs.matchAll(/^\| `([a-z_]+)` \| (?:debug|info|warn) /gm)].map(([, event]) => event!);
  const sources = ['observe-jobs.ts', 'failure-interceptor.ts', 'watch-running-jobs.ts', 'webhook-server.ts'];
  const logged = sources.flatMap((file) => [
    ...readFileSync(join(import.meta.dirname, '../../src/worker', file), 'utf8').matchAll(/event: [^\n]*/g),
  ]);
  const codes = logged.flatMap(([text]) =>
    [...text.matchAll(/'([a-z]+_[a-z_]+)'/g)].map(([, code]) => code!),
  );
  expect(events.toSorted()).toEqual([...new Set(codes)].toSorted());
});

test('a metrics port in use is reported before anything is started', async () => {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  const home = join(lab.folder, 'other-home');
  const ended = await lab.run(['worker', '--metrics-port', String(port)], { DURABLE_BATCH_HOME: home });
  server.close();
  expect(ended).toMatchObject({
    code: 2,
    out: '',
    err: `durable-batch: Port ${port} of 127.0.0.1 is in use: choose another --metrics-port, or end the process that uses it.\n`,
  });
  expect(() => readFileSync(home)).toThrow('ENOENT');
});

interface Place {
  readonly x: number;
  readonly y: number;
  readonly w: number;
  readonly h: number;
}

interface Dashboard {
  readonly uid: string;
  readonly templating: { list: { name: string }[] };
  readonly panels: {
    id: number;
    type: string;
    title: string;
    gridPos: Place;
    targets: { expr: string; datasource: unknown }[];
  }[];
}

interface Rule {
  readonly alert: string;
  readonly expr: string;
  readonly annotations: Record<string, string>;
}

/** Parses the expression, with Grafana's variables filled in, and checks its metrics and their label values against the scrape. */
function expectToExist(expr: string, where: string): void {
  const text = expr.replaceAll(/\$__(rate_interval|range)/g, '5m').replaceAll('$job', '.*');
  const metrics: string[] = [];
  parser.parse(text).iterate({
    enter: ({ type, from, to }) => {
      expect(type.isError, `${where}: ${text.slice(0, to)} <- here`).toBe(false);
      if (type.name === 'Identifier' && !/^\w*\(/.test(text.slice(to))) metrics.push(text.slice(from, to));
    },
  });
  expect(metrics.length, where).toBeGreaterThan(0);
  for (const name of metrics.filter((it) => it !== 'up')) expect([...scrape.names], where).toContain(name);
  for (const [, label, value] of text.matchAll(/(\w+)=~?"([^"]+)"/g)) {
    if (label === 'job') continue;
    for (const alternative of value!.split('|'))
      expect(scrape.labelValues(label!), `${where}: ${label}`).toContain(alternative);
  }
}

/** A histogram's name without the suffixes of its series. */
function familyOf(name: string): string {
  return name.replace(/_(bucket|sum|count)$/, '');
}

function overlap(a: Place, b: Place): boolean {
  return a.x < b.x + b.w && b.x < a.x + a.w && a.y < b.y + b.h && b.y < a.y + a.h;
}
