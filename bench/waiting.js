// What a day of waiting for 100 batches costs: history events, and Temporal actions as Temporal Cloud counts them.
//
// The number of poll cycles of the day is computed, by the schedule that the workflow itself uses (a dev server cannot skip
// time). What one cycle, and one continue-as-new, consists of is read from the histories of a real job with 100 batches
// in flight. Actions: docs.temporal.io/cloud/actions (Nov 2026): a workflow's start and each continue-as-new, each attempt
// of an activity, each timer, signal and upsert of search attributes but TemporalChangeVersion's. Heartbeats count too; a
// poll ends before its first. Memos are not named there. Queries are actions of whoever asks (`run`, `watch`, Web UI).
import { setTimeout as sleep } from 'node:timers/promises';
import { Client, Connection } from '@temporalio/client';
import proto from '@temporalio/proto';
import { prepareJob } from '../dist/client/index.js';
import { nextPollDelay } from '../dist/core/poll-schedule.js';
import { ensureEmbeddedServer } from '../dist/temporal/index.js';
import { startCli, startWorker } from './processes.js';

const DAY_MS = 24 * 3_600_000;
const BATCHES = 100;
/** The server suggests to continue as new at 4 MB or 4,096 events of history (its defaults), whichever is first. */
const SUGGESTED = { bytes: 4 * 1024 * 1024, events: 4_096 };
const { History } = proto.temporal.api.history.v1;

export async function benchWaiting(home, env, input) {
  const { cycle, handover } = await measure(home, env, input);
  const cyclesOfRun = Math.min(
    Math.floor(SUGGESTED.bytes / cycle.bytes),
    Math.floor(SUGGESTED.events / cycle.events),
  );
  console.log(
    `24 h of waiting  a cycle: ${show(cycle)}; a continue-as-new, every ${cyclesOfRun} cycles: ${show(handover)}`,
  );
  const days = [
    ['nothing ends before the day does', 1],
    ['the 100 batches end one by one, evenly over the day', BATCHES],
  ];
  for (const [what, ends] of days) {
    const cycles = cyclesOfDay(ends);
    const runs = Math.floor(cycles / cyclesOfRun);
    // Batch ids are written anew with each end that leaves others behind. Fetching is the shards' own cost.
    const events = cycles * cycle.events + runs * handover.events + ends - 1;
    const actions = cycles * cycle.actions + runs * handover.actions + ends - 1;
    console.log(
      `  ${what}: ${count(cycles)} cycles, ${count(events)} events, ${count(actions)} actions; a batch: ${count(events / BATCHES)} events, ${count(actions / BATCHES)} actions`,
    );
  }
}

const count = (n) => Math.round(n).toLocaleString('en-US');
const show = ({ events, actions, bytes }) =>
  `${events} events, ${actions} actions, ${(bytes / 1e3).toFixed(1)} kB`;

/** Poll cycles of a day in which batches end at even distances, each seen as finalizing for a minute before. */
function cyclesOfDay(ends) {
  const gap = DAY_MS / ends;
  let cycles = 0;
  let changedAt = 0;
  let seen = 0;
  for (let now = 0; now < DAY_MS; cycles += 1) {
    const nearEnd = now % gap > gap - 60_000;
    now += nextPollDelay({ smallestMs: 2_000, quietMs: now - changedAt, nearEnd });
    // Two changes of status an end: to finalizing, and to completed.
    const changes = 2 * Math.floor(now / gap) + (now % gap > gap - 60_000 ? 1 : 0);
    if (changes > seen) changedAt = now;
    seen = changes;
  }
  return cycles;
}

/** A quiet cycle and what one run hands over to the next, from the histories of a real job that is then terminated. */
async function measure(home, env, input) {
  const lifecycle = {
    mode: 'timed',
    validatingMs: 100,
    inProgressMs: DAY_MS,
    perLineMs: 0,
    finalizingMs: 100,
  };
  const api = await startCli(['emulator', '--json', '--options', JSON.stringify({ lifecycle })]);
  const worker = await startWorker({ ...env, OPENAI_BASE_URL: JSON.parse(api.line).url });
  const { address } = await ensureEmbeddedServer({ home });
  const client = new Client({ connection: await Connection.connect({ address }) });
  const spec = await prepareJob({
    input,
    jobId: 'bench-waiting',
    shardLines: 1,
    inFlight: BATCHES,
    pollSeconds: 1,
  });
  const labels = { account: null, schedule: null, searchable: true };
  // Runs are cut short, so that one sees a handover with all batches in flight.
  await client.workflow.start('batchJob', {
    workflowId: spec.jobId,
    taskQueue: 'durable-batch',
    args: [{ ...spec, labels }, undefined, { maxHistoryEvents: 120 }],
  });
  const handle = client.workflow.getHandle(spec.jobId);
  try {
    for (;;) {
      await sleep(2_000);
      const runs = [];
      for await (const { runId } of client.workflow.list({ query: `WorkflowId = '${spec.jobId}'` })) {
        const { events } = await client.workflow.getHandle(spec.jobId, runId).fetchHistory();
        runs.unshift(events);
      }
      const full = runs.findIndex((events, i) => isWaiting(events) && isWaiting(runs[i + 1] ?? []));
      if (full === -1) continue;
      const [before, after] = [runs[full], runs[full + 1]];
      const cycle = cost(cycleOf(before));
      const tail = before.slice(polls(before).at(-1) + cycle.events - 1);
      return { cycle, handover: cost([...tail, ...after.slice(0, polls(after)[0] - 2)]) };
    }
  } finally {
    await handle.terminate('measured');
    await client.connection.close();
    await worker.stop();
    await api.stop();
  }
}

/** Where polls were scheduled, as indices into the events. */
const polls = (events) =>
  events.flatMap(({ activityTaskScheduledEventAttributes: task }, i) =>
    task?.activityType?.name === 'pollBatches' ? [i] : [],
  );

/** True for a run that has done nothing but wait for all batches, for some cycles. */
function isWaiting(events) {
  const activities = events.filter(({ activityTaskScheduledEventAttributes: task }) => task != null);
  return polls(events).length >= 3 && activities.length === polls(events).length;
}

/** The events from one poll to the next, of the last two. */
function cycleOf(events) {
  const [from, to] = polls(events).slice(-3);
  return events.slice(from, to);
}

function cost(events) {
  const actions = events.filter(
    (event) =>
      event.activityTaskScheduledEventAttributes != null ||
      event.timerStartedEventAttributes != null ||
      event.workflowExecutionSignaledEventAttributes != null ||
      event.workflowExecutionStartedEventAttributes != null ||
      isOurUpsert(event.upsertWorkflowSearchAttributesEventAttributes),
  );
  return {
    events: events.length,
    actions: actions.length,
    bytes: History.encode({ events }).finish().length,
  };
}

function isOurUpsert(upsert) {
  if (upsert == null) return false;
  return !Object.hasOwn(upsert.searchAttributes?.indexedFields ?? {}, 'TemporalChangeVersion');
}
