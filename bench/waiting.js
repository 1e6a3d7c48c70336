// What a day of waiting for batches costs: history events, and Temporal actions as Temporal Cloud counts them.
//
// The number of polls of the day is computed, by the schedule that the workflow itself uses (a dev server cannot skip time).
// What one of them consists of is read from the histories of real jobs with 10, 100 and 1,000 batches in flight. Actions:
// docs.temporal.io/cloud/actions (Nov 2026): a workflow's start and each continue-as-new, each attempt of an activity, each of
// its heartbeats, each timer, signal and upsert of search attributes but TemporalChangeVersion's. Memos are not named there.
// Queries are actions of whoever asks (`run`, `watch`, Web UI).
import { setTimeout as sleep } from 'node:timers/promises';
import { Client, Connection } from '@temporalio/client';
import proto from '@temporalio/proto';
import { prepareJob } from '../dist/client/index.js';
import { pollHeartbeat, pollLength } from '../dist/core/poll-schedule.js';
import { ensureEmbeddedServer } from '../dist/temporal/index.js';
import { startCli, startWorker } from './processes.js';

const DAY_MS = 24 * 3_600_000;
const BATCHES = 100;
const lifecycle = {
  mode: 'timed',
  validatingMs: 100,
  inProgressMs: DAY_MS,
  perLineMs: 0,
  finalizingMs: 100,
};
const { History } = proto.temporal.api.history.v1;

export async function benchWaiting(home, env, input) {
  const api = await startCli(['emulator', '--json', '--options', JSON.stringify({ lifecycle })]);
  const worker = await startWorker({ ...env, OPENAI_BASE_URL: JSON.parse(api.line).url });
  const { address } = await ensureEmbeddedServer({ home });
  const client = new Client({ connection: await Connection.connect({ address }) });
  try {
    for (const batches of [10, 100, 1_000]) {
      const poll = await measure(client, home, input, batches);
      console.log(
        `24 h of waiting  ${count(batches).padStart(5)} batches: a poll takes ${poll.events} events, ${poll.bytes} bytes`,
      );
      if (batches !== BATCHES) continue;
      for (const [what, ends] of [
        ['nothing ends before the day does', 1],
        ['the 100 batches end one by one, evenly over the day', BATCHES],
      ]) {
        const { polls, beats, writes } = day(ends);
        // Batch ids are written anew with each end that leaves others behind. Fetching is the shards' own cost.
        const events = polls * poll.events + writes + ends - 1;
        const actions = polls * poll.actions + beats + ends - 1;
        console.log(
          `  ${what}: ${count(polls)} polls with ${count(beats)} beats, ${count(events)} events, ${count(actions)} actions`,
        );
      }
    }
  } finally {
    await client.connection.close();
    await worker.stop();
    await api.stop();
  }
}

const count = (n) => Math.round(n).toLocaleString('en-US');

/**
 * Polls of a day in which batches end at even distances, each seen as finalizing for a minute before: a poll looks for as
 * long as it may, or until something has changed. The counts move all day, so that the list's entry is written now and then.
 */
function day(ends) {
  const gap = DAY_MS / ends;
  let polls = 0;
  let beats = 0;
  let writes = 0;
  let changedAt = 0;
  let writtenAt = 0;
  for (let now = 0; now < DAY_MS; polls += 1) {
    const place = now % gap;
    // Two changes of status an end: to finalizing, and to completed.
    const change = now - place + (place < gap - 60_000 ? gap - 60_000 : gap);
    const look = Math.max(1_000, pollLength(now - changedAt));
    const looked = Math.min(look, change - now);
    beats += Math.floor(looked / (pollHeartbeat(look, 20_000) / 2));
    now += looked;
    if (now >= change) changedAt = now;
    if (now - writtenAt < 10 * 60_000) continue;
    writtenAt = now;
    writes += 1;
  }
  return { polls, beats, writes };
}

/** A poll that nothing has changed in, from the history of a real job that is then terminated. */
async function measure(client, home, input, batches) {
  const jobId = `bench-waiting-${batches}`;
  const shardLines = Math.ceil(1_000 / batches);
  const spec = await prepareJob({ input, jobId, shardLines, inFlight: batches, pollSeconds: 1 });
  const labels = { account: null, schedule: null, searchable: true };
  const handle = await client.workflow.start('batchJob', {
    workflowId: jobId,
    taskQueue: 'durable-batch',
    args: [{ ...spec, labels }],
  });
  try {
    for (;;) {
      await sleep(2_000);
      const { created, batches: byStatus } = await handle.query('progress');
      if (created < batches || byStatus.in_progress !== batches) continue;
      const { events } = await handle.fetchHistory();
      const cycle = quietCycleOf(events);
      if (cycle !== null) return cost(cycle);
    }
  } finally {
    await handle.terminate('measured');
  }
}

/** Where polls were scheduled, as indices into the events. */
const polls = (events) =>
  events.flatMap(({ activityTaskScheduledEventAttributes: task }, i) =>
    task?.activityType?.name === 'watchBatches' ? [i] : [],
  );

/** The last poll between two others that nothing but polls came between; null where there is none yet. */
function quietCycleOf(events) {
  const at = polls(events).slice(-3);
  if (at.length < 3) return null;
  const steps = events.slice(at[0]).filter(({ activityTaskScheduledEventAttributes: task }) => task != null);
  return steps.length === 3 ? events.slice(at[1], at[2]) : null;
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
